//! The operator's limits. A rule cannot exceed them, whatever it returns.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::matcher::Matcher;
use crate::rule::{Mode, Priority, names};

/// How much one action can affect, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlastRadius {
    /// Single sessions, keys or queries.
    Item,
    /// One workload, table or queue.
    Object,
    /// A whole service or server.
    Service,
    /// Many services: a cluster or a host.
    Cluster,
}

/// What an action's undo can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reversal {
    /// Puts back the prior state.
    Restores,
    /// Makes up for the effect without putting back the prior state.
    Compensates,
    /// Nothing: what happened stays.
    Irreversible,
}

/// What to do when somebody else would take a change back, such as a GitOps controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contested {
    /// Act; the change carries its reason with it.
    Act,
    /// Ask a person.
    Ask,
    /// Do nothing, and say why.
    Refuse,
}

names! {
    Contested: Contested::Act = "act", Contested::Ask = "ask", Contested::Refuse = "refuse";
    BlastRadius: BlastRadius::Item = "item", BlastRadius::Object = "object", BlastRadius::Service = "service",
        BlastRadius::Cluster = "cluster";
    Reversal: Reversal::Restores = "restores", Reversal::Compensates = "compensates",
        Reversal::Irreversible = "irreversible";
}

/// What one use of an action means to the guards, told by the action itself from its parameters alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// What it changes, as `adapter/name/...`: rates, cooldowns and concurrency count by it.
    pub target: String,
    /// How much it can affect.
    pub blast_radius: BlastRadius,
    /// What its undo can do.
    pub reversal: Reversal,
    /// The number of replicas that it sets, if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Why it needs a person's approval whatever the rule and the mode say, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Why what the operator has configured for the adapter forbids it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<String>,
}

/// A time in which selfheal leaves some alerts alone.
#[derive(Clone, Debug)]
pub struct MaintenanceWindow {
    /// Which alerts; empty means all.
    pub matchers: Vec<Matcher>,
    /// When.
    pub schedule: Schedule,
    /// Why, for the record.
    pub reason: String,
}

/// When a maintenance window is open.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// Once.
    Once {
        /// First moment.
        from: Timestamp,
        /// First moment after it.
        until: Timestamp,
    },
    /// Every week on these days, from a time of day, in a time zone.
    Weekly {
        /// The days on which it begins.
        days: Vec<jiff::civil::Weekday>,
        /// When it begins.
        at: jiff::civil::Time,
        /// How long it lasts, at most a week.
        lasts: Duration,
        /// The zone in which day and time are meant.
        zone: jiff::tz::TimeZone,
    },
}

impl Schedule {
    /// When the window that is open at `now` closes; `None` when none is open.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= now && now < *until).then_some(*until),
            Self::Weekly { days, at, lasts, zone } => {
                let today = now.to_zoned(zone.clone()).date();
                // A window lasts at most a week, so the one that is open began within the last eight days.
                (0..=7).find_map(|days_ago| {
                    let date = today.checked_sub(jiff::Span::new().days(days_ago)).ok()?;
                    let from = date.to_datetime(*at).to_zoned(zone.clone()).ok()?.timestamp();
                    let until = from.checked_add(jiff::SignedDuration::try_from(*lasts).ok()?).ok()?;
                    (days.contains(&date.weekday()) && from <= now && now < until).then_some(until)
                })
            }
        }
    }
}

/// All limits. [`Policy::default`] is what holds when nothing is configured.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How far selfheal may go by itself.
    pub mode: Mode,
    /// The same for single rules, by name; the stricter of both and of the rule's own mode holds.
    pub rule_modes: BTreeMap<String, Mode>,
    /// How long to wait after an alert has come in before its rule decides, by priority.
    pub delays: BTreeMap<Priority, Duration>,
    /// The least cooldown; a rule can only ask for more.
    pub cooldown_min: Duration,
    /// Remediations for one target within [`RATE_WINDOW`].
    pub per_target_per_hour: u32,
    /// Remediations in all within [`RATE_WINDOW`].
    pub in_all_per_hour: u32,
    /// Remediations running at the same time. One target never has more than one.
    pub concurrent: u32,
    /// Steps in one plan.
    pub steps: u32,
    /// The largest blast radius.
    pub blast_radius: BlastRadius,
    /// The fewest replicas that a plan may set.
    pub replicas_min: u32,
    /// The most replicas that a plan may set.
    pub replicas_max: u32,
    /// Actions that no plan may use: `adapter.action`, or `adapter.*`.
    pub forbidden: Vec<String>,
    /// Actions that always need approval, in the same form.
    pub needs_approval: Vec<String>,
    /// What to do when somebody else would take a change back.
    pub contested: Contested,
    /// How long an approval may be given; then it is denied.
    pub approval_ttl: Duration,
    /// New issues within a minute for one rule, above which the rule is held and a person is asked once. 0: no limit.
    pub storm_per_minute: u32,
    /// The share of failed remediations, 0 to 1, above which the switch goes off.
    pub failure_share_max: f64,
    /// Remediations within [`RATE_WINDOW`] below which that share says nothing.
    pub failure_sample_min: u32,
    /// Consecutive failures after which an adapter's circuit breaker opens.
    pub breaker_failures: u32,
    /// How long it stays open before a trial.
    pub breaker_open: Duration,
    /// How long an intent waits for a target that is down.
    pub target_wait: Duration,
    /// How long an alert must stay resolved for its issue to close.
    pub settle: Duration,
    /// Times in which alerts are left alone.
    pub maintenance: Vec<MaintenanceWindow>,
}

