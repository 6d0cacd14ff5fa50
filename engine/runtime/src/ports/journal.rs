//! The journal: durable truth about what was received, decided, intended and done.
//!
//! [`Journal::commit`] takes a list of [`Write`]s as one transaction: all of them are on disk when it returns, or none
//! is. Writes carry their precondition (the phase or state that they lead on from); when it does not hold, the whole
//! transaction is a [`JournalFaultKind::Conflict`] and nothing is changed. The conformance tests in `store` hold for
//! every implementation.

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::guard::Verdict;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use selfheal_core::labels::Fingerprint;
use selfheal_core::plan::{Choice, Plan};
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_core::rule::{Component, Priority};
use selfheal_core::success::SuccessRecord;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::Claim;
use super::sink::News;

/// What went wrong with the journal. The kind is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalFaultKind {
    /// A precondition did not hold: somebody else moved first.
    Conflict,
    /// It cannot be written at the moment (disk full, connection lost). Nothing was changed.
    Unavailable,
    /// It cannot be known whether the write is on disk (a failed fsync). The process must end.
    Broken,
}

/// A journal fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("journal: {what}")]
pub struct JournalFault {
    /// What it means.
    pub kind: JournalFaultKind,
    /// What happened.
    pub what: String,
}

/// A notification's number, given by the journal in the order of receipt, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ReceiptId(pub i64);

/// A notification as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReceipt {
    /// When.
    pub received_at: Timestamp,
    /// Who sent it: `alertmanager`, `reconciler`.
    pub source: &'static str,
    /// The trace that it belongs to, 32 hexadecimal digits.
    pub trace: String,
    /// The body, LZ4 block with its size in front.
    pub body: Vec<u8>,
}

/// A notification that is not fully expanded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Its number.
    pub id: ReceiptId,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its trace.
    pub trace: String,
    /// The body, LZ4 block with its size in front.
    pub body: Vec<u8>,
    /// How many of its alerts are expanded already.
    pub expanded: u32,
}

/// One alert of a receipt, with what matching it gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The receipt.
    pub receipt: ReceiptId,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its trace.
    pub trace: String,
    /// The alert.
    pub alert: Alert,
    /// What to do with it if it opens an issue.
    pub opening: Opening,
}

/// How a new issue begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The first matching rule, if any; further ones are in the decision's record.
    pub rule: Option<String>,
    /// Its priority.
    pub priority: Option<Priority>,
    /// The part of the health score that the issue weighs on.
    pub component: Option<Component>,
    /// What the issue is about, for people.
    pub resource: String,
    /// When to decide. Without it the issue rests at once, with `outcome`.
    pub wake_at: Option<Timestamp>,
    /// The outcome and its reason, where there is nothing to decide.
    pub outcome: Option<(Outcome, String)>,
}

/// How far a receipt has been expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Alerts expanded so far.
    pub expanded: u32,
    /// Whether that is all of them; the receipt is then no longer needed.
    pub finished: bool,
}

/// What became of a sighting.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighted {
    /// It opened an issue.
    Opened(IssueId),
    /// It fires again within an issue that was about to close.
    Refired(IssueId),
    /// It resolves an open issue.
    Resolved(IssueId),
    /// Nothing new.
    Known(IssueId),
    /// Older than what is known, or resolved without ever having been seen to fire.
    Stale,
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Its number.
    pub id: IssueId,
    /// The alert's identity.
    pub fingerprint: Fingerprint,
    /// Where it is on its way.
    pub phase: Phase,
    /// The outcome so far.
    pub outcome: Option<Outcome>,
    /// Why that outcome, or why it waits.
    pub why: String,
    /// The rule that treats it.
    pub rule: Option<String>,
    /// That rule's priority.
    pub priority: Option<Priority>,
    /// The part of the health score that it weighs on.
    pub component: Option<Component>,
    /// What it is about.
    pub resource: String,
    /// The alert as last seen.
    pub alert: Alert,
    /// When selfheal first heard of it.
    pub received_at: Timestamp,
    /// When the alert was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When to look at it next.
    pub wake_at: Option<Timestamp>,
    /// The escalation level, from 0.
    pub level: u32,
    /// When the level was last raised.
    pub level_since: Option<Timestamp>,
    /// How many remediations it has had.
    pub remediations: u32,
    /// The trace of the notification that opened it.
    pub trace: String,
}

