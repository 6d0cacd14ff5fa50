//! Where the journal is, and the way from an older schema to this one.
//!
//! Replicas that start together wait for one another by an advisory lock; the first brings the schema up to date, the
//! others find it so.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use super::columns::Columns as _;
use super::connection::{Connection, Connector, Limits, sql};
use super::fault::{Reach, Trouble};
use super::tls::Tls;

/// Each version's change, in order. A change that has shipped is never edited; a new one is added.
const SCHEMA: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];
/// The advisory lock of migrations: the letters "selfheal" as a number.
const MIGRATION_LOCK: i64 = 0x7365_6c66_6865_616c;
/// How long one migration may take.
const MIGRATION_LIMIT: &str = "30min";
/// By it the server's administrator recognises selfheal's sessions.
const APPLICATION_NAME: &str = "selfheal";

/// Where the journal is, and how long things may take.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`; several hosts, separated by commas, for a primary with standbys.
    /// `sslmode` is `disable`, `prefer` (the default), `require` or `verify-full`.
    pub url: String,
    /// Certificates of the authorities to trust, in PEM form; those of the system when there are none.
    pub ca: Option<String>,
    /// To make a connection; 100 ms to 1 min.
    pub connect_timeout: Duration,
    /// One statement; 100 ms to 5 min.
    pub statement_timeout: Duration,
}

/// What kept the journal from being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostgresFaultKind {
    /// The settings cannot be used.
    Settings,
    /// The server cannot be reached, or lets nobody in yet: that may pass.
    Unreachable,
    /// The server does not let selfheal in.
    Refused,
    /// A newer version of selfheal has written it.
    Newer,
    /// Its schema cannot be brought up to date.
    Migration,
}

/// A journal on PostgreSQL that could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("journal on PostgreSQL: {what}")]
pub struct PostgresFault {
    /// What it means.
    pub kind: PostgresFaultKind,
    /// What happened, and what to do. Without the URL, which may hold a password.
    pub what: String,
}

fn fault(kind: PostgresFaultKind, what: impl Into<String>) -> PostgresFault {
    PostgresFault { kind, what: what.into() }
}

/// Makes the connector of checked settings.
pub(crate) fn connector(settings: &PostgresSettings) -> Result<Connector, PostgresFault> {
    let unusable = |what: String| fault(PostgresFaultKind::Settings, what);
    let (url, word) = take_sslmode(&settings.url);
    let tls = Tls::of(word.as_deref().unwrap_or("prefer"))
        .ok_or_else(|| unusable("sslmode is none of disable, prefer, require and verify-full".to_owned()))?;
    // The driver's error may quote parts of the URL, which may hold a password.
    let mut config: Config = url.parse().map_err(|_| {
        unusable("cannot read the URL, expected postgres://user:password@host:port/database".to_owned())
    })?;
    let mode: SslMode = tls.mode();
    config
        .application_name(APPLICATION_NAME)
        .ssl_mode(mode)
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(settings.connect_timeout)
        .keepalives_idle(Duration::from_secs(15))
        .tcp_user_timeout(settings.statement_timeout.max(Duration::from_secs(15)));
    let tls = tls.connector(settings.ca.as_deref()).map_err(unusable)?;
    let limits = Limits { connect: settings.connect_timeout, statement: settings.statement_timeout };
    Ok(Connector { config, tls, limits })
}

/// The URL without its `sslmode`, of which the driver does not know all words, and that word.
fn take_sslmode(url: &str) -> (String, Option<String>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (modes, rest): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|setting| setting.starts_with("sslmode="));
    let word = modes.last().and_then(|setting| setting.split_once('=')).map(|(_, word)| word.to_owned());
    let address = if rest.is_empty() { address.to_owned() } else { format!("{address}?{}", rest.join("&")) };
    (address, word)
}

