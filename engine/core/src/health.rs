//! The health score: 0 to 100, for each component and overall, from the issues that are open, and from nothing else, so
//! that every missing point has an issue's name on it.
//!
//! An issue costs points from the moment selfheal heard of it until its alert is resolved: 30, 15, 5 or 1 by how bad it is
//! ([`Gravity`]). A component's score is 100 less the points of its issues, and never less than 0. The overall score is
//! the mean of the five, less a fifth of the points of issues that belong to no component (as if they were one
//! component's), and never more than [`ABOVE_WORST_MAX`] above the worst: four healthy components must not hide a sick
//! one. It is rounded to the next whole number, so 100 stands for "hardly anything" at worst.
//!
//! What was at any time of the past is computed from the issues' own times; nothing is sampled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rule::{Component, Priority, names};

/// How far the overall score may be above the worst component's.
pub const ABOVE_WORST_MAX: u32 = 15;

/// The best score.
pub const BEST: u32 = 100;

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// 30 points.
    Critical,
    /// 15 points.
    High,
    /// 5 points.
    Medium,
    /// 1 point.
    Low,
}

names! {
    Gravity: Gravity::Critical = "critical", Gravity::High = "high", Gravity::Medium = "medium", Gravity::Low = "low";
}

impl Gravity {
    /// The words that are usual for it in `severity` labels, in small letters.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Critical => &["critical", "crit", "page", "fatal", "emergency", "disaster", "p1"],
            Self::High => &["high", "error", "major", "p2"],
            Self::Medium => &["medium", "warning", "warn", "minor", "average", "p3"],
            Self::Low => &["low", "info", "informational", "information", "notice", "none", "p4"],
        }
    }

    /// What a `severity` label says, if it has one of the usual words, in whatever case.
    pub fn named(severity: &str) -> Option<Self> {
        let is_said = |gravity: &Self| gravity.words().iter().any(|word| word.eq_ignore_ascii_case(severity));
        Self::NAMES.iter().map(|(_, gravity)| *gravity).find(is_said)
    }

    /// From the alert's `severity` label, in the words that are usual for it; where it has none of them, from the
    /// priority of its rule; without a rule, medium.
    pub fn of(severity: Option<&str>, priority: Option<Priority>) -> Self {
        severity.and_then(Self::named).unwrap_or(match priority {
            Some(Priority::Critical) => Self::Critical,
            Some(Priority::High) => Self::High,
            Some(Priority::Medium) | None => Self::Medium,
            Some(Priority::Low) => Self::Low,
        })
    }

    /// What it costs while it lasts.
    pub fn points(self) -> u32 {
        match self {
            Self::Critical => 30,
            Self::High => 15,
            Self::Medium => 5,
            Self::Low => 1,
        }
    }
}

/// An issue as it weighs on the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The component on which it weighs; on none where no rule is for it.
    pub component: Option<Component>,
    /// How bad it is.
    pub gravity: Gravity,
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
}

impl Weight {
    /// Whether it weighs at a moment.
    pub fn is_felt(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// All scores at one moment, 0 to 100 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    /// Overall.
    pub overall: u32,
    /// Pods, CPU, memory.
    pub compute: u32,
    /// Latency, reachability.
    pub network: u32,
    /// Disks, volumes.
    pub storage: u32,
    /// Databases, caches, queues.
    pub database: u32,
    /// Certificates, vulnerabilities, drift.
    pub security: u32,
}

impl Scores {
    /// A component's score.
    pub fn of(&self, component: Component) -> u32 {
        match component {
            Component::Compute => self.compute,
            Component::Network => self.network,
            Component::Storage => self.storage,
            Component::Database => self.database,
            Component::Security => self.security,
        }
    }
}

/// The points that are lost at a moment, by component and by none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    by_component: [u32; 5],
    by_none: u32,
}

impl Lost {
    fn place(&mut self, component: Option<Component>) -> &mut u32 {
        match component {
            Some(Component::Compute) => &mut self.by_component[0],
            Some(Component::Network) => &mut self.by_component[1],
            Some(Component::Storage) => &mut self.by_component[2],
            Some(Component::Database) => &mut self.by_component[3],
            Some(Component::Security) => &mut self.by_component[4],
            None => &mut self.by_none,
        }
    }

    /// An issue begins to weigh.
    pub fn add(&mut self, component: Option<Component>, gravity: Gravity) {
        *self.place(component) += gravity.points();
    }

    /// An issue that was added no longer weighs.
    pub fn take_back(&mut self, component: Option<Component>, gravity: Gravity) {
        let place = self.place(component);
        *place = place.saturating_sub(gravity.points());
    }

    /// What the scores are with this lost.
    pub fn scores(&self) -> Scores {
        let parts = self.by_component.map(|lost| BEST.saturating_sub(lost));
        let [compute, network, storage, database, security] = parts;
        let worst = parts.into_iter().min().unwrap_or(BEST);
        let fifths = parts.iter().sum::<u32>().saturating_sub(self.by_none);
        let mean = (fifths * 2 + 5) / 10;
        let overall = mean.min(worst + ABOVE_WORST_MAX);
        Scores { overall, compute, network, storage, database, security }
    }
}

