//! Statistics: totals since the beginning, and the last 24 hours, 7 days and 30 days with their rates and times.
//!
//! An issue belongs to a span of time by when selfheal heard of it, its resolution by when its alert was resolved, a
//! remediation by when it ended. Times are told in the parts that an alert goes through: fired → received → decided →
//! first effect → verified → resolved.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use selfheal_core::health::Gravity;
use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::journal::Totals;
use selfheal_runtime::ports::{Course, Episode};
use serde::Serialize;

use super::spread::{Durations, Spread};

/// The rules and kinds that are listed, those with the most issues first.
const GROUPS_MAX: usize = 100;
/// The fewest durations of which a change is told.
const COMPARED_MIN: usize = 3;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What was counted and measured.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
pub struct Statistics {
    /// Issues since the beginning.
    total_issues_detected: u64,
    open_issues: u64,
    /// Remediations that ended, since the beginning.
    total_remediations: u64,
    /// Those that were carried out without a fault: verified and unverified ones.
    successful_remediations: u64,
    /// Those of which it was verified that they helped.
    verified_remediations: u64,
    /// Those that were carried out, and of which nothing shows whether they helped.
    unverified_remediations: u64,
    failed_remediations: u64,
    /// Percent of the verified ones among the verified and the failed, with two decimals; null while there are none.
    success_rate: Option<f64>,
    /// For people: `2.3 seconds`.
    average_remediation_time: String,
    /// Null while there are none.
    average_remediation_seconds: Option<f64>,
    /// The share of time without a critical issue in the last 7 days, less that of the 7 days before, in percentage
    /// points: `+1.2%`. Null where there is no week to compare with.
    uptime_improvement: Option<String>,
    /// How the mean time to resolve of the last 7 days compares with that of the 7 days before: `-65%` is shorter. Null
    /// where either has fewer than 3 resolved issues.
    mttr_reduction: Option<String>,
    #[schemars(with = "BTreeMap<String, u64>")]
    by_outcome: BTreeMap<Outcome, u64>,
    /// When this was computed.
    timestamp: Timestamp,
    windows: Windows,
}

/// The same over three spans of time that end now.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "StatisticsWindows")]
pub struct Windows {
    #[serde(rename = "24h")]
    day: Window,
    #[serde(rename = "7d")]
    week: Window,
    #[serde(rename = "30d")]
    month: Window,
}

/// One span of time that ends now.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "StatisticsWindow")]
pub struct Window {
    since: Timestamp,
    issues_detected: u64,
    issues_resolved: u64,
    /// Issues detected, by how bad they are.
    #[schemars(with = "BTreeMap<String, u64>")]
    by_severity: BTreeMap<Gravity, u64>,
    /// Issues detected, by the part of the health score on which they weigh; `none` where no rule is for them.
    by_component: BTreeMap<String, u64>,
    remediations: Counts,
    /// Time from firing to resolved. Null while nothing was resolved.
    mttr: Option<Spread>,
    times: Times,
    /// The rules with the most issues.
    by_rule: Vec<Group>,
    /// The kinds of alerts with the most issues.
    by_kind: Vec<Group>,
}

/// Remediations that ended.
#[derive(Debug, Default, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "RemediationCounts")]
pub struct Counts {
    total: u64,
    /// Those that were carried out without a fault: verified and unverified ones.
    successful: u64,
    /// Those of which it was verified that they helped.
    verified: u64,
    /// Those that were carried out, and of which nothing shows whether they helped.
    unverified: u64,
    failed: u64,
    /// Percent of the verified ones among the verified and the failed, with two decimals; null while there are none.
    success_rate: Option<f64>,
    #[schemars(with = "BTreeMap<String, u64>")]
    by_outcome: BTreeMap<Outcome, u64>,
}

/// What the time from firing to resolved is made of; each part null while there is none.
#[derive(Debug, Default, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "TimeParts")]
pub struct Times {
    /// Fired → received.
    detection: Option<Spread>,
    /// Received → first decided to act; holds the priority's delay and whatever a guard held.
    decision: Option<Spread>,
    /// Decided → first effect.
    effect: Option<Spread>,
    /// First effect → verified, of remediations that were verified to help.
    verification: Option<Spread>,
    /// Verified → resolved.
    resolution: Option<Spread>,
    /// Decided → ended, of all remediations.
    remediation: Option<Spread>,
}