/// A fact in an issue's story, or one of the process as a whole. Only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The issue, if it is about one.
    pub issue: Option<IssueId>,
    /// The remediation, if it is about one.
    pub remediation: Option<RemediationId>,
    /// When.
    pub at: Timestamp,
    /// What happened: `decided`, `held`, `applied`, `verified`, `undone`, ...
    pub kind: String,
    /// Who did it: `selfheal`, or the person or token of an API call.
    pub actor: String,
    /// One sentence.
    pub summary: String,
    /// All facts.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub facts: Value,
}

/// One execution of one plan for one issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remediation {
    /// Its name.
    pub id: RemediationId,
    /// The rule.
    pub rule: String,
    /// The generation of the rule set that decided.
    pub generation: u64,
    /// The escalation level.
    pub level: u32,
    /// What is executed.
    pub plan: Plan,
    /// Its hash.
    pub plan_hash: ContentHash,
    /// What it holds in the ledger.
    pub claim: Claim,
    /// Who approved it, if somebody had to.
    pub approved_by: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why.
    pub why: String,
    /// The trace.
    pub trace: String,
}

/// The record that an effect is about to happen, and of what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// The remediation.
    pub remediation: RemediationId,
    /// The step's place in the plan.
    pub path: String,
    /// Which try, from 1.
    pub try_number: u32,
    /// The action: `adapter.action`.
    pub action: String,
    /// Its parameters.
    pub params: Value,
    /// What it changes.
    pub target: String,
    /// The target's state before.
    pub prior: Value,
    /// The readings before, for relative conditions.
    pub before: Value,
    /// Where it stands.
    pub state: IntentState,
    /// What the adapter or the verification said last.
    pub said: String,
    /// When it was journalled.
    pub intended_at: Timestamp,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// When it must be undone although it helped.
    pub revert_at: Option<Timestamp>,
}

/// A plan that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number; unguessable, given by the runtime.
    pub id: String,
    /// The issue.
    pub issue: IssueId,
    /// The rule.
    pub rule: String,
    /// What would be executed.
    pub plan: Plan,
    /// Its hash; an answer must name it.
    pub plan_hash: ContentHash,
    /// The escalation level of the plan.
    pub level: u32,
    /// Why a person is asked.
    pub why: String,
    /// Previews of the steps, as the target showed them when the person was asked.
    pub previews: Value,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is denied for want of an answer.
    pub expires_at: Timestamp,
    /// The answer.
    pub answer: Option<Answer>,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the plan may run.
    pub granted: bool,
    /// Who answered.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub reason: String,
}

/// The recorded facts of one decision: what dry-run prints, and what the story shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionFacts {
    /// The rule.
    pub rule: String,
    /// The generation of the rule set.
    pub generation: u64,
    /// The alert's age in seconds, as the rule saw it.
    pub age_seconds: f64,
    /// The escalation level.
    pub level: u32,
    /// What was read, by probe.
    pub observed: Value,
    /// The plan, if there is one.
    pub plan: Option<Plan>,
    /// Its hash.
    pub plan_hash: Option<ContentHash>,
    /// Which choices were settled, and why.
    pub choices: Vec<Choice>,
    /// Every guard's verdict.
    pub verdicts: Vec<Verdict>,
}

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
        /// at once more at `at`, unless it is closed.
        wake_at: Option<Timestamp>,
        /// Replaces the outcome, if given.
        outcome: Option<Outcome>,
        /// Why; replaces what was there.
        why: String,
        /// The time of the change (becomes `closed_at` when the event closes it).
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
        /// When it must be undone although it helped; replaces what was there.
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
    Notify {
        /// The sink.
        sink: String,
        /// The message.
        news: Box<News>,
        /// When to try first.
        at: Timestamp,
    },
    /// A setting that survives restarts, such as the switch.
    Set {
        /// Its name.
        key: String,
        /// Its value.
        value: Value,
    },
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// Its number.
    pub id: i64,
    /// The sink.
    pub sink: String,
    /// The message.
    pub news: News,
    /// Failed tries so far.
    pub tries: u32,
    /// When it may be tried next.
    pub next_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Delivered, or given up: it leaves the outbox.
    Finished,
    /// To be tried again at this time.
    Again(Timestamp),
}

