//! The journal: durable truth about what was received, decided, intended and done.
//!
//! [`Journal::commit`] takes a list of [`Write`]s as one transaction: all of them are on disk when it returns, or none
//! is. Writes carry their precondition (the phase or state that they lead on from); when it does not hold, the whole
//! transaction is a [`JournalFaultKind::Conflict`] and nothing is changed. Several processes can share a journal: what is
//! about an issue that one of them looks at begins with a [`Write::Hold`]. The conformance tests in `store` hold for
//! every implementation.

mod approval;
mod audit;
mod fault;
mod hold;
mod horizons;
mod issue;
mod outbox;
mod receipt;
mod remediation;
mod sighting;
mod story;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use super::history::Episode;

pub use approval::{Answer, Approval, ApprovalFilter};
pub use audit::{Audit, AuditEntry, Chain, Changed, Ending, EndingTable, verify};
pub use fault::{JournalFault, JournalFaultKind};
pub use hold::{HOLD, RECEIPT_HOLD, Said, Tenure};
pub use horizons::Horizons;
pub use issue::{Issue, IssueFilter};
pub use outbox::{Delivery, Notice, OutboxMessage, Waiting};
pub use receipt::{NewReceipt, Progress, Receipt, ReceiptId};
pub use remediation::{Intent, Remediation, RemediationFilter};
pub use sighting::{Opening, Sighted, Sighting};
pub use story::{DecisionFacts, EndFacts, Record, Story, Totals};
pub use write::Write;

/// Durable truth. Every record that it takes in gets a link of the audit chain, in the same transaction.
#[async_trait]
pub trait Journal: Audit {
    /// Stores a notification. It is on disk when this returns, and is held by the caller for [`RECEIPT_HOLD`].
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault>;

    /// Takes receipts that are not fully expanded and that nobody holds, oldest first: those of processes that are gone.
    async fn take_receipts(&self, now: Timestamp, most: usize) -> Result<Vec<Receipt>, JournalFault>;

    /// Receipts after `after` that are not fully expanded, whoever holds them, oldest first.
    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault>;

