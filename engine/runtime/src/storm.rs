//! Storms: how many new issues each rule had within the last minute, and which rules a person let go on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::{earlier, later};
use serde_json::json;

use crate::engine::{Engine, PAGE};
use crate::ports::JournalFault;
use crate::ports::journal::{IssueFilter, Record, Write};

/// The window in which new issues are counted.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a person's word holds.
pub(crate) const RELEASE: Duration = Duration::from_secs(3600);
/// Openings remembered for one rule; more than that is a storm by any measure.
pub(crate) const OPENINGS_MAX: usize = 10_000;

/// The counters of all rules.
#[derive(Default)]
pub(crate) struct Storms {
    rules: Mutex<HashMap<String, Rule>>,
}

#[derive(Default)]
struct Rule {
    openings: VecDeque<Timestamp>,
    released_until: Option<Timestamp>,
    /// When people were last told of a storm.
    told_at: Option<Timestamp>,
}

/// What is known of one rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StormReading {
    /// New issues within the last minute.
    pub(crate) new_issues: u32,
    /// Whether a person let the rule go on.
    pub(crate) released: bool,
}

impl Storms {
    fn with<T>(&self, rule: &str, use_it: impl FnOnce(&mut Rule) -> T) -> T {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(rules.entry(rule.to_owned()).or_default())
    }

    /// Counts a new issue.
    pub(crate) fn count(&self, rule: &str, now: Timestamp) {
        self.with(rule, |state| {
            if state.openings.len() == OPENINGS_MAX {
                state.openings.pop_front();
            }
            state.openings.push_back(now);
        });
    }

    /// Reads a rule's counter.
    pub(crate) fn read(&self, rule: &str, now: Timestamp) -> StormReading {
        if !self.rules.lock().unwrap_or_else(PoisonError::into_inner).contains_key(rule) {
            return StormReading { new_issues: 0, released: false };
        }
        self.with(rule, |state| {
            while state.openings.front().is_some_and(|at| later(*at, WINDOW) <= now) {
                state.openings.pop_front();
            }
            // What lies in the future by more than disorder was counted before the clock was set back.
            while state.openings.back().is_some_and(|at| *at > later(now, WINDOW)) {
                state.openings.pop_back();
            }
            StormReading {
                new_issues: u32::try_from(state.openings.len()).unwrap_or(u32::MAX),
                released: state.released_until.is_some_and(|until| until > now),
            }
        })
    }

    /// The counters of all rules that have new issues, or that a person lets go on.
    pub(crate) fn counts(&self, now: Timestamp) -> Vec<(String, u32)> {
        let rules: Vec<String> =
            self.rules.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let counted = rules.into_iter().filter_map(|rule| {
            let StormReading { new_issues, released } = self.read(&rule, now);
            (new_issues > 0 || released).then_some((rule, new_issues))
        });
        counted.collect()
    }

    /// Until when a person lets a rule go on, as far as this process knows.
    fn released_until(&self, rule: &str) -> Option<Timestamp> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.get(rule).and_then(|state| state.released_until)
    }

    /// Lets a rule go on for an hour.
    pub(crate) fn release(&self, rule: &str, now: Timestamp) {
        self.with(rule, |state| state.released_until = Some(later(now, RELEASE)));
    }

    /// What was to tell people of a storm has failed.
    pub(crate) fn not_told(&self, rule: &str) {
        self.with(rule, |state| state.told_at = None);
    }

    /// Whether people are to be told now: once for each storm.
    pub(crate) fn tell(&self, rule: &str, now: Timestamp) -> bool {
        self.with(rule, |state| {
            let tell = state.told_at.is_none_or(|at| later(at, RELEASE) <= now);
            if tell {
                state.told_at = Some(now);
            }
            tell
        })
    }
}

/// The setting that holds when people were last told of a storm.
fn told_key(rule: &str) -> String {
    format!("storm_told/{rule}")
}

/// The setting that holds until when a person lets a rule go on despite a storm.
fn released_key(rule: &str) -> String {
    format!("storm_released/{rule}")
}

impl Engine {
    /// How many new issues a rule has, in all processes; of what the others have, no more are counted than a storm needs.
    pub(crate) async fn storm(&self, rule: &str, now: Timestamp) -> StormReading {
        let here = self.storms.read(rule, now);
        let most = self.policy.storm_per_minute;
        if most == 0 {
            return here;
        }
        let mut new_issues = here.new_issues;
        if self.shared {
            // One more than may be is enough to know, and in a storm there are very many.
            let everywhere =
                self.journal.openings_since(rule, earlier(now, WINDOW), most.saturating_add(1)).await;
            new_issues = everywhere.map_or(new_issues, |count| count.max(new_issues));
        }
        if here.released || new_issues <= most {
            return StormReading { new_issues, ..here };
        }
        StormReading { new_issues, released: self.released_until(rule, true, now).await.is_some() }
    }