/// The scores now.
pub fn scores(weights: &[Weight], now: Timestamp) -> Scores {
    let mut lost = Lost::default();
    for weight in weights.iter().filter(|weight| weight.is_felt(now)) {
        lost.add(weight.component, weight.gravity);
    }
    lost.scores()
}

/// The scores at the end of a span of time, and how low the overall one was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The end of the span.
    pub at: Timestamp,
    /// The scores then.
    #[serde(flatten)]
    pub scores: Scores,
    /// The least overall score since the sample before.
    pub lowest: u32,
}

/// The scores at each of `moments`, which go forward in time. The first sample's `lowest` is its own score.
pub fn trend(weights: &[Weight], moments: &[Timestamp]) -> Vec<Sample> {
    // Every beginning and end in the order of time: what the score is between two of them does not change.
    let mut changes: Vec<(Timestamp, bool, &Weight)> = Vec::with_capacity(weights.len() * 2);
    for weight in weights {
        changes.push((weight.from, true, weight));
        changes.extend(weight.until.map(|until| (until.max(weight.from), false, weight)));
    }
    // At the same moment, what begins is counted before what ends, so that no end comes without its beginning.
    changes.sort_by_key(|(at, begins, _)| (*at, !begins));
    let mut changes = changes.into_iter().peekable();
    let mut lost = Lost::default();
    let mut samples: Vec<Sample> = Vec::with_capacity(moments.len());
    for moment in moments {
        let mut lowest = lost.scores().overall;
        while let Some((at, begins, weight)) = changes.next_if(|(at, ..)| at <= moment) {
            if begins {
                lost.add(weight.component, weight.gravity);
            } else {
                lost.take_back(weight.component, weight.gravity);
            }
            // A moment's changes are one change.
            if changes.peek().is_none_or(|(next, ..)| *next > at) {
                lowest = lowest.min(lost.scores().overall);
            }
        }
        let scores = lost.scores();
        let lowest = if samples.is_empty() { scores.overall } else { lowest };
        samples.push(Sample { at: *moment, scores, lowest });
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn weight(component: Option<Component>, gravity: Gravity, from: i64, until: Option<i64>) -> Weight {
        Weight { component, gravity, from: at(from), until: until.map(at) }
    }

    #[test]
    fn every_missing_point_is_an_issues() {
        use Component::{Database, Network};
        use Gravity::{Critical, High, Low, Medium};
        type Issues = &'static [(Option<Component>, Gravity)];
        // Issues, then overall, network, database.
        let cases: &[(Issues, u32, u32, u32)] = &[
            (&[], 100, 100, 100),
            (&[(Some(Database), Low)], 100, 100, 99),
            (&[(Some(Database), Medium)], 99, 100, 95),
            (&[(Some(Database), High)], 97, 100, 85),
            (&[(Some(Database), Critical)], 85, 100, 70),
            (&[(Some(Database), Critical), (Some(Database), Critical)], 55, 100, 40),
            (&[(Some(Database), Critical); 5], 15, 100, 0),
            (&[(Some(Database), High), (Some(Network), High)], 94, 85, 85),
            (&[(None, Critical)], 94, 100, 100),
            (&[(None, Critical); 100], 0, 100, 100),
        ];
        for (issues, overall, network, database) in cases {
            let mut lost = Lost::default();
            issues.iter().for_each(|(component, gravity)| lost.add(*component, *gravity));
            let scores = lost.scores();
            let found = (scores.overall, scores.network, scores.database);
            assert_eq!(found, (*overall, *network, *database), "{issues:?}");
            issues.iter().for_each(|(component, gravity)| lost.take_back(*component, *gravity));
            assert_eq!(lost, Lost::default());
        }
    }

    #[test]
    fn gravity_is_the_labels_then_the_rules() {
        let cases = [
            (Some("critical"), Some(Priority::Low), Gravity::Critical),
            (Some("Warning"), None, Gravity::Medium),
            (Some("page"), None, Gravity::Critical),
            (Some("purple"), Some(Priority::High), Gravity::High),
            (None, Some(Priority::Low), Gravity::Low),
            (None, None, Gravity::Medium),
        ];
        for (severity, priority, expected) in cases {
            assert_eq!(Gravity::of(severity, priority), expected, "{severity:?} {priority:?}");
        }
    }

    #[test]
    fn the_trend_is_what_the_score_was() {
        let weights = [
            weight(Some(Component::Compute), Gravity::Critical, 5, Some(15)),
            weight(Some(Component::Compute), Gravity::High, 12, Some(13)),
            weight(None, Gravity::Low, 30, Some(30)),
            weight(Some(Component::Storage), Gravity::Critical, 40, None),
        ];
        let moments: Vec<Timestamp> = [0, 10, 20, 30, 40].map(at).to_vec();
        let found: Vec<(u32, u32)> =
            trend(&weights, &moments).iter().map(|sample| (sample.scores.overall, sample.lowest)).collect();
        assert_eq!(found, [(100, 100), (85, 85), (100, 70), (100, 100), (85, 85)]);
        for moment in [0, 5, 10, 12, 14, 15, 30, 39, 40, 41].map(at) {
            assert_eq!(trend(&weights, &[moment])[0].scores, scores(&weights, moment), "{moment}");
        }
    }
}
