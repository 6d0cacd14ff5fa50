//! The one task that commits the runtime's transactions: it takes all that is queued, sends it in one round trip as one
//! transaction, commits once, and then answers everybody. While one commit waits for the disk, the next batch gathers.
//!
//! A batch runs without savepoints, which almost always succeeds. When requests in it cannot be carried out, the batch is rolled
//! back and run again without them; they follow one by one, each with a savepoint around it, so that only it is undone.
//!
//! When the connection is lost over a `COMMIT`, it is not known whether that happened. Each transaction therefore leaves
//! its number in the writer's own row of `writers`, and a new connection looks there. It first takes the row over, which
//! waits for the lost transaction while the server still works on it, and keeps it from committing later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::{Said, Write};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::changes::{Change, add_records, change, records};
use super::columns::Columns as _;
use super::connection::{Connection, Connector, Sql, sql};
use super::ears;
use super::fault::{Reach, Trouble};
use crate::nested::Nested;

/// The most requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 256;
/// The most requests that wait for the next transaction; further ones wait in their callers.
const QUEUE_REQUESTS_MAX: usize = 4096;
/// How often a batch is run again without those that cannot be carried out; then all of it is run one by one.
const PASSES_MAX: u32 = 4;
/// How often a transaction is tried that the server refuses as a whole, such as for a deadlock.
const TRIES_MAX: u32 = 3;
/// How long it is tried to find out whether a commit happened, and how long to wait between two tries.
const RESOLVE_LIMIT: Duration = Duration::from_secs(30);
const RESOLVE_RETRY: Duration = Duration::from_millis(250);
/// Rows of counts that the writers share; enough that two writers seldom have the same and wait for one another.
const SHARDS: i64 = 64;

/// One transaction of the runtime.
struct Request {
    writes: Vec<(Write, Nested)>,
    reply: oneshot::Sender<Result<(), JournalFault>>,
}

/// The way to the writer.
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
}

impl Writer {
    /// Starts the task; it ends when this is dropped and nothing is queued any more.
    pub(super) fn start(connector: Arc<Connector>) -> Self {
        let (requests, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
        tokio::spawn(Task { connector, session: None, identity: None, batch: 0 }.run(receiver));
        Self { requests }
    }

    /// Has writes committed, and waits until they are on disk.
    pub(super) async fn commit(&self, writes: Vec<(Write, Nested)>) -> Result<(), JournalFault> {
        let ended = |_| JournalFault {
            kind: JournalFaultKind::Broken,
            what: "the task that writes the journal has ended".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { writes, reply }).await.map_err(|_| ended(()))?;
        answer.await.map_err(|_| ended(()))?
    }
}

/// By what the server knows the writer: its row, and how often the row was taken over.
#[derive(Clone, Copy)]
struct Identity {
    id: i64,
    generation: i64,
}

struct Task {
    connector: Arc<Connector>,
    session: Option<Connection>,
    identity: Option<Identity>,
    batch: i64,
}

type Outcomes = Vec<Result<(), JournalFault>>;

impl Task {
    async fn run(mut self, mut receiver: mpsc::Receiver<Request>) {
        let mut requests = Vec::with_capacity(BATCH_REQUESTS_MAX);
        while receiver.recv_many(&mut requests, BATCH_REQUESTS_MAX).await > 0 {
            // Whoever locks several issues locks them in this order, so that nobody waits in a circle.
            requests.sort_by_key(first_issue);
            let outcomes = self.carry_out(&requests).await;
            for (request, outcome) in requests.drain(..).zip(outcomes) {
                // The caller may have stopped waiting.
                let _ = request.reply.send(outcome);
            }
        }
    }

