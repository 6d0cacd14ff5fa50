//! Opens the journal's file: the lock that keeps a second process out, the settings of every connection, and the way
//! from an older schema to this one.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Each version's change, in order. A change that has shipped is never edited; a new one is added.
pub(super) type Schema = &'static [&'static str];
pub(super) const JOURNAL: Schema = &[
    include_str!("schema/journal/1.sql"),
    include_str!("schema/journal/2.sql"),
    include_str!("schema/journal/3.sql"),
    include_str!("schema/journal/4.sql"),
    include_str!("schema/journal/5.sql"),
    include_str!("schema/journal/6.sql"),
];

/// The first version with an audit chain.
const CHAINED: usize = 4;
/// How long a connection waits for another program, such as a backup, that has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// The distinct statements of this crate, with room to spare.
const STATEMENTS_MAX: usize = 128;

/// What kept the journal from being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenFaultKind {
    /// Another process uses it.
    InUse,
    /// A newer version of selfheal has written it.
    Newer,
    /// It is no journal, or it is damaged.
    Damaged,
    /// It cannot be read or written.
    Unusable,
}

/// A journal that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("journal {}: {what}", path.display())]
pub struct OpenFault {
    /// What it means.
    pub kind: OpenFaultKind,
    /// The journal's file.
    pub path: PathBuf,
    /// What happened, and what to do.
    pub what: String,
}

/// An open journal's connections.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) checkpointer: Connection,
    pub(super) readers: Vec<Connection>,
}

/// Opens or makes a file, with a connection to write, one to move the log into place, and some to read.
pub(super) fn open(path: &Path, schema: Schema, readers: usize) -> Result<Opened, OpenFault> {
    let fault = |error| fault(path, &error);
    let writer = Connection::open(path).map_err(fault)?;
    set_up_writer(&writer).map_err(fault)?;
    migrate(path, schema, &writer)?;
    let checkpointer = Connection::open(path).map_err(fault)?;
    set_up_writer(&checkpointer).map_err(fault)?;
    let readers = (0..readers).map(|_| open_reader(path)).collect::<Result<_, _>>().map_err(fault)?;
    Ok(Opened { writer, checkpointer, readers })
}

/// Locks a file beside the journal: SQLite's own locks would let a second process in between two transactions.
pub(super) fn lock(path: &Path) -> Result<File, OpenFault> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unusable = |error: std::io::Error| {
        let what = format!("cannot lock {}: {error}", Path::new(&name).display());
        OpenFault { kind: OpenFaultKind::Unusable, path: path.to_owned(), what }
    };
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
        Err(TryLockError::WouldBlock) => {
            let what =
                "another selfheal process uses it; stop that one, or give this one a folder of its own"
                    .to_owned();
            Err(OpenFault { kind: OpenFaultKind::InUse, path: path.to_owned(), what })
        }
    }
}

/// Opens a journal to read its audit chain, without its lock and as it is.
pub(super) fn open_to_audit(path: &Path) -> Result<Connection, OpenFault> {
    let connection = open_reader(path).map_err(|error| fault(path, &error))?;
    let found = version(path, JOURNAL, &connection)?;
    if found < CHAINED {
        let what = format!(
            "it has version {found} and no audit chain yet; it gets one when this selfheal serves it"
        );
        return Err(OpenFault { kind: OpenFaultKind::Unusable, path: path.to_owned(), what });
    }
    if found < JOURNAL.len() {
        let what = format!(
            "it has version {found} and this selfheal reads version {}; verify it with the selfheal that serves it, or let this \
             one serve it before",
            JOURNAL.len()
        );
        return Err(OpenFault { kind: OpenFaultKind::Unusable, path: path.to_owned(), what });
    }
    Ok(connection)
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    set_up(connection)?;
    // NORMAL syncs the log before its pages are moved into place; `syncer` does so before an answer, which is then a promise.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 16000; -- pages of 4 KiB, where the other thread has not kept up
         PRAGMA journal_size_limit = 67108864; -- what a storm has left behind is given back
         PRAGMA cache_size = -16384; -- KiB
         PRAGMA temp_store = MEMORY;",
    )
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Or a statement is planned anew for every value, to compare it with statistics that there are not.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    set_up(&connection)?;
    connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

/// Asks a file that is open something once.
pub(super) fn ask<T>(
    path: &Path,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, OpenFault> {
    open_reader(path).and_then(|connection| ask(&connection)).map_err(|error| fault(path, &error))
}

/// The version of a file's schema, one that is known.
fn version(path: &Path, schema: Schema, connection: &Connection) -> Result<usize, OpenFault> {
    let fault = |error| fault(path, &error);
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > schema.len() {
        let what = format!(
            "it has version {found} and this selfheal knows versions up to {}; use a newer selfheal, or an older copy",
            schema.len()
        );
        return Err(OpenFault { kind: OpenFaultKind::Newer, path: path.to_owned(), what });
    }
    Ok(found)
}

/// Brings the schema up to date, each version in a transaction of its own.
fn migrate(path: &Path, schema: Schema, connection: &Connection) -> Result<(), OpenFault> {
    let fault = |error| fault(path, &error);
    let found = version(path, schema, connection)?;
    for (version, change) in (1..).zip(schema).skip(found) {
        let change = format!("BEGIN IMMEDIATE; {change} PRAGMA user_version = {version}; COMMIT;");
        connection.execute_batch(&change).map_err(fault)?;
    }
    Ok(())
}

/// The inbox could not be opened.
pub(super) fn no_inbox(path: &Path, error: &std::io::Error) -> OpenFault {
    let damaged = error.kind() == std::io::ErrorKind::InvalidData;
    let kind = if damaged { OpenFaultKind::Damaged } else { OpenFaultKind::Unusable };
    OpenFault { kind, path: path.to_owned(), what: error.to_string() }
}

/// The log of the file could not be opened.
pub(super) fn no_log(path: &Path, error: &std::io::Error) -> OpenFault {
    let what = format!("cannot open the log beside it: {error}");
    OpenFault { kind: OpenFaultKind::Unusable, path: path.to_owned(), what }
}

/// A thread could not be started.
pub(super) fn no_thread(path: &Path, error: &std::io::Error) -> OpenFault {
    let what = format!("cannot start a thread for it: {error}");
    OpenFault { kind: OpenFaultKind::Unusable, path: path.to_owned(), what }
}

fn fault(path: &Path, error: &rusqlite::Error) -> OpenFault {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenFaultKind::Damaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenFaultKind::InUse,
        _ => OpenFaultKind::Unusable,
    };
    let advice = match kind {
        OpenFaultKind::Damaged => "; move it away, or restore a backup",
        OpenFaultKind::InUse => "; another program has locked it",
        _ => "",
    };
    OpenFault { kind, path: path.to_owned(), what: format!("{error}{advice}") }
}
