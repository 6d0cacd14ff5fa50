//! A PostgreSQL for all cases, and a database for each.

use std::sync::OnceLock;
use std::time::Duration;

use selfheal_store::{PostgresJournal, PostgresSettings};
use selfheal_test_servers::{Error, Postgres, skip};

/// The server, or that there is none on this machine. It ends with the process of the tests.
static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();

fn server() -> Option<&'static Postgres> {
    let start = || match Postgres::start() {
        Ok(server) => Some(server),
        Err(Error::Missing(missing)) => {
            skip(&missing);
            None
        }
        Err(error) => panic!("{error}"),
    };
    SERVER.get_or_init(start).as_ref()
}

/// A fresh journal in a database of this name; none where there is no PostgreSQL.
pub async fn postgres(name: &str) -> Option<PostgresJournal> {
    let url = database(name)?;
    Some(PostgresJournal::open(&settings(url)).await.unwrap())
}

/// The URL of a new, empty database; none where there is no PostgreSQL.
fn database(name: &str) -> Option<String> {
    let server = server()?;
    // A name has at most 63 bytes.
    let name = &name[..name.len().min(60)];
    server.sql(&format!("CREATE DATABASE {name}")).unwrap();
    Some(format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", server.port()))
}

fn settings(url: String) -> PostgresSettings {
    PostgresSettings {
        url,
        ca: None,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
    }
}
