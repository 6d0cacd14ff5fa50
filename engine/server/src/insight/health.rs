//! The health score as people see it: now, its last 24 hours, and what costs how much. The formula is
//! [`selfheal_core::health`]'s.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use selfheal_core::health::{self, Gravity, Sample, Scores, Weight};
use selfheal_core::issue::Outcome;
use selfheal_core::rule::Component;
use selfheal_runtime::ports::Episode;
use serde::Serialize;

use crate::http::schema;

/// How far back the trend goes.
const TREND: SignedDuration = SignedDuration::from_hours(24);
/// The time between two samples of the trend.
const STEP: SignedDuration = SignedDuration::from_mins(15);
/// The issues that are listed, those that cost the most first.
const LISTED_MAX: usize = 100;

/// The health score, from 0 to 100.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
pub struct HealthScore {
    /// The mean of the components, less a fifth of the points of issues that belong to none, and at most 15 above the worst.
    #[schemars(range(min = 0, max = 100))]
    pub overall_score: u32,
    /// 100 less the points of the issues of pods, CPU and memory.
    #[schemars(range(min = 0, max = 100))]
    pub compute_score: u32,
    /// The same for latency and reachability.
    #[schemars(range(min = 0, max = 100))]
    pub network_score: u32,
    /// The same for disks and volumes.
    #[schemars(range(min = 0, max = 100))]
    pub storage_score: u32,
    /// The same for databases, caches and queues.
    #[schemars(range(min = 0, max = 100))]
    pub database_score: u32,
    /// The same for certificates, vulnerabilities and drift.
    #[schemars(range(min = 0, max = 100))]
    pub security_score: u32,
    /// When it was computed.
    pub timestamp: Timestamp,
    /// Issues detected in the last 24 hours.
    pub issues_detected: u64,
    /// Those of them that a remediation was verified to have healed.
    pub auto_remediated: u64,
    /// The overall score now, less what it was 24 hours ago.
    pub change_24h: i64,
    /// Every quarter of an hour of the last 24 hours, oldest first.
    #[schemars(with = "Vec<schema::Sample>")]
    pub trend: Vec<Sample>,
    /// What costs points now, the most first; at most 100 of them.
    pub issues: Vec<Cost>,
    /// How many more there are.
    pub issues_not_listed: u64,
}

/// What an issue costs.
#[derive(Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "HealthCost")]
pub struct Cost {
    /// The issue.
    #[schemars(with = "schema::IssueName")]
    id: String,
    /// The alert's name.
    r#type: String,
    resource: String,
    /// The component on which it weighs; null where no rule is for it.
    #[schemars(with = "Option<schema::Component>")]
    component: Option<Component>,
    /// How bad it is: 30, 15, 5 or 1 point.
    #[schemars(with = "schema::Gravity")]
    gravity: Gravity,
    points: u32,
    /// Since when.
    since: Timestamp,
}

/// How far back the journal must be asked.
pub(super) fn since(now: Timestamp) -> Timestamp {
    now.saturating_sub(TREND).unwrap_or(Timestamp::MIN)
}

fn gravity(episode: &Episode) -> Gravity {
    Gravity::of(episode.severity.as_deref(), episode.priority)
}

fn weight(episode: &Episode) -> Weight {
    Weight {
        component: episode.component,
        gravity: gravity(episode),
        from: episode.received_at,
        until: episode.resolved_at.or(episode.closed_at),
    }
}