    /// Carries out a batch; with an outcome for each request.
    async fn carry_out(&mut self, requests: &[Request]) -> Outcomes {
        let mut tries = 0;
        loop {
            tries += 1;
            let reused = self.session.is_some();
            let failure = match self.attempt(requests).await {
                Ok(outcomes) => return outcomes,
                Err(failure) => failure,
            };
            self.session = self.session.take().filter(Connection::is_good);
            match failure {
                Failure::Unknown(outcomes) => match self.resolve().await {
                    Ok(true) => return outcomes,
                    Ok(false) if tries < TRIES_MAX => {}
                    Ok(false) => return refuse(requests, &Trouble::Connect(LOST.to_owned())),
                    Err(trouble) => {
                        let why = trouble.fault().what;
                        let what = format!("it is not known whether the transaction was committed: {why}");
                        tracing::error!(what, requests = requests.len(), "the journal must be read again");
                        return refuse(requests, &Trouble::Connect(what));
                    }
                },
                Failure::Unmarked => {
                    tracing::warn!(
                        "the writer's row is gone from the journal, as from one that was restored; it gets another"
                    );
                    self.identity = None;
                    if tries >= TRIES_MAX {
                        return refuse(requests, &Trouble::Value(UNMARKED.to_owned()));
                    }
                }
                Failure::Nothing(trouble) => {
                    let again = match trouble.reach() {
                        // A connection that was kept may have died unnoticed; a new one has not.
                        Reach::Connection => reused,
                        Reach::Transaction => true,
                        Reach::Request => false,
                    };
                    if !again || tries >= TRIES_MAX {
                        tracing::warn!(fault = %trouble.fault(), requests = requests.len(), "nothing was written");
                        return refuse(requests, &trouble);
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, requests: &[Request]) -> Result<Outcomes, Failure> {
        let (mut session, identity) = self.session().await?;
        self.batch += 1;
        let ended = transact(&mut session, identity, self.batch, requests).await;
        if session.is_good() {
            self.session = Some(session);
        }
        ended
    }

    /// The writer's connection and its row.
    async fn session(&mut self) -> Result<(Connection, Identity), Trouble> {
        let mut session = match self.session.take().filter(Connection::is_good) {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        let identity = match self.identity {
            Some(identity) => identity,
            None => {
                let rows = session.rows(sql!(ENROL)).await?;
                let row = rows
                    .first()
                    .ok_or_else(|| Trouble::Value("no row was made for the writer".to_owned()))?;
                Identity { id: row.value("id")?, generation: 0 }
            }
        };
        self.identity = Some(identity);
        Ok((session, identity))
    }

    /// Finds out whether the last batch was committed, and keeps it from being so later.
    async fn resolve(&mut self) -> Result<bool, Trouble> {
        let deadline = Instant::now() + RESOLVE_LIMIT;
        loop {
            let trouble = match self.take_over().await {
                Ok(batch) => return Ok(batch == self.batch),
                Err(trouble) => trouble,
            };
            if Instant::now() >= deadline {
                return Err(trouble);
            }
            sleep(RESOLVE_RETRY).await;
        }
    }

    async fn take_over(&mut self) -> Result<i64, Trouble> {
        let (mut session, identity) = self.session().await?;
        let rows = session
            .rows(sql!(
                "UPDATE writers SET generation = generation + 1 WHERE id = $1 RETURNING batch, generation",
                identity.id
            ))
            .await?;
        self.session = Some(session);
        match rows.first() {
            Some(row) => {
                self.identity = Some(Identity { generation: row.value("generation")?, ..identity });
                row.value("batch")
            }
            None => {
                self.identity = None;
                Err(Trouble::Value(UNMARKED.to_owned()))
            }
        }
    }
}

const LOST: &str = "the connection to PostgreSQL was lost over a commit that did not happen";

const UNMARKED: &str = "the writer's row is gone";

/// Rows of writers that have been silent for a day belong to processes that are no more. The number has no more bits than
/// `random()` gives, or the last ones, by which a writer finds its rows of counts, would be the same for all.
const ENROL: &str = "
    WITH gone AS (DELETE FROM writers WHERE at < clock_timestamp() - interval '1 day')
    INSERT INTO writers (id, batch) VALUES (floor(random() * 281474976710656)::bigint, 0) RETURNING id";

fn refuse(requests: &[Request], trouble: &Trouble) -> Outcomes {
    requests.iter().map(|_| Err(trouble.fault())).collect()
}

/// Why a batch has no outcomes yet.
enum Failure {
    /// Nothing of it was written.
    Nothing(Trouble),
    /// The connection was lost over the commit; if that happened, these are the outcomes.
    Unknown(Outcomes),
    /// Nothing of it was written: the writer's row is gone, or was taken over.
    Unmarked,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Nothing(trouble)
    }
}

async fn transact(
    session: &mut Connection,
    identity: Identity,
    batch: i64,
    requests: &[Request],
) -> Result<Outcomes, Failure> {
    let outcomes = match carry_out(session, identity.id, requests).await {
        Ok(outcomes) => outcomes,
        Err(trouble) => {
            if trouble.reach() != Reach::Connection {
                roll_back(session).await?;
            }
            return Err(trouble.into());
        }
    };
    // A row that was taken over gets no number, which its column refuses; over one that is gone nothing can be divided. Either
    // way the commit behind it becomes a rollback.
    let mark = sql!(
        "WITH mark AS (
             UPDATE writers SET batch = CASE WHEN generation = $3 THEN $2::bigint END, at = clock_timestamp()
             WHERE id = $1 RETURNING id)
         SELECT 1 / count(*) FROM mark",
        identity.id,
        batch,
        identity.generation,
    );
    let has = |is: fn(&Write) -> bool| {
        requests.iter().flat_map(|request| &request.writes).any(|(write, _)| is(write))
    };
    let mut ending = vec![mark];
    ending.extend(has(is_call).then(|| ears::tell(Said::Call)));
    ending.extend(has(|write| matches!(write, Write::Record(_))).then(|| ears::tell(Said::Record)));
    ending.push(sql!("COMMIT"));
    let committed = match session.pipeline(&ending).await {
        Ok(answers) => answers.into_iter().collect::<Result<Vec<_>, _>>(),
        Err(trouble) => Err(trouble),
    };
    match committed {
        Ok(_) => Ok(outcomes),
        Err(trouble) if trouble.reach() == Reach::Connection => Err(Failure::Unknown(outcomes)),
        Err(trouble) if trouble.reach() == Reach::Request => Err(Failure::Unmarked),
        // The server says that it did not commit.
        Err(trouble) => Err(trouble.into()),
    }
}

/// The issue that a request locks first.
fn first_issue(request: &Request) -> Option<IssueId> {
    request.writes.iter().find_map(|(write, _)| match write {
        Write::Hold { tenure, .. } => Some(tenure.issue),
        Write::Move { issue, .. } | Write::Wake { issue, .. } => Some(*issue),
        _ => None,
    })
}

/// Whether other replicas have something to do because of it.
fn is_call(write: &Write) -> bool {
    matches!(write, Write::Wake { .. } | Write::Set { .. })
}

async fn roll_back(session: &mut Connection) -> Result<(), Trouble> {
    session.run(sql!("ROLLBACK")).await.map(drop)
}

/// What a request changes, but for its records.
fn changes<'a>(request: &'a Request, writer: i64) -> Result<Vec<Change<'a>>, Trouble> {
    let changes = request.writes.iter().map(|(write, nested)| change(write, nested, writer % SHARDS));
    changes.filter_map(Result::transpose).collect()
}

/// Carries out what can be, each request with its outcome, in a transaction that is left open. Fails when nothing can be written
/// at all.
async fn carry_out(session: &mut Connection, writer: i64, requests: &[Request]) -> Result<Outcomes, Trouble> {
    let mut alone = BTreeSet::new();
    for pass in 1.. {
        let others: Vec<usize> = (0..requests.len()).filter(|place| !alone.contains(place)).collect();
        let stuck = together(session, writer, requests, &others).await?;
        if stuck.is_empty() {
            break;
        }
        roll_back(session).await?;
        if pass < PASSES_MAX { alone.extend(stuck) } else { alone.extend(others) }
    }
    let mut outcomes: Outcomes = requests.iter().map(|_| Ok(())).collect();
    for place in alone {
        outcomes[place] = apart(session, writer, &requests[place]).await?;
    }
    Ok(outcomes)
}

/// Begins a transaction with some of the requests in one round trip; gives those of them that cannot be carried out, which the
/// transaction has then to be rolled back for.
async fn together(
    session: &mut Connection,
    writer: i64,
    requests: &[Request],
    places: &[usize],
) -> Result<BTreeSet<usize>, Trouble> {
    let (mut statements, mut whose) = (vec![sql!("BEGIN")], vec![None]);
    for &place in places {
        let Ok(changes) = changes(&requests[place], writer) else { return Ok([place].into()) };
        for Change { sql, unless } in changes {
            statements.push(sql);
            whose.push(Some((place, unless.is_some())));
        }
    }
    statements.extend(add_records(places.iter().flat_map(|place| records(&requests[*place].writes))));
    whose.resize(statements.len(), None);
    let mut stuck = BTreeSet::new();
    for (answer, whose) in session.pipeline(&statements).await?.into_iter().zip(whose) {
        match (answer, whose) {
            (Ok(answer), Some((place, true))) if answer.count == 0 => drop(stuck.insert(place)),
            (Ok(_), _) => {}
            // The transaction has failed here, and whatever comes later says only that.
            (Err(trouble), Some((place, _))) if trouble.reach() == Reach::Request => {
                stuck.insert(place);
                break;
            }
            (Err(trouble), _) => return Err(trouble),
        }
    }
    Ok(stuck)
}

/// One request by itself. Fails when nothing can be written at all.
async fn apart(
    session: &mut Connection,
    writer: i64,
    request: &Request,
) -> Result<Result<(), JournalFault>, Trouble> {
    session.run(sql!("SAVEPOINT request")).await?;
    let outcome = match one(session, writer, request).await {
        Err(trouble) if trouble.reach() == Reach::Request => {
            session.run(sql!("ROLLBACK TO request")).await?;
            Err(trouble.fault())
        }
        outcome => Ok(outcome?),
    };
    session.run(sql!("RELEASE request")).await?;
    Ok(outcome)
}

async fn one(session: &mut Connection, writer: i64, request: &Request) -> Result<(), Trouble> {
    let (mut statements, mut unless): (Vec<Sql<'_>>, Vec<_>) =
        changes(request, writer)?.into_iter().map(|change| (change.sql, change.unless)).unzip();
    statements.extend(add_records(records(&request.writes)));
    unless.resize_with(statements.len(), || None);
    let answers = session.pipeline(&statements).await?;
    for (answer, unless) in answers.into_iter().zip(unless) {
        let answer = answer?;
        if let Some(unless) = unless.filter(|_| answer.count == 0) {
            return Err(unless.explain(session).await?);
        }
    }
    Ok(())
}