/// Brings the schema up to date; gives the version that was found and the one that is there now.
pub(crate) async fn migrate(connector: &Arc<Connector>) -> Result<(usize, usize), PostgresFault> {
    let of = |trouble: &Trouble, otherwise| fault(met(trouble).unwrap_or(otherwise), trouble.fault().what);
    let connected = connector.connect().await;
    let mut connection = connected.map_err(|trouble| of(&trouble, PostgresFaultKind::Unreachable))?;
    let migrated = upgrade(&mut connection).await;
    migrated.map_err(|trouble| match trouble {
        Failed::Newer(found) => fault(
            PostgresFaultKind::Newer,
            format!(
                "it has version {found} and this selfheal knows versions up to {}; use a newer selfheal, or an older \
                 copy of the database",
                SCHEMA.len()
            ),
        ),
        Failed::Trouble(trouble) => of(&trouble, PostgresFaultKind::Migration),
    })
}

/// What a trouble says about the server, if it does.
fn met(trouble: &Trouble) -> Option<PostgresFaultKind> {
    match trouble {
        Trouble::Settings(_) => Some(PostgresFaultKind::Settings),
        _ if trouble.is_refusal() => Some(PostgresFaultKind::Refused),
        _ if trouble.reach() == Reach::Connection => Some(PostgresFaultKind::Unreachable),
        _ => None,
    }
}

enum Failed {
    Newer(usize),
    Trouble(Trouble),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

async fn upgrade(connection: &mut Connection) -> Result<(usize, usize), Failed> {
    // Whoever waits for another replica's migration waits as long as that may take.
    connection
        .script(&format!(
            "SET statement_timeout = '{MIGRATION_LIMIT}'; SET lock_timeout = 0;
             SET idle_in_transaction_session_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})"
        ))
        .await?;
    // Nothing is changed that is as it should be: a role that may not change the schema needs not to be let.
    let there = "SELECT count(*) AS there FROM pg_class WHERE oid = to_regclass('schema_version')";
    if number(connection, there, "there").await? == 0 {
        connection
            .script("CREATE TABLE schema_version (version bigint PRIMARY KEY, at timestamptz NOT NULL)")
            .await?;
    }
    let latest = "SELECT coalesce(max(version), 0) AS version FROM schema_version";
    let found = number(connection, latest, "version").await?;
    if found > SCHEMA.len() {
        return Err(Failed::Newer(found));
    }
    for (version, change) in (1..).zip(SCHEMA).skip(found) {
        let change = format!(
            "BEGIN; {change}; INSERT INTO schema_version VALUES ({version}, clock_timestamp()); COMMIT"
        );
        connection.script(&change).await?;
    }
    // The lock goes with the connection.
    Ok((found, SCHEMA.len()))
}

async fn number(connection: &mut Connection, question: &'static str, column: &str) -> Result<usize, Trouble> {
    let rows = connection.rows(sql!(question)).await?;
    rows.first().map_or(Ok(0), |row| row.number(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, ca: Option<&str>) -> PostgresSettings {
        PostgresSettings {
            url: url.to_owned(),
            ca: ca.map(str::to_owned),
            connect_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn urls_are_read_and_never_shown() {
        let cases = [
            ("postgres://u:secret@h:5432/d", None, None),
            ("postgres://u:secret@a:5432,b:5433/d?sslmode=require", None, None),
            ("postgres://u:secret@h/d?sslmode=disable&options=-csearch_path%3Dx", None, None),
            ("postgres://u:secret@h/d?sslmode=verify-full", Some("no pem"), Some("no certificate authority")),
            ("postgres://u:secret@h/d?sslmode=maybe", None, Some("sslmode")),
            ("postgres://u:secret@h:port/d", None, Some("expected postgres://")),
        ];
        for (url, ca, expected) in cases {
            match (connector(&settings(url, ca)).err(), expected) {
                (None, None) => {}
                (Some(fault), Some(part)) => {
                    let text = fault.to_string();
                    assert!(text.contains(part) && !text.contains("secret"), "{url}: {text}");
                    assert_eq!(fault.kind, PostgresFaultKind::Settings);
                }
                (fault, _) => panic!("{url}: {fault:?}"),
            }
        }
    }
}
