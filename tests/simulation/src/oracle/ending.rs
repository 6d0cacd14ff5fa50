//! What is left when everything is calm again: nothing half done, nothing untold, nothing lost.

use selfheal_core::alert::AlertStatus;
use selfheal_core::issue::{Event, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Issue, IssueFilter, ReceiptId, RemediationFilter, Story, Write};
use selfheal_runtime::ports::{News, NewsKind};
use selfheal_runtime::simulation::MemoryJournal;

use crate::mail::MAILBOX;
use crate::target::Target;

use super::{Invariant, Oracle};

impl Oracle {
    pub(super) fn ending_written(&self, write: &Write) {
        if let Write::Move { issue, event: Event::Rest, outcome: Some(outcome), why, .. } = write
            && outcome.needs_person()
        {
            self.state().to_be_told.insert(*issue, format!("{outcome}: {why}"));
        }
    }

    /// A sink has taken news.
    pub fn delivered(&self, news: &News) {
        if let (NewsKind::Person, Some(issue)) = (news.kind, news.issue) {
            self.state().told.insert(issue);
        }
    }

    /// Whether nothing is left to do.
    pub async fn is_over(&self, journal: &MemoryJournal) -> bool {
        let open = IssueFilter { open: Some(true), limit: 1, ..IssueFilter::default() };
        journal.issues(open).await.is_ok_and(|issues| issues.is_empty())
            && !has_news(journal).await
            && journal.next_revert().await.is_ok_and(|next| next.is_none())
    }

    /// Judges what is left.
    pub async fn judge_the_end(&self, journal: &MemoryJournal, target: &Target) {
        if let Some(what) = self.not_as_before(|name| target.get(name).value) {
            self.broken(Invariant::LastComesFirst, what);
        }
        let issues = all_issues(journal).await;
        for issue in &issues {
            if let Some(what) = unfinished(issue) {
                self.broken(Invariant::EverythingEnds, what);
            }
            if let Ok(Some(story)) = journal.story(issue.id).await
                && let Some(what) = half_done(&story)
            {
                self.broken(Invariant::EverythingEnds, what);
            }
        }
        let running = RemediationFilter { running: Some(true), limit: 1, ..RemediationFilter::default() };
        if let Ok([remediation, ..]) = journal.remediations(running).await.as_deref() {
            self.broken(Invariant::EverythingEnds, format!("{} still runs", remediation.id));
        }
        if has_news(journal).await {
            self.broken(Invariant::EverythingEnds, "there is news that was not delivered".to_owned());
        }
        if journal.unexpanded(ReceiptId::default(), 1).await.is_ok_and(|left| !left.is_empty()) {
            self.broken(Invariant::AcknowledgedIsStored, "a receipt was never expanded".to_owned());
        }
        self.judge_who_was_told();
        self.judge_what_was_acknowledged(&issues);
    }

    fn judge_who_was_told(&self) {
        let state = self.state();
        let untold = state.to_be_told.iter().find(|(issue, _)| !state.told.contains(issue));
        let untold = untold.map(|(issue, why)| format!("nobody was told of {issue}, {why}"));
        drop(state);
        if let Some(what) = untold {
            self.broken(Invariant::EverythingEnds, what);
        }
    }

    fn judge_what_was_acknowledged(&self, issues: &[Issue]) {
        let acknowledged = std::mem::take(&mut self.state().acknowledged);
        for alert in acknowledged {
            let same = issues.iter().filter(|issue| issue.fingerprint == alert.fingerprint);
            let starts = alert.starts_at.as_millisecond();
            let Some(latest) = same.max_by_key(|issue| issue.alert.starts_at) else {
                let what = format!("{} of {} is no issue", alert.name(), alert.starts_at);
                self.broken(Invariant::AcknowledgedIsStored, what);
                continue;
            };
            let known = latest.alert.starts_at.as_millisecond();
            let unresolved = alert.status == AlertStatus::Resolved && latest.resolved_at.is_none();
            if known < starts || (known == starts && unresolved) {
                let (name, status) = (alert.name(), alert.status);
                let what = format!("{name}, {status}, of {} is unknown to {}", alert.starts_at, latest.id);
                self.broken(Invariant::AcknowledgedIsStored, what);
            }
        }
    }
}

/// Whether something is still to be delivered.
async fn has_news(journal: &MemoryJournal) -> bool {
    journal.next_delivery(MAILBOX).await.is_ok_and(|at| at.is_some())
}

async fn all_issues(journal: &MemoryJournal) -> Vec<Issue> {
    let filter = IssueFilter { limit: 1000, ..IssueFilter::default() };
    journal.issues(filter).await.unwrap_or_default()
}

fn unfinished(issue: &Issue) -> Option<String> {
    let Issue { id, phase, outcome, why, wake_at, .. } = issue;
    if *phase != Phase::Closed {
        return Some(format!("{id} is {phase}, to be looked at {wake_at:?}: {why}"));
    }
    (outcome.is_none() || why.is_empty()).then(|| format!("{id} is closed as {outcome:?}, because {why:?}"))
}

fn half_done(story: &Story) -> Option<String> {
    let half = |state| matches!(state, IntentState::Executing | IntentState::Applied | IntentState::Undoing);
    if let Some(intent) = story.intents.iter().find(|intent| half(intent.state)) {
        let (id, remediation) = (intent.id.short(), intent.remediation);
        return Some(format!("intent {id} of {remediation} is {} for ever", intent.state));
    }
    let open = story.approvals.iter().find(|approval| approval.answer.is_none());
    open.map(|approval| format!("approval {} of {} was never answered", approval.id, approval.issue))
}
