//! The journal on PostgreSQL, for any number of replicas.
//!
//! Notifications go in by the `inbox`, transactions of the runtime by the one `writer` of a replica, each many in one
//! commit; `expansion` turns notifications into issues, `holds` says who looks at what, and `ears` hears from other replicas. Questions (`queries`) and single changes go by a small `pool`.
//! `audit` reads the chain that the schema links records to. `open` has the settings and the schema, `connection` how a connection is made and used; `fault` says what a failure
//! means.

mod audit;
mod changes;
mod columns;
pub(crate) mod connection;
mod ears;
mod expansion;
mod fault;
mod holds;
mod inbox;
mod movement;
mod open;
mod pool;
mod queries;
mod retention;
mod rows;
mod sightings;
mod tls;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::News;
use selfheal_runtime::ports::journal::{
    Approval, ApprovalFilter, Delivery, Horizons, Intent, Issue, IssueFilter, NewReceipt, OutboxMessage,
    Progress, RECEIPT_HOLD, Receipt, ReceiptId, Remediation, RemediationFilter, Said, Sighted, Sighting,
    Story, Tenure, Totals, Waiting, Write,
};
use selfheal_runtime::ports::{Course, Episode, Journal, JournalFault, JournalFaultKind};
use serde_json::Value;
use tokio_postgres::Row;

use crate::nested;
pub use audit::PostgresAudit;
use columns::{Columns as _, micros};
pub(crate) use connection::{Bound, Connection, Sql, sql};
use ears::Ears;
use fault::Reach;
pub(crate) use fault::Trouble;
use inbox::Inbox;
pub use open::{PostgresFault, PostgresFaultKind, PostgresSettings};
pub(crate) use open::{connector, migrate};
use pool::Pool;
use writer::Writer;

/// How often an expansion is tried that came across another replica.
const EXPANSION_TRIES_MAX: u32 = 5;

/// The journal in one PostgreSQL database, shared by any number of processes.
///
/// - What a call has answered is on the server's disk (`synchronous_commit` is on, or more where the server says so), and
///   every later question, of any process, sees it.
/// - A call that was answered comes before one that is made then. Calls that are under way at the same time have no order.
/// - A fault is `Unavailable` while the server cannot be reached or refuses to write. When the connection is lost over a
///   commit, the journal looks whether it happened; only if that cannot be found out in half a minute it is `Unavailable`
///   although the transaction may be there.
/// - Times are kept in microseconds; only an alert keeps its nanoseconds.
///
/// Needs a Tokio runtime, and connections of its own: a pooler between must not change servers within a session.
pub struct PostgresJournal {
    pool: Pool,
    writer: Writer,
    inbox: Inbox,
    ears: Ears,
}

impl PostgresJournal {
    /// Opens the journal, bringing its schema up to date.
    ///
    /// # Errors
    /// When the settings cannot be used, the server cannot be reached, or the schema is newer than this selfheal.
    pub async fn open(settings: &PostgresSettings) -> Result<Self, PostgresFault> {
        let connector = Arc::new(open::connector(settings)?);
        open::migrate(&connector).await?;
        Ok(Self {
            pool: Pool::new(Arc::clone(&connector)),
            inbox: Inbox::start(&connector, RECEIPT_HOLD),
            ears: Ears::open(Arc::clone(&connector)),
            writer: Writer::start(connector),
        })
    }

    /// Brings the schema up to date; gives the version that was found, 0 for an empty database, and the one that is there
    /// now. Processes that do so at the same time wait for one another.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn migrate(settings: &PostgresSettings) -> Result<(usize, usize), PostgresFault> {
        open::migrate(&Arc::new(open::connector(settings)?)).await
    }

    async fn expand_once(
        &self,
        sightings: &[Sighting],
        progress: &[Progress],
        afresh: bool,
    ) -> Result<Vec<Sighted>, Trouble> {
        let mut lease = self.pool.lease(afresh).await?;
        let expanded = expansion::expand(&mut lease, sightings, progress).await;
        if let Err(trouble) = &expanded
            && trouble.reach() != Reach::Connection
        {
            // Outside of a transaction this is a warning of the server and nothing else.
            lease.run(sql!("ROLLBACK")).await?;
        }
        expanded
    }
}

