//! Forgetting what has been over for long enough.

use std::collections::BTreeSet;

use selfheal_core::issue::IssueId;

use super::state::State;
use crate::ports::journal::Horizons;

impl State {
    pub(super) fn forget(&mut self, horizons: Horizons, most: usize) -> usize {
        let Horizons { failures, actions, events, .. } = horizons;
        let over = self.failures.keys().filter(|(_, _, at)| *at < failures).take(most);
        let over: Vec<_> = over.cloned().collect();
        for key in &over {
            self.failures.remove(key);
        }
        let mut forgotten = over.len();

        let (mut left, before) = (most, self.records.len());
        self.records.retain(|record| {
            let over = left > 0 && record.issue.is_none() && record.at < events;
            left -= usize::from(over);
            !over
        });
        forgotten += before - self.records.len();

        // Issues of which a change is still to be taken back are kept whole.
        let kept: BTreeSet<IssueId> = self.reverts().map(|(_, intent)| intent.remediation.issue).collect();
        let begun = self.remediations.iter().filter(|remediation| remediation.started_at < actions);
        let asked = self.approvals.iter().filter(|approval| approval.asked_at < actions);
        let acted: BTreeSet<IssueId> =
            begun.map(|begun| begun.id.issue).chain(asked.map(|asked| asked.issue)).collect();
        let closed = |id: &IssueId| {
            self.issues.get(id).filter(|_| !kept.contains(id)).and_then(|issue| issue.closed_at)
        };
        let of_actions = acted.into_iter().filter(|id| closed(id).is_some_and(|at| at < actions));
        let of_actions: BTreeSet<IssueId> = of_actions.take(most).collect();
        let mut over: Vec<_> = self
            .issues
            .values()
            .filter(|issue| !kept.contains(&issue.id))
            .filter_map(|issue| issue.closed_at.filter(|at| *at < events).map(|at| (at, issue.id)))
            .collect();
        over.sort_unstable();
        let over: BTreeSet<IssueId> = over.into_iter().take(most).map(|(_, id)| id).collect();

        let gone = &of_actions | &over;
        let begun = self.remediations.iter().filter(|remediation| gone.contains(&remediation.id.issue));
        let courses: Vec<_> = begun.map(|remediation| (remediation.id, self.course(remediation))).collect();
        self.courses.extend(courses);
        self.courses.retain(|(id, _)| !over.contains(&id.issue));
        self.intents.retain(|intent| !gone.contains(&intent.remediation.issue));
        self.remediations.retain(|remediation| !gone.contains(&remediation.id.issue));
        self.approvals.retain(|approval| !gone.contains(&approval.issue));
        self.records.retain(|record| record.issue.is_none_or(|issue| !over.contains(&issue)));
        for id in &over {
            let settings = format!("issue-{}/", id.0);
            self.settings.retain(|key, _| !key.starts_with(&settings));
            self.remove(*id);
        }
        forgotten + gone.len()
    }
}
