//! What holds remediations back at the moment, whatever they are for: rules in a storm of new issues, and the hourly limit
//! in all. The guards decide anew for each plan; this is for people who wonder why nothing is done.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::earlier;
use selfheal_core::policy::RATE_WINDOW;
use serde::Serialize;

use crate::decide::LEASE;
use crate::engine::{Engine, PAGE};
use crate::ports::JournalFault;
use crate::ports::journal::IssueFilter;
use crate::ports::ledger::{Claim, LedgerFault};
use crate::storm::WINDOW;

/// A rule that is flooded with new issues, or that a person has let go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Storm {
    /// The rule.
    pub rule: String,
    /// Its new issues within the last minute.
    pub new_issues: u32,
    /// More than so many are a storm.
    pub most: u32,
    /// Since when people know of it.
    pub since: Option<Timestamp>,
    /// Until when a person lets it go on.
    pub released_until: Option<Timestamp>,
}

impl Storm {
    /// Whether the rule's plans are held.
    pub fn is_held(&self) -> bool {
        self.released_until.is_none()
    }
}

impl Engine {
    /// The rules that are in a storm, or let go on by a person, by their names. Of what other processes have taken in, the
    /// newest issues are counted.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn storms(&self) -> Result<Vec<Storm>, JournalFault> {
        let (now, most) = (self.clock.now(), self.policy.storm_per_minute);
        if most == 0 {
            return Ok(Vec::new());
        }
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        if self.shared {
            let since = Some(earlier(now, WINDOW));
            let filter = IssueFilter { since, limit: PAGE, ..IssueFilter::default() };
            for rule in self.journal.issues(filter).await?.into_iter().filter_map(|issue| issue.rule) {
                *counts.entry(rule).or_default() += 1;
            }
        }
        for (rule, here) in self.storms.counts(now) {
            let count = counts.entry(rule).or_default();
            *count = here.max(*count);
        }
        let mut storms = Vec::new();
        for (rule, new_issues) in counts {
            let is_flooded = new_issues > most;
            let released_until = self.released_until(&rule, is_flooded, now).await;
            if is_flooded || released_until.is_some() {
                let since = if is_flooded { self.told_at(&rule, now).await } else { None };
                storms.push(Storm { rule, new_issues, most, since, released_until });
            }
        }
        Ok(storms)
    }

    /// When there is room again among the remediations of an hour, if there is none now.
    ///
    /// # Errors
    /// The ledger cannot be asked.
    pub async fn hourly_limit_until(&self) -> Result<Option<Timestamp>, LedgerFault> {
        let nobody = Claim {
            holder: "whoever comes next".to_owned(),
            duplicate_key: "whatever comes next".to_owned(),
            targets: Vec::new(),
            rule: String::new(),
            cooldown: Duration::ZERO,
            per_target_max: self.policy.per_target_per_hour,
            in_all_max: self.policy.in_all_per_hour,
            rate_window: RATE_WINDOW,
            concurrent_max: self.policy.concurrent,
            lease: LEASE,
        };
        Ok(self.ledger.look(&nobody, self.clock.now()).await?.all_full_until)
    }
}