/// The issues of one rule or kind.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "StatisticsGroup")]
pub struct Group {
    /// The rule's or the alert's name.
    name: String,
    issues: u64,
    remediations: Counts,
    mttr: Option<Spread>,
    times: Times,
}

/// How far back the journal must be asked.
pub(super) fn since(now: Timestamp) -> Timestamp {
    before(now, MONTH)
}

fn before(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

fn is_verified(course: &Course) -> bool {
    course.outcome == Some(Outcome::Recovered)
}

fn percent(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (part as f64 * 10_000.0 / of as f64).round() / 100.0)
}

impl Counts {
    fn of(by_outcome: BTreeMap<Outcome, u64>) -> Self {
        let counted = |wanted: &dyn Fn(Outcome) -> bool| -> u64 {
            by_outcome.iter().filter(|(outcome, _)| wanted(**outcome)).map(|(_, count)| count).sum()
        };
        let verified = counted(&|outcome| outcome == Outcome::Recovered);
        let successful = counted(&|outcome| outcome.success() == Some(true));
        let failed = counted(&|outcome| outcome.success() == Some(false));
        Self {
            total: counted(&|_| true),
            successful,
            verified,
            unverified: successful - verified,
            failed,
            success_rate: percent(verified, verified + failed),
            by_outcome,
        }
    }
}

/// What is collected about some issues within a span of time.
#[derive(Default)]
struct Tally {
    issues: u64,
    resolved: u64,
    by_outcome: BTreeMap<Outcome, u64>,
    mttr: Durations,
    detection: Durations,
    decision: Durations,
    effect: Durations,
    verification: Durations,
    resolution: Durations,
    remediation: Durations,
}

impl Tally {
    fn add(&mut self, episode: &Episode, since: Timestamp) {
        if episode.received_at >= since {
            self.issues += 1;
            self.detection.between(episode.starts_at, episode.received_at);
            self.decision
                .between(episode.received_at, episode.courses.first().map(|course| course.started_at));
        }
        let ended =
            episode.courses.iter().filter(|course| course.ended_at.is_some_and(|ended| ended >= since));
        for course in ended {
            if let Some(outcome) = course.outcome {
                *self.by_outcome.entry(outcome).or_default() += 1;
            }
            self.effect.between(course.started_at, course.effect_at);
            self.remediation.between(course.started_at, course.ended_at);
            if is_verified(course) {
                self.verification.between(course.effect_at, course.ended_at);
            }
        }
        if let Some(resolved_at) = episode.resolved_at.filter(|resolved_at| *resolved_at >= since) {
            self.resolved += 1;
            self.mttr.between(episode.starts_at, resolved_at);
            let helped = episode.courses.iter().rev().find(|course| is_verified(course));
            self.resolution.between(helped.and_then(|course| course.ended_at), resolved_at);
        }
    }

    fn times(self) -> (Counts, Option<Spread>, Times) {
        let times = Times {
            detection: self.detection.spread(),
            decision: self.decision.spread(),
            effect: self.effect.spread(),
            verification: self.verification.spread(),
            resolution: self.resolution.spread(),
            remediation: self.remediation.spread(),
        };
        (Counts::of(self.by_outcome), self.mttr.spread(), times)
    }
}

fn groups<'e>(
    episodes: &'e [Episode],
    since: Timestamp,
    name: impl Fn(&'e Episode) -> Option<&'e str>,
) -> Vec<Group> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for episode in episodes {
        if let Some(name) = name(episode) {
            tallies.entry(name).or_default().add(episode, since);
        }
    }
    let mut tallies: Vec<(&str, Tally)> = tallies
        .into_iter()
        .filter(|(_, tally)| tally.issues + tally.resolved > 0 || !tally.by_outcome.is_empty())
        .collect();
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.issues));
    tallies.truncate(GROUPS_MAX);
    let group = |(name, tally): (&str, Tally)| {
        let issues = tally.issues;
        let (remediations, mttr, times) = tally.times();
        Group { name: name.to_owned(), issues, remediations, mttr, times }
    };
    tallies.into_iter().map(group).collect()
}