/// The sliding window of all rate limits.
pub const RATE_WINDOW: Duration = Duration::from_secs(3600);

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            mode: Mode::Auto,
            rule_modes: BTreeMap::new(),
            delays: BTreeMap::from([
                (Priority::Critical, Duration::ZERO),
                (Priority::High, minutes(5)),
                (Priority::Medium, minutes(15)),
                (Priority::Low, minutes(60)),
            ]),
            cooldown_min: minutes(5),
            per_target_per_hour: 10,
            in_all_per_hour: 100,
            concurrent: 10,
            steps: 16,
            blast_radius: BlastRadius::Service,
            replicas_min: 1,
            replicas_max: 10,
            forbidden: Vec::new(),
            needs_approval: Vec::new(),
            contested: Contested::Refuse,
            approval_ttl: minutes(60),
            storm_per_minute: 20,
            failure_share_max: 0.30,
            failure_sample_min: 10,
            breaker_failures: 5,
            breaker_open: minutes(5),
            target_wait: minutes(15),
            settle: minutes(1),
            maintenance: Vec::new(),
        }
    }
}

impl Policy {
    /// The mode for a rule: the strictest of the operator's general one, the operator's for this rule, and the rule's.
    pub fn mode_for(&self, rule: &str, own: Option<Mode>) -> Mode {
        [Some(self.mode), self.rule_modes.get(rule).copied(), own]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.mode)
    }

    /// How long to wait after an alert has come in before a rule of this priority decides.
    pub fn delay(&self, priority: Priority) -> Duration {
        self.delays.get(&priority).copied().unwrap_or_default()
    }

    /// The maintenance window that covers an alert now, with the moment at which it closes.
    pub fn maintenance(&self, labels: &Labels, now: Timestamp) -> Option<(&MaintenanceWindow, Timestamp)> {
        self.maintenance
            .iter()
            .filter(|window| window.matchers.iter().all(|matcher| matcher.matches(labels)))
            .find_map(|window| Some((window, window.schedule.open_until(now)?)))
    }
}

/// Whether a pattern of [`Policy::forbidden`] covers an action (`adapter.action`).
pub fn covers(pattern: &str, action: &str) -> bool {
    pattern == action
        || pattern.strip_suffix('*').is_some_and(|prefix| prefix.ends_with('.') && action.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_mode_holds() {
        let mut policy = Policy::default();
        assert_eq!(policy.mode_for("r", None), Mode::Auto);
        assert_eq!(policy.mode_for("r", Some(Mode::Approve)), Mode::Approve);
        policy.rule_modes.insert("r".into(), Mode::Shadow);
        assert_eq!(policy.mode_for("r", Some(Mode::Approve)), Mode::Shadow);
        policy.mode = Mode::Approve;
        assert_eq!(policy.mode_for("other", Some(Mode::Auto)), Mode::Approve);
    }

    #[test]
    fn patterns_cover_one_action_or_a_whole_adapter() {
        assert!(covers("pg.vacuum", "pg.vacuum"));
        assert!(covers("pg.*", "pg.vacuum"));
        assert!(!covers("pg.v*", "pg.vacuum"), "only a whole adapter");
        assert!(!covers("p.*", "pg.vacuum"));
    }

    #[test]
    fn weekly_windows_cross_midnight_and_keep_their_zone() {
        let schedule = Schedule::Weekly {
            days: vec![jiff::civil::Weekday::Saturday],
            at: jiff::civil::time(23, 0, 0, 0),
            lasts: Duration::from_secs(2 * 3600),
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(1)),
        };
        let at = |text: &str| schedule.open_until(text.parse().unwrap()).map(|t| t.to_string());
        // 2026-11-21 is a Saturday; 23:00 at +01:00 is 22:00 UTC.
        assert_eq!(at("2026-11-21T21:59:59Z"), None);
        assert_eq!(at("2026-11-21T22:00:00Z").as_deref(), Some("2026-11-22T00:00:00Z"));
        assert_eq!(at("2026-11-21T23:30:00Z").as_deref(), Some("2026-11-22T00:00:00Z"));
        assert_eq!(at("2026-11-22T00:00:00Z"), None);
    }
}