    /// Until when a person lets a rule go on. What another process, or an earlier one, was told is asked for where that
    /// matters: in a storm.
    pub(crate) async fn released_until(
        &self,
        rule: &str,
        is_flooded: bool,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let here = self.storms.released_until(rule).filter(|until| *until > now);
        if here.is_some() || !is_flooded {
            return here;
        }
        self.moment(&released_key(rule)).await.filter(|until| *until > now)
    }

    /// When people were told of a rule's storm, if that is not over.
    pub(crate) async fn told_at(&self, rule: &str, now: Timestamp) -> Option<Timestamp> {
        self.moment(&told_key(rule)).await.filter(|at| later(*at, RELEASE) > now)
    }

    /// A setting that is a time; none where it cannot be read.
    async fn moment(&self, key: &str) -> Option<Timestamp> {
        serde_json::from_value(self.journal.setting(key).await.ok()??).ok()
    }

    /// Counts the new issues of the last minute, which an earlier process has had. Where the journal is shared it is asked
    /// each time.
    pub(crate) async fn restore_storms(&self, now: Timestamp) -> Result<(), JournalFault> {
        if self.shared || self.policy.storm_per_minute == 0 {
            return Ok(());
        }
        let since = earlier(now, WINDOW);
        let mut filter = IssueFilter { limit: PAGE, ..IssueFilter::default() };
        let mut openings = Vec::new();
        loop {
            let page = self.journal.issues(filter.clone()).await?;
            filter.before = page.last().map(|issue| issue.id);
            let last =
                page.len() < PAGE as usize || page.last().is_none_or(|issue| issue.received_at < since);
            let recent = page.into_iter().filter(|issue| (since..=now).contains(&issue.received_at));
            openings.extend(recent.filter_map(|issue| Some((issue.received_at, issue.rule?))));
            if last || openings.len() >= OPENINGS_MAX {
                break;
            }
        }
        openings.sort_unstable();
        openings.iter().for_each(|(at, rule)| self.storms.count(rule, *at));
        Ok(())
    }

    /// Lets a rule go on for an hour although it is flooded with new issues.
    ///
    /// # Errors
    /// The journal cannot be written; nothing is changed.
    pub async fn release_storm(&self, rule: &str, by: &str) -> Result<(), JournalFault> {
        let at = self.clock.now();
        let record = Record {
            issue: None,
            remediation: None,
            at,
            kind: "storm_released".to_owned(),
            actor: by.to_owned(),
            summary: format!("let rule {rule} go on despite a storm of new issues"),
            facts: serde_json::Value::Null,
        };
        let release = self.release_everywhere(rule, at);
        self.journal.commit(vec![Write::Record(record), release]).await?;
        self.storms.release(rule, at);
        let filter = IssueFilter { rule: Some(rule.to_owned()), ..IssueFilter::default() };
        self.call_all(filter, |issue| issue.is_held(at)).await
    }

    /// Whether people are to be told of a rule's storm now, and by this process: once for each storm. When that cannot be
    /// written, [`Storms::not_told`] lets it be tried again.
    pub(crate) async fn tells_storm(&self, rule: &str, now: Timestamp) -> bool {
        if !self.storms.tell(rule, now) {
            return false;
        }
        let told = self.journal.setting(&told_key(rule)).await;
        let told = told.map(|at| at.and_then(|at| serde_json::from_value::<Timestamp>(at).ok()));
        if told.as_ref().is_ok_and(|at| at.is_some_and(|at| later(at, RELEASE) > now)) {
            return false;
        }
        // Of those that find nothing told, one tells.
        let tells = told.is_ok() && self.leads(&format!("storm/{rule}")).await;
        if !tells {
            self.storms.not_told(rule);
        }
        tells
    }

    /// What makes it known to all processes, and to the next, that people were told of a storm.
    pub(crate) fn told_everywhere(&self, rule: &str, at: Timestamp) -> Write {
        Write::Set { key: told_key(rule), value: json!(at) }
    }

    /// What makes a person's word about a storm known to all processes, and to the next.
    pub(crate) fn release_everywhere(&self, rule: &str, at: Timestamp) -> Write {
        let until = later(at, RELEASE);
        Write::Set { key: released_key(rule), value: json!(until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_forgotten_after_a_minute_and_people_are_asked_once() {
        let storms = Storms::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        (0..30).for_each(|second| storms.count("r", at(second)));
        assert_eq!(storms.read("r", at(30)).new_issues, 30);
        assert_eq!(storms.read("r", at(70)).new_issues, 19);
        storms.count("set back", at(9000));
        assert_eq!(storms.read("set back", at(70)).new_issues, 0);
        assert!(storms.tell("r", at(70)));
        assert!(!storms.tell("r", at(71)));
        storms.not_told("r");
        assert!(storms.tell("r", at(71)));
        assert!(!storms.tell("r", at(71)));
        storms.release("r", at(71));
        assert!(storms.read("r", at(72)).released);
        assert!(!storms.read("other", at(72)).released);
    }
}