/// Which issues to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IssueFilter {
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only in this phase.
    pub phase: Option<Phase>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only treated by this rule.
    pub rule: Option<String>,
    /// Only of this fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// Only before this one.
    pub before: Option<IssueId>,
    /// At most this many, 1 to 1 000.
    pub limit: u32,
}

/// Which remediations to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemediationFilter {
    /// Only of this issue.
    pub issue: Option<IssueId>,
    /// Only running ones, or only ended ones.
    pub running: Option<bool>,
    /// Only those that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only before this one, in the order of beginning.
    pub before: Option<RemediationId>,
    /// At most this many, 1 to 10 000.
    pub limit: u32,
}

/// An issue's whole story, each part in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The issue as it is now.
    pub issue: Issue,
    /// The facts.
    pub records: Vec<Record>,
    /// The remediations.
    pub remediations: Vec<Remediation>,
    /// Their intents.
    pub intents: Vec<Intent>,
    /// The approvals that were asked for.
    pub approvals: Vec<Approval>,
}

/// Totals since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Issues ever opened.
    pub issues: u64,
    /// Issues that are open.
    pub open_issues: u64,
    /// Remediations that ended, by outcome.
    pub remediations: std::collections::BTreeMap<Outcome, u64>,
    /// The sum of the durations of the ended ones, in seconds.
    pub duration_seconds: f64,
}

/// Durable truth.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Stores a notification. It is on disk when this returns.
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault>;

    /// Receipts after `after` that are not fully expanded, oldest first.
    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault>;

    /// Expands alerts to issues, by the table of `selfheal_core::sighting`, and notes how far the receipts are done.
    /// An issue that fires again is to be looked at when its opening says, one that is resolved at once. One
    /// transaction for the alerts; how far the receipts are done may become durable a little later, for repeating an
    /// expansion changes nothing. The answers are in the order of the sightings.
    async fn expand(
        &self,
        sightings: Vec<Sighting>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault>;

    /// All writes in one transaction, or none.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault>;

    /// One issue.
    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault>;
    /// Issues, newest first.
    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault>;
    /// An issue's whole story.
    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault>;
    /// The open issues that have a time to be looked at, soonest first. Pages by `after`.
    async fn wakes(
        &self,
        after: Option<(Timestamp, IssueId)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, IssueId)>, JournalFault>;
    /// Open firing issues (not resolved), for the reconciler: fingerprint, issue, start of the alert.
    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault>;

    /// Remediations, newest first.
    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault>;
    /// One remediation with its intents, oldest first.
    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault>;
    /// Intents that must be undone at or before `now` although they helped.
    async fn reverts_due(&self, now: Timestamp) -> Result<Vec<Intent>, JournalFault>;
    /// The soonest time at which an intent must be undone although it helped.
    async fn next_revert(&self) -> Result<Option<Timestamp>, JournalFault>;

    /// One approval.
    async fn approval(&self, id: &str) -> Result<Option<Approval>, JournalFault>;
    /// Approvals: those without an answer, or all; newest first.
    async fn approvals(&self, only_open: bool, limit: u32) -> Result<Vec<Approval>, JournalFault>;

    /// Failed tries of a rule at a resource since a time.
    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp)
    -> Result<u32, JournalFault>;
    /// How often each action helped, for all rules: `(rule, action)`.
    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault>;

    /// Messages that may be delivered now, oldest first.
    async fn outbox(&self, now: Timestamp, most: usize) -> Result<Vec<OutboxMessage>, JournalFault>;
    /// Notes what became of deliveries.
    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault>;

    /// A setting.
    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault>;
    /// Totals since the beginning.
    async fn totals(&self) -> Result<Totals, JournalFault>;
    /// Whether it can be written, for `/ready`.
    async fn check(&self) -> Result<(), JournalFault>;
}