impl Window {
    fn of(episodes: &[Episode], since: Timestamp) -> Self {
        let (mut tally, mut by_severity, mut by_component) =
            (Tally::default(), BTreeMap::new(), BTreeMap::new());
        for episode in episodes {
            tally.add(episode, since);
            if episode.received_at >= since {
                let gravity = Gravity::of(episode.severity.as_deref(), episode.priority);
                *by_severity.entry(gravity).or_default() += 1;
                let component = episode.component.map_or("none", |component| component.name());
                *by_component.entry(component.to_owned()).or_default() += 1;
            }
        }
        let (issues_detected, issues_resolved) = (tally.issues, tally.resolved);
        let (remediations, mttr, times) = tally.times();
        Self {
            since,
            issues_detected,
            issues_resolved,
            by_severity,
            by_component,
            remediations,
            mttr,
            times,
            by_rule: groups(episodes, since, |episode| episode.rule.as_deref()),
            by_kind: groups(episodes, since, |episode| Some(&episode.name)),
        }
    }
}

impl Statistics {
    /// From the totals, and the issues that were open within the last 30 days.
    pub(super) fn of(totals: Totals, episodes: &[Episode], now: Timestamp) -> Self {
        let counts = Counts::of(totals.remediations);
        let all = counts.total;
        let seconds = totals.duration_seconds / all as f64;
        let window = |span| Window::of(episodes, before(now, span));
        Self {
            total_issues_detected: totals.issues,
            open_issues: totals.open_issues,
            total_remediations: all,
            successful_remediations: counts.successful,
            verified_remediations: counts.verified,
            unverified_remediations: counts.unverified,
            failed_remediations: counts.failed,
            success_rate: counts.success_rate,
            average_remediation_time: if all > 0 {
                format!("{seconds:.1} seconds")
            } else {
                "none yet".to_owned()
            },
            average_remediation_seconds: (all > 0).then_some(seconds),
            uptime_improvement: uptime_improvement(episodes, now),
            mttr_reduction: mttr_reduction(episodes, now),
            by_outcome: counts.by_outcome,
            timestamp: now,
            windows: Windows {
                day: window(SignedDuration::from_hours(24)),
                week: window(WEEK),
                month: window(MONTH),
            },
        }
    }
}

/// The mean time to resolve of the issues that were resolved in a span.
fn mean_time(episodes: &[Episode], from: Timestamp, until: Timestamp) -> Option<f64> {
    let mut durations = Durations::default();
    let mut count = 0;
    for episode in episodes {
        if let Some(resolved_at) = episode.resolved_at.filter(|at| from <= *at && *at < until) {
            durations.between(episode.starts_at, resolved_at);
            count += 1;
        }
    }
    durations.mean().filter(|_| count >= COMPARED_MIN)
}

fn mttr_reduction(episodes: &[Episode], now: Timestamp) -> Option<String> {
    let (week, before_it) = (before(now, WEEK), before(now, WEEK * 2));
    let (new, old) = (mean_time(episodes, week, now)?, mean_time(episodes, before_it, week)?);
    (old > 0.0).then(|| format!("{:+.0}%", (new / old - 1.0) * 100.0))
}

/// The share of a span in which no critical issue was open, 0 to 1.
fn uptime(episodes: &[Episode], from: Timestamp, until: Timestamp) -> f64 {
    let is_critical =
        |episode: &&Episode| Gravity::of(episode.severity.as_deref(), episode.priority) == Gravity::Critical;
    let mut down: Vec<(Timestamp, Timestamp)> = episodes
        .iter()
        .filter(is_critical)
        .map(|episode| {
            let ended = episode.resolved_at.or(episode.closed_at).unwrap_or(until);
            (episode.received_at.clamp(from, until), ended.clamp(from, until))
        })
        .collect();
    down.sort_unstable();
    let (mut sum, mut reached) = (0.0, from);
    for (began, ended) in down {
        let began = began.max(reached);
        if ended > began {
            sum += ended.duration_since(began).as_secs_f64();
            reached = ended;
        }
    }
    1.0 - sum / until.duration_since(from).as_secs_f64()
}

fn uptime_improvement(episodes: &[Episode], now: Timestamp) -> Option<String> {
    let (week, before_it) = (before(now, WEEK), before(now, WEEK * 2));
    // Without any issue from before this week it cannot be told from a week without selfheal.
    episodes.iter().find(|episode| episode.received_at < week)?;
    let change = uptime(episodes, week, now) - uptime(episodes, before_it, week);
    Some(format!("{:+.1}%", change * 100.0))
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