    /// Expands alerts to issues, by the table of `selfheal_core::sighting`, and notes how far the receipts are done.
    /// An issue that fires again is to be looked at when its opening says, one that is resolved at once. One
    /// transaction for the alerts and what is told of issues that open; it may become durable a little later, and after it how far the receipts are done, for
    /// repeating an expansion changes nothing. The answers are in the order of the sightings.
    async fn expand(
        &self,
        sightings: Arc<[Sighting]>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault>;

    /// Takes issues that are to be looked at and that nobody holds: open, and under remediation or due at `now`. Those
    /// under remediation come first, then the soonest; at most `most`. Each is held for [`HOLD`] in a new epoch. What the
    /// caller holds himself is not among them, also when a clock that was set says that its lease has ended.
    async fn take(
        &self,
        now: Timestamp,
        most: usize,
        held: Vec<IssueId>,
    ) -> Result<Vec<(Issue, Tenure)>, JournalFault>;
    /// Takes one issue, open or closed, due or not; nothing while somebody else holds it.
    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Result<Option<Tenure>, JournalFault>;
    /// Holds issues for another lease, or gives them back with a lease of nothing. Answers those that were still held;
    /// the others have been taken by somebody else.
    async fn keep(
        &self,
        tenures: Vec<Tenure>,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Tenure>, JournalFault>;
    /// The soonest time at which an issue that nobody holds is to be looked at.
    async fn next_look(&self, now: Timestamp) -> Result<Option<Timestamp>, JournalFault>;
    /// How many issues that nobody holds are due, counted up to `most`.
    async fn due(&self, now: Timestamp, most: usize) -> Result<usize, JournalFault>;
    /// Takes or keeps what only one process does at a time, for a lease. False while another holder has it.
    async fn lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, JournalFault>;
    /// Gives back everything that anybody holds: for the only process that uses the journal, when it starts.
    async fn free(&self) -> Result<(), JournalFault>;
    /// Waits until any process that shares the journal has said this. It may miss that: whoever waits also asks from time
    /// to time.
    async fn heard(&self, said: Said);

    /// Forgets what has been over for long enough, at most about `most` rows or issues with what belongs to them; gives
    /// how many. Nothing of an issue that is open or has a change to be taken back, no setting and no total. The links of
    /// forgotten records stay, and a record of the kind [`Forgot::KIND`] says which they were, signed by the key if there
    /// is one; such a record, and one of the kind [`Checkpoint::KIND`], is kept for ever.
    ///
    /// [`Forgot::KIND`]: selfheal_core::audit::Forgot::KIND
    /// [`Checkpoint::KIND`]: selfheal_core::audit::Checkpoint::KIND
    async fn forget(&self, horizons: Horizons, most: usize, key: Option<&Key>)
    -> Result<usize, JournalFault>;

    /// All writes in one transaction, or none.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault>;

    /// One issue.
    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault>;
    /// Issues, newest first.
    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault>;
    /// An issue's whole story.
    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault>;
    /// The history of the issues that were open at `since` or later, at most `most` of them, newest first.
    async fn episodes(&self, since: Timestamp, most: usize) -> Result<Vec<Episode>, JournalFault>;
    /// Open firing issues (not resolved), for the reconciler: fingerprint, issue, start of the alert.
    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault>;

    /// Remediations, newest first.
    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault>;
    /// One remediation with its intents, oldest first.
    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault>;
    /// Those of some remediations of which something that had been applied was undone, in no order.
    async fn undone(&self, among: Vec<RemediationId>) -> Result<Vec<RemediationId>, JournalFault>;
    /// Intents that must be undone at or before `now` although they helped, or of which that has begun. One on which a later
    /// one of the same action at the same target stands, which must be undone too, is not among them until that is done.
    async fn reverts_due(&self, now: Timestamp) -> Result<Vec<Intent>, JournalFault>;
    /// The soonest time at which one of them must be undone.
    async fn next_revert(&self) -> Result<Option<Timestamp>, JournalFault>;

    /// One approval.
    async fn approval(&self, id: &str) -> Result<Option<Approval>, JournalFault>;
    /// Approvals, newest first.
    async fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, JournalFault>;

    /// Failed tries of a rule at a resource since a time.
    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp)
    -> Result<u32, JournalFault>;
    /// Issues that a rule was for and that were received since a time, counted up to `most`.
    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Result<u32, JournalFault>;
    /// Remediations that ended since a time, by outcome.
    async fn endings_since(&self, since: Timestamp) -> Result<Vec<(Outcome, u64)>, JournalFault>;
    /// How often each action helped, for all rules: `(rule, action)`.
    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault>;

    /// Messages for a sink that may be delivered now, oldest first. Of those about one issue only the first that is not
    /// delivered, so that they arrive in their order; [`Notice::subject`] says which have one.
    async fn outbox(
        &self,
        sink: &str,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<OutboxMessage>, JournalFault>;
    /// When the next message for a sink may be delivered.
    async fn next_delivery(&self, sink: &str) -> Result<Option<Timestamp>, JournalFault>;
    /// What waits in the outbox, sink by sink, in the order of their names.
    async fn waiting(&self) -> Result<Vec<Waiting>, JournalFault>;
    /// Removes messages that were due before a time and are for none of these sinks; gives how many.
    async fn forget_messages(&self, but_for: Vec<String>, due_before: Timestamp)
    -> Result<u64, JournalFault>;
    /// Notes what became of deliveries.
    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault>;

    /// A setting.
    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault>;
    /// Totals since the beginning.
    async fn totals(&self) -> Result<Totals, JournalFault>;
    /// Whether it can be written, for `/ready`.
    async fn check(&self) -> Result<(), JournalFault>;
}
