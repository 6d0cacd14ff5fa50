//! What a transaction changes.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_core::rule::{Component, Priority};
use serde_json::Value;

use super::approval::{Answer, Approval};
use super::hold::Tenure;
use super::outbox::Notice;
use super::remediation::{Intent, Remediation};
use super::story::Record;

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Moves an issue on. Conflict unless the table of [`Phase::next`] has a way from its phase; and, to close it,
    /// unless its alert is resolved.
    Move {
        /// The issue.
        issue: IssueId,
        /// What happens to it.
        event: Event,
        /// When to look at it next; replaces what was there. Without one, an issue whose alert is resolved is looked
        /// at once more at `at`, unless it is closed. One that was called for since it was taken, by a sighting or by
        /// [`Write::Wake`], is looked at again at `at`.
        wake_at: Option<Timestamp>,
        /// Replaces the outcome, if given.
        outcome: Option<Outcome>,
        /// Why; replaces what was there.
        why: String,
        /// The time of the change (becomes `closed_at` when the event closes it).
        at: Timestamp,
    },
    /// The issue is held for another lease, by the journal's clock; a lease of nothing gives it back. Fenced unless the
    /// tenure's epoch is still the issue's.
    Hold {
        /// Whose.
        tenure: Tenure,
        /// The caller's time, for a journal that has no clock.
        at: Timestamp,
        /// How long.
        lease: Duration,
    },
    /// Calls for a look at an issue, no later than a time. Changes nothing when it is closed or is not there.
    Wake {
        /// The issue.
        issue: IssueId,
        /// When.
        at: Timestamp,
    },
    /// The rule that treats an issue from now on.
    AssignRule {
        /// The issue.
        issue: IssueId,
        /// The rule.
        rule: String,
        /// Its priority.
        priority: Priority,
        /// Its component.
        component: Component,
    },
    /// Raises or lowers an issue's escalation level.
    SetLevel {
        /// The issue.
        issue: IssueId,
        /// The level, from 0.
        level: u32,
        /// When.
        at: Timestamp,
    },
    /// Adds to the story.
    Record(Record),
    /// A remediation begins. Conflict if one with its name exists, or another of its issue is running.
    Begin(Box<Remediation>),
    /// A remediation ends. Conflict if it has ended.
    End {
        /// The remediation.
        id: RemediationId,
        /// How.
        outcome: Outcome,
        /// Why.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// An effect is about to happen. Conflict if an intent with its name exists.
    Intend(Box<Intent>),
    /// An intent moves on. Conflict unless it is in `from` and [`IntentState::may_become`] `to`.
    MoveIntent {
        /// The intent.
        id: IntentId,
        /// Its state now.
        from: IntentState,
        /// Its next state.
        to: IntentState,
        /// What was said.
        said: String,
        /// When (becomes `applied_at` when it moves to `Applied`).
        at: Timestamp,
        /// When it must be undone although it helped; replaces what was there. Kept while it is undone, so that this is
        /// finished by somebody else if need be.
        revert_at: Option<Timestamp>,
    },
    /// A person is asked.
    Ask(Box<Approval>),
    /// A person answered. Conflict if the approval does not exist, was answered, has expired at `answer.at` (unless the
    /// answer denies), or is for another plan.
    Answer {
        /// The approval.
        id: String,
        /// The plan that the person saw.
        plan_hash: ContentHash,
        /// The answer.
        answer: Answer,
    },
    /// A failed try: counted for escalation.
    CountFailure {
        /// The rule.
        rule: String,
        /// What the issue is about.
        resource: String,
        /// When.
        at: Timestamp,
    },
    /// How a try of an action ended: orders alternatives.
    CountResult {
        /// The rule.
        rule: String,
        /// The action: `adapter.action`.
        action: String,
        /// Whether it helped.
        success: bool,
    },
    /// News for a sink.
    Notify(Notice),
    /// A setting that survives restarts, such as the switch. What is named `issue-<number>/...` is forgotten with its
    /// issue.
    Set {
        /// Its name.
        key: String,
        /// Its value.
        value: Value,
    },
}
