//! One connection to the journal's server: how it is made and set up, its prepared statements, and sending many
//! statements in one round trip.

use std::borrow::Cow;
use std::collections::HashMap;
use std::task::Poll;
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{Trouble, chain};

/// The server ends a statement that takes too long by itself; this is for its answer to arrive.
const ANSWER_GRACE: Duration = Duration::from_secs(1);
/// How long the server keeps a transaction whose replica says nothing more: a replica that is frozen within one must
/// not keep the others from their work.
const SILENCE_MAX: &str = "5s";

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To make a connection.
    pub(super) connect: Duration,
    /// One statement.
    pub(super) statement: Duration,
}

/// Makes connections.
pub(crate) struct Connector {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) limits: Limits,
}

impl Connector {
    /// Connects, and sets what every statement relies on.
    pub(crate) async fn connect(&self) -> Result<Connection, Trouble> {
        let (client, connection) = self.within(self.config.connect(self.tls.clone())).await?;
        // Ends by itself when the client is dropped or the connection breaks; the client then says so.
        tokio::spawn(connection);
        self.set_up(client).await
    }

    /// Makes a client ready for use.
    pub(super) async fn set_up(&self, client: Client) -> Result<Connection, Trouble> {
        let statement = self.limits.statement.as_millis();
        // An operator may ask for more than `on`, such as `remote_apply`, and must not get less.
        let settings = format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {statement};
             SET idle_in_transaction_session_timeout = '{SILENCE_MAX}'; SET jit = off;
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        );
        self.within(client.batch_execute(&settings)).await?;
        Ok(Connection { client, prepared: HashMap::new(), limits: self.limits, in_flight: false })
    }

    pub(super) async fn within<T>(
        &self,
        making: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        let within = self.limits.connect;
        match timeout(within, making).await {
            Ok(made) => made.map_err(|error| match error.as_db_error() {
                Some(_) => Trouble::Server(error),
                // The driver has no kind for what the settings lack, such as a password that the server asks for.
                None if error.to_string().starts_with("invalid configuration") => {
                    Trouble::Settings(format!("{}; check journal.url", chain(&error)))
                }
                None => Trouble::Connect(format!(
                    "PostgreSQL cannot be reached: {}; check journal.url and that the server runs",
                    chain(&error)
                )),
            }),
            Err(_) => Err(Trouble::Connect(format!(
                "no connection to PostgreSQL within {within:?}; check journal.url and that the server runs"
            ))),
        }
    }
}

/// A value on its way into a column.
pub(crate) type Bound<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with its values.
pub(crate) struct Sql<'a> {
    pub(crate) text: Cow<'static, str>,
    pub(crate) values: Vec<Bound<'a>>,
}

/// A statement's text and its values, each of a type that is exactly that of the column.
macro_rules! sql {
    ($text:expr $(, $value:expr)* $(,)?) => {
        $crate::postgres::connection::Sql {
            text: ::std::borrow::Cow::from($text),
            values: vec![$(Box::new($value) as $crate::postgres::connection::Bound<'_>),*],
        }
    };
}
pub(crate) use sql;

/// What a statement came to.
pub(crate) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Rows changed, or found.
    pub(super) count: u64,
}

/// A connection.
pub(crate) struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
    limits: Limits,
    /// Something was sent and its answer has not been read: what the server does with it is not known.
    in_flight: bool,
}

impl Connection {
    /// Whether it can be used again.
    pub(super) fn is_good(&self) -> bool {
        !self.in_flight && !self.client.is_closed()
    }

    /// Runs one statement.
    pub(crate) async fn run(&mut self, sql: Sql<'_>) -> Result<Answer, Trouble> {
        let mut answers = self.pipeline(&[sql]).await?;
        answers.pop().expect("there is an answer for every statement")
    }

    /// Runs one statement for its rows.
    pub(crate) async fn rows(&mut self, sql: Sql<'_>) -> Result<Vec<Row>, Trouble> {
        Ok(self.run(sql).await?.rows)
    }

    /// Runs SQL without values, in one transaction unless it says otherwise.
    pub(crate) async fn script(&mut self, text: &str) -> Result<(), Trouble> {
        self.in_flight = true;
        let ran = self.client.batch_execute(text).await;
        self.in_flight = false;
        Ok(ran?)
    }

    /// Sends statements together and reads their answers in order. One that fails keeps later ones of the same
    /// transaction from succeeding. Fails as a whole when not all could be prepared, so that nothing was sent, or when
    /// the answers do not come in time.
    pub(super) async fn pipeline(
        &mut self,
        statements: &[Sql<'_>],
    ) -> Result<Vec<Result<Answer, Trouble>>, Trouble> {
        for sql in statements {
            self.prepare(&sql.text).await?;
        }
        self.in_flight = true;
        let (client, prepared) = (&self.client, &self.prepared);
        let sending = statements.iter().map(|sql| {
            let statement = &prepared[&*sql.text];
            async move {
                let values = sql.values.iter().map(|value| &**value as &(dyn ToSql + Sync));
                let stream = client.query_raw(statement, values).await?;
                let mut stream = std::pin::pin!(stream);
                let mut rows = Vec::new();
                while let Some(row) = stream.try_next().await? {
                    rows.push(row);
                }
                Ok(Answer { count: stream.rows_affected().unwrap_or_default(), rows })
            }
        });
        let limit = self.limits.statement.saturating_mul(2) + ANSWER_GRACE;
        let answers = timeout(limit, in_order(sending)).await.map_err(|_| Trouble::Timeout(limit))?;
        self.in_flight = false;
        Ok(answers)
    }

    async fn prepare(&mut self, text: &str) -> Result<(), Trouble> {
        if !self.prepared.contains_key(text) {
            let limit = self.limits.statement + ANSWER_GRACE;
            self.in_flight = true;
            let statement = timeout(limit, self.client.prepare(text)).await;
            self.in_flight = statement.is_err();
            let statement = statement.map_err(|_| Trouble::Timeout(limit))??;
            self.prepared.insert(text.to_owned(), statement);
        }
        Ok(())
    }
}

/// Begins all futures in their order, then waits for each: what they send goes out in that order and together.
async fn in_order<T>(futures: impl Iterator<Item = impl Future<Output = T> + Send>) -> Vec<T> {
    let mut begun = Vec::new();
    for future in futures {
        let mut future = future.boxed();
        let first = futures::poll!(&mut future);
        begun.push((future, first));
    }
    let mut answers = Vec::with_capacity(begun.len());
    for (future, first) in begun {
        answers.push(match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => future.await,
        });
    }
    answers
}
