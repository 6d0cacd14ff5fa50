//! What an approval or a remediation is for: the alert and the resource of its issue, read for a whole list at once.

use std::collections::HashMap;

use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::JournalFault;
use selfheal_runtime::ports::journal::{Issue, IssueFilter, Journal};

/// The issues of a list.
pub(super) struct Subjects(HashMap<IssueId, Issue>);

impl Subjects {
    /// Reads the issues of a list of at most 1000.
    pub(super) async fn of(
        journal: &dyn Journal,
        issues: impl Iterator<Item = IssueId>,
    ) -> Result<Self, JournalFault> {
        let mut among: Vec<IssueId> = issues.collect();
        among.sort_unstable();
        among.dedup();
        if among.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let limit = u32::try_from(among.len()).unwrap_or(u32::MAX);
        let issues = journal.issues(IssueFilter { among, limit, ..IssueFilter::default() }).await?;
        Ok(Self(issues.into_iter().map(|issue| (issue.id, issue)).collect()))
    }

    pub(super) fn get(&self, issue: IssueId) -> Option<&Issue> {
        self.0.get(&issue)
    }
}