impl HealthScore {
    /// From the issues that were open within the last 24 hours.
    pub(super) fn of(episodes: &[Episode], now: Timestamp) -> Self {
        let weights: Vec<Weight> = episodes.iter().map(weight).collect();
        let trend = health::trend(&weights, &moments(now));
        let Scores { overall, compute, network, storage, database, security } = health::scores(&weights, now);
        let recent = || episodes.iter().filter(|episode| episode.received_at >= since(now));
        let healed = |outcome: &Option<Outcome>| *outcome == Some(Outcome::Recovered);
        let mut costs: Vec<Cost> = episodes
            .iter()
            .zip(&weights)
            .filter(|(_, weight)| weight.is_felt(now))
            .map(|(episode, weight)| cost(episode, weight))
            .collect();
        // Those that are equally bad by their age, the oldest first.
        costs.sort_by_key(|cost| (std::cmp::Reverse(cost.points), cost.since));
        let not_listed = costs.len().saturating_sub(LISTED_MAX);
        costs.truncate(LISTED_MAX);
        Self {
            overall_score: overall,
            compute_score: compute,
            network_score: network,
            storage_score: storage,
            database_score: database,
            security_score: security,
            timestamp: now,
            issues_detected: recent().count() as u64,
            auto_remediated: recent()
                .filter(|episode| episode.courses.iter().any(|course| healed(&course.outcome)))
                .count() as u64,
            change_24h: i64::from(overall)
                - trend.first().map_or(i64::from(overall), |first| i64::from(first.scores.overall)),
            trend,
            issues: costs,
            issues_not_listed: not_listed as u64,
        }
    }

    /// Each component's score and the overall one, by name.
    pub(crate) fn parts(&self) -> [(&'static str, u32); 6] {
        [
            ("overall", self.overall_score),
            ("compute", self.compute_score),
            ("network", self.network_score),
            ("storage", self.storage_score),
            ("database", self.database_score),
            ("security", self.security_score),
        ]
    }
}

fn cost(episode: &Episode, weight: &Weight) -> Cost {
    Cost {
        id: episode.issue.to_string(),
        r#type: episode.name.clone(),
        resource: episode.resource.clone(),
        component: weight.component,
        gravity: weight.gravity,
        points: weight.gravity.points(),
        since: weight.from,
    }
}

/// The moments of the trend, oldest first, the last one now.
fn moments(now: Timestamp) -> Vec<Timestamp> {
    let steps = TREND.as_secs() / STEP.as_secs();
    let back = |steps: i64| SignedDuration::from_secs(STEP.as_secs() * steps);
    (0..=steps).rev().filter_map(|step| now.checked_sub(back(i64::from(step as i32))).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfheal_core::issue::IssueId;
    use selfheal_runtime::ports::Course;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap()
    }

    fn episode(id: i64, severity: &str, component: Component, from: i64, until: Option<i64>) -> Episode {
        Episode {
            issue: IssueId(id),
            name: "Broken".into(),
            severity: Some(severity.into()),
            rule: Some("heal".into()),
            priority: None,
            component: Some(component),
            resource: "a".into(),
            starts_at: at(from),
            received_at: at(from),
            resolved_at: until.map(at),
            closed_at: until.map(at),
            outcome: None,
            courses: Vec::new(),
        }
    }

    #[test]
    fn it_says_what_was_and_what_costs() {
        let course = |outcome| Course {
            rule: "heal".into(),
            started_at: at(10),
            effect_at: None,
            ended_at: Some(at(11)),
            outcome: Some(outcome),
        };
        let (verified, unverified) =
            (vec![course(Outcome::Unwound), course(Outcome::Recovered)], vec![course(Outcome::Applied)]);
        let episodes = [
            Episode { courses: unverified, ..episode(3, "high", Component::Compute, 23, None) },
            Episode { courses: verified, ..episode(2, "critical", Component::Database, 10, Some(12)) },
            episode(1, "warning", Component::Compute, -30, None),
        ];
        let score = HealthScore::of(&episodes, at(24));
        assert_eq!((score.overall_score, score.compute_score, score.database_score), (95, 80, 100));
        assert_eq!((score.issues_detected, score.auto_remediated), (2, 1));
        assert_eq!(score.trend.len(), 97);
        assert_eq!((score.trend[0].at, score.trend[0].scores.overall), (at(0), 99));
        assert_eq!(score.trend.iter().map(|sample| sample.lowest).min(), Some(85));
        assert_eq!(score.change_24h, -4);
        let costs: Vec<(&str, u32)> = score.issues.iter().map(|cost| (&*cost.id, cost.points)).collect();
        assert_eq!(costs, [("issue-3", 15), ("issue-1", 5)]);
        let json = serde_json::to_value(&score).unwrap();
        assert_eq!(json["trend"][96]["overall"], 95, "a sample is flat: {json}");
    }
}