fn read<T>(rows: &[Row], of: impl Fn(&Row) -> Result<T, Trouble>) -> Result<Vec<T>, JournalFault> {
    rows.iter().map(of).collect::<Result<_, _>>().map_err(|trouble| trouble.fault())
}

fn first<T>(rows: &[Row], of: impl Fn(&Row) -> Result<T, Trouble>) -> Result<Option<T>, JournalFault> {
    rows.first().map(of).transpose().map_err(|trouble| trouble.fault())
}

#[async_trait]
impl Journal for PostgresJournal {
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        self.inbox.receive(receipt).await
    }

    async fn take_receipts(&self, _: Timestamp, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        let taken = self.pool.change(holds::take_receipts(most)).await?;
        let mut taken = read(&taken.rows, rows::receipt)?;
        taken.sort_by_key(|receipt| receipt.id);
        Ok(taken)
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        read(&self.pool.ask(queries::unexpanded(after, most)).await?, rows::receipt)
    }

    async fn expand(
        &self,
        sightings: Arc<[Sighting]>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault> {
        let mut tries = 0;
        loop {
            tries += 1;
            // Doing it twice is doing it once, so whatever was lost is done again.
            match self.expand_once(&sightings, &progress, tries > 1).await {
                Ok(sighted) => return Ok(sighted),
                Err(Trouble::Value(what)) => {
                    return Err(JournalFault { kind: JournalFaultKind::Unavailable, what });
                }
                Err(trouble) if tries < EXPANSION_TRIES_MAX => {
                    tracing::debug!(fault = %trouble.fault(), "alerts are expanded once more");
                }
                Err(trouble) => {
                    let JournalFault { what, .. } = trouble.fault();
                    return Err(JournalFault { kind: JournalFaultKind::Unavailable, what });
                }
            }
        }
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault> {
        let unwritable = |error: serde_json::Error| JournalFault {
            kind: JournalFaultKind::Unavailable,
            what: format!("a value has no form in JSON: {error}"),
        };
        self.writer.commit(nested::encode(writes).map_err(unwritable)?).await
    }

    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault> {
        first(&self.pool.ask(queries::issue(id)).await?, rows::issue)
    }

    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault> {
        read(&self.pool.browse(queries::issues(&filter)).await?, rows::issue)
    }

    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault> {
        let answers = self.pool.browse_all(queries::story(id)).await?;
        let [issue, records, remediations, intents, approvals, courses] = answers.as_slice() else {
            return Ok(None);
        };
        let Some(issue) = first(issue, rows::issue)? else { return Ok(None) };
        Ok(Some(Story {
            issue,
            records: read(records, rows::record)?,
            remediations: read(remediations, rows::remediation)?,
            intents: read(intents, rows::intent)?,
            approvals: read(approvals, rows::approval)?,
            forgotten: read(courses, |row| Ok(rows::course(row)?.1))?,
        }))
    }

    async fn take(
        &self,
        now: Timestamp,
        most: usize,
        held: Vec<IssueId>,
    ) -> Result<Vec<(Issue, Tenure)>, JournalFault> {
        let remediating = self.pool.change(holds::take_remediating(most, &held)).await?;
        let mut taken = read(&remediating.rows, holds::taken)?;
        if taken.len() < most {
            let due = self.pool.change(holds::take_due(now, most - taken.len(), &held)).await?;
            let mut due = read(&due.rows, holds::taken)?;
            due.sort_by_key(|(issue, _)| (issue.wake_at, issue.id));
            taken.extend(due);
        }
        Ok(taken)
    }

    async fn take_one(&self, issue: IssueId, _: Timestamp) -> Result<Option<Tenure>, JournalFault> {
        let taken = self.pool.change(holds::take_one(issue)).await?;
        first(&taken.rows, |row| Ok(Tenure { issue, epoch: row.value("epoch")? }))
    }

    async fn keep(
        &self,
        tenures: Vec<Tenure>,
        _: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Tenure>, JournalFault> {
        let kept = self.pool.change(holds::keep(&tenures, lease)).await?;
        read(&kept.rows, |row| Ok(Tenure { issue: IssueId(row.value("id")?), epoch: row.value("epoch")? }))
    }

    async fn next_look(&self, _: Timestamp) -> Result<Option<Timestamp>, JournalFault> {
        first(&self.pool.ask(holds::next_look()).await?, |row| row.time("wake_at"))
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<usize, JournalFault> {
        let count = first(&self.pool.ask(holds::due(now, most)).await?, |row| row.number("due"))?;
        Ok(count.unwrap_or_default())
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        _: Timestamp,
        lease: Duration,
    ) -> Result<bool, JournalFault> {
        let change = holds::lease(name.to_owned(), holder.to_owned(), lease);
        Ok(self.pool.change(change).await?.count == 1)
    }

    async fn forget(
        &self,
        horizons: Horizons,
        most: usize,
        key: Option<&Key>,
    ) -> Result<usize, JournalFault> {
        // What was lost, or may not have been committed, is forgotten the next time.
        let mut lease = self.pool.lease(false).await.map_err(|trouble| trouble.fault())?;
        retention::forget(&mut lease, horizons, most, key).await.map_err(|trouble| {
            lease.give_up();
            trouble.fault()
        })
    }

    async fn free(&self) -> Result<(), JournalFault> {
        for free in holds::free() {
            self.pool.change(free).await?;
        }
        Ok(())
    }

    async fn heard(&self, said: Said) {
        self.ears.heard(said).await;
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Result<Vec<Episode>, JournalFault> {
        let answers = self.pool.browse_all(queries::episodes(since, most)).await?;
        let [issues, remediations] = answers.as_slice() else { return Ok(Vec::new()) };
        let mut courses: HashMap<IssueId, Vec<Course>> = HashMap::new();
        for (issue, course) in read(remediations, rows::course)? {
            courses.entry(issue).or_default().push(course);
        }
        let mut episodes = read(issues, rows::episode)?;
        for episode in &mut episodes {
            episode.courses = courses.remove(&episode.issue).unwrap_or_default();
        }
        Ok(episodes)
    }

    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault> {
        read(&self.pool.ask(queries::open_fingerprints()).await?, |row| {
            let fingerprint: i64 = row.value("fingerprint")?;
            Ok((Fingerprint(fingerprint.cast_unsigned()), IssueId(row.value("id")?), row.time("starts_at")?))
        })
    }

    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault> {
        read(&self.pool.browse(queries::remediations(&filter)).await?, rows::remediation)
    }

    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault> {
        let answers = self.pool.ask_all(queries::remediation(id)).await?;
        let [remediation, intents] = answers.as_slice() else { return Ok(None) };
        let Some(remediation) = first(remediation, rows::remediation)? else { return Ok(None) };
        Ok(Some((remediation, read(intents, rows::intent)?)))
    }

    async fn undone(&self, among: Vec<RemediationId>) -> Result<Vec<RemediationId>, JournalFault> {
        read(&self.pool.ask(queries::undone(&among)).await?, |row| {
            Ok(RemediationId { issue: IssueId(row.value("issue")?), ordinal: row.number("ordinal")? })
        })
    }

    async fn reverts_due(&self, now: Timestamp) -> Result<Vec<Intent>, JournalFault> {
        read(&self.pool.ask(queries::reverts_due(now)).await?, rows::intent)
    }

    async fn next_revert(&self) -> Result<Option<Timestamp>, JournalFault> {
        let rows = self.pool.ask(queries::next_revert()).await?;
        first(&rows, |row| row.maybe_time("soonest")).map(Option::flatten)
    }

    async fn approval(&self, id: &str) -> Result<Option<Approval>, JournalFault> {
        first(&self.pool.ask(queries::approval(id.to_owned())).await?, rows::approval)
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, JournalFault> {
        read(&self.pool.browse(queries::approvals(&filter)).await?, rows::approval)
    }

    async fn failures_since(
        &self,
        rule: &str,
        resource: &str,
        since: Timestamp,
    ) -> Result<u32, JournalFault> {
        let question = queries::failures_since(rule.to_owned(), resource.to_owned(), since);
        let count = first(&self.pool.ask(question).await?, |row| row.number("tries"))?;
        Ok(count.unwrap_or_default())
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Result<u32, JournalFault> {
        let question = queries::openings_since(rule.to_owned(), since, most);
        let count = first(&self.pool.ask(question).await?, |row| row.number("issues"))?;
        Ok(count.unwrap_or_default())
    }

    async fn endings_since(&self, since: Timestamp) -> Result<Vec<(Outcome, u64)>, JournalFault> {
        read(&self.pool.ask(queries::endings_since(since)).await?, |row| {
            Ok((row.name("outcome")?, row.number("remediations")?))
        })
    }

    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault> {
        read(&self.pool.ask(queries::successes()).await?, |row| {
            let record =
                SuccessRecord { successes: row.number("successes")?, failures: row.number("failures")? };
            Ok(((row.value("rule")?, row.value("action")?), record))
        })
    }

    async fn outbox(
        &self,
        sink: &str,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<OutboxMessage>, JournalFault> {
        read(&self.pool.ask(queries::outbox(sink.to_owned(), now, most)).await?, rows::message)
    }

    async fn next_delivery(&self, sink: &str) -> Result<Option<Timestamp>, JournalFault> {
        first(&self.pool.ask(queries::next_delivery(sink.to_owned())).await?, |row| row.time("next_at"))
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, JournalFault> {
        read(&self.pool.browse(queries::waiting()).await?, |row| {
            let news: News = row.json("news")?;
            Ok(Waiting { sink: row.value("sink")?, count: row.number("waiting")?, oldest_at: news.at })
        })
    }

    async fn forget_messages(
        &self,
        but_for: Vec<String>,
        due_before: Timestamp,
    ) -> Result<u64, JournalFault> {
        let forget = sql!(
            "DELETE FROM outbox WHERE next_at < $1 AND sink <> ALL($2::text[])",
            micros(due_before),
            but_for
        );
        self.pool.change(forget).await.map(|answer| answer.count)
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault> {
        let (mut finished, mut again, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (id, delivery) in deliveries {
            match delivery {
                Delivery::Finished => finished.push(id),
                Delivery::Again(next_at) => {
                    again.push(id);
                    times.push(micros(next_at));
                }
            }
        }
        let change = sql!(
            "WITH finished AS (DELETE FROM outbox WHERE id = ANY($1::bigint[]))
             UPDATE outbox SET tries = tries + 1, next_at = d.next_at
             FROM unnest($2::bigint[], $3::bigint[]) AS d (id, next_at) WHERE outbox.id = d.id",
            finished,
            again,
            times,
        );
        self.pool.change(change).await.map(drop)
    }

    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault> {
        first(&self.pool.ask(queries::setting(key.to_owned())).await?, |row| row.json("value"))
    }

    async fn totals(&self) -> Result<Totals, JournalFault> {
        let answers = self.pool.browse_all(queries::totals()).await?;
        let [issues, ended] = answers.as_slice() else { return Ok(Totals::default()) };
        let counts = first(issues, |row| Ok((row.number("opened")?, row.number("open")?)))?;
        let ended = read(ended, |row| {
            Ok((row.name("outcome")?, row.number::<u64>("remediations")?, row.value::<i64>("micros")?))
        })?;
        let (issues, open_issues) = counts.unwrap_or_default();
        Ok(Totals {
            issues,
            open_issues,
            duration_seconds: ended.iter().map(|(_, _, micros)| *micros as f64 / 1e6).sum(),
            remediations: ended.into_iter().map(|(outcome, count, _)| (outcome, count)).collect(),
        })
    }

    async fn check(&self) -> Result<(), JournalFault> {
        self.writer.commit(Vec::new()).await
    }
}
