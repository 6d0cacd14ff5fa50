//! Moves a journal from SQLite to PostgreSQL: table by table, in one transaction, read back and compared before that is
//! committed. What is in SQLite is only read.

mod tables;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection as Sqlite;
use rusqlite::types::ValueRef;
use selfheal_core::hash::ContentHash;
use serde::Serialize;
use tokio_postgres::Row;

use crate::inbox::{Content, Stored};
use crate::postgres::{
    Bound, Connection, PostgresFault, PostgresSettings, Sql, Trouble, connector, migrate, sql,
};
use crate::sqlite::{self, OpenFault};
use tables::{Kind, TABLES, Table};

/// Rows that are copied and read back at a time.
const PAGE: usize = 500;

/// What was moved of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedTable {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The hash of all of them, the same in both stores.
    pub hash: ContentHash,
}

/// Why a journal was not moved. Nothing of it is in the target then.
#[derive(Debug, thiserror::Error)]
pub enum MoveFault {
    /// The SQLite journal cannot be read, or is in use.
    #[error("{0}")]
    Source(#[from] OpenFault),
    /// The SQLite journal cannot be read to its end.
    #[error("the SQLite journal cannot be read: {0}; restore it from a backup")]
    Unreadable(#[from] rusqlite::Error),
    /// The target cannot be opened.
    #[error("{0}")]
    Target(#[from] PostgresFault),
    /// The target has something in it.
    #[error(
        "the target is not empty: its table {0} has rows; give an empty database, or drop what is in this one"
    )]
    NotEmpty(&'static str),
    /// The target cannot be written.
    #[error("the target cannot be written: {0}")]
    Unwritable(String),
    /// What was read back is not what was written.
    #[error(
        "table {table} differs after the copy: {wrote} rows with hash {hash_wrote}, read back {read} with hash {hash_read}"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Rows copied.
        wrote: u64,
        /// Their hash.
        hash_wrote: ContentHash,
        /// Rows read back.
        read: u64,
        /// Their hash.
        hash_read: ContentHash,
    },
}

impl From<Trouble> for MoveFault {
    fn from(trouble: Trouble) -> Self {
        Self::Unwritable(trouble.fault().what)
    }
}

/// Moves the SQLite journal at `path` to an empty PostgreSQL database.
///
/// # Errors
/// Why not; nothing is in the target then.
pub async fn move_journal(path: &Path, settings: &PostgresSettings) -> Result<Vec<MovedTable>, MoveFault> {
    let source = sqlite::source(path)?;
    let connector = Arc::new(connector(settings)?);
    migrate(&connector).await?;
    let mut target = connector.connect().await?;
    // Whoever else is about to move something there, or to use it, waits.
    target.script("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; BEGIN").await?;
    for table in TABLES {
        target.script(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.name)).await?;
        let rows = target.rows(sql!(format!("SELECT 1 AS one FROM {} LIMIT 1", table.name))).await?;
        if !rows.is_empty() {
            return Err(MoveFault::NotEmpty(table.name));
        }
    }
    // The links of the records come with them.
    target.script("ALTER TABLE records DISABLE TRIGGER records_are_linked").await?;
    let mut moved = Vec::new();
    for table in TABLES {
        let wrote = if table.in_inbox {
            copy_receipts(table, &source.inbox, &mut target).await?
        } else {
            copy(table, &source.journal, &mut target).await?
        };
        let read = read_back(table, &mut target).await?;
        if wrote != read {
            let (Tally { rows: wrote, hash: hash_wrote }, Tally { rows: read, hash: hash_read }) =
                (wrote, read);
            return Err(MoveFault::Differs { table: table.name, wrote, hash_wrote, read, hash_read });
        }
        moved.push(MovedTable { name: table.name, rows: wrote.rows, hash: wrote.hash });
        let given =
            if table.in_inbox { source.inbox.highest } else { last_number(&source.journal, table.name)? };
        number_on(table, given, &mut target).await?;
    }
    let last = last_number(&source.journal, "issues")?;
    target.run(sql!("UPDATE numbers SET last = greatest(last, $1) WHERE id = 1", last)).await?;
    take_head(&source.journal, &mut target).await?;
    target.script("ALTER TABLE records ENABLE TRIGGER records_are_linked; COMMIT").await?;
    Ok(moved)
}

/// The audit chain goes on where it ended.
async fn take_head(from: &Sqlite, target: &mut Connection) -> Result<(), MoveFault> {
    let sql = "SELECT first, seq, hash FROM audit_head WHERE id = 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (first, seq, hash): (i64, i64, Option<Vec<u8>>) = from.query_row(sql, [], read)?;
    let set = sql!("UPDATE audit_head SET first = $1, seq = $2, hash = $3 WHERE id = 1", first, seq, hash);
    target.run(set).await?;
    Ok(())
}

/// Rows and their hash, each row's with that of all before it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tally {
    rows: u64,
    hash: ContentHash,
}

impl Tally {
    fn new() -> Self {
        Self { rows: 0, hash: ContentHash::of_parts([]) }
    }

    fn add(&mut self, cells: &[Cell]) {
        let before = self.hash.to_string();
        let parts: Vec<Vec<u8>> = cells.iter().map(Cell::bytes).collect();
        let all = std::iter::once(before.as_bytes()).chain(parts.iter().map(Vec::as_slice));
        self.hash = ContentHash::of_parts(all);
        self.rows += 1;
    }
}

/// A value on its way.
#[derive(Clone)]
enum Cell {
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Flag(bool),
}

impl Cell {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Number(number) => [b"n", number.to_le_bytes().as_slice()].concat(),
            Self::Text(text) => [b"t", text.as_bytes()].concat(),
            Self::Bytes(bytes) => [b"b", bytes.as_slice()].concat(),
            Self::Flag(flag) => vec![b'f', u8::from(*flag)],
        }
    }

    fn of_sqlite(value: ValueRef<'_>, kind: Kind) -> Result<Self, rusqlite::Error> {
        Ok(match (value, kind) {
            (ValueRef::Null, _) => Self::Nothing,
            (_, Kind::Number) => Self::Number(value.as_i64()?),
            (_, Kind::Flag) => Self::Flag(value.as_i64()? != 0),
            // PostgreSQL takes all of Unicode but the character with the number 0.
            (_, Kind::Text) => Self::Text(value.as_str()?.replace('\0', "\u{fffd}")),
            (_, Kind::Bytes) => Self::Bytes(value.as_blob()?.to_vec()),
        })
    }

    fn of_postgres(row: &Row, place: usize, kind: Kind) -> Result<Self, Trouble> {
        Ok(match kind {
            Kind::Number => row.try_get::<_, Option<i64>>(place)?.map(Self::Number),
            Kind::Text => row.try_get::<_, Option<String>>(place)?.map(Self::Text),
            Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(place)?.map(Self::Bytes),
            Kind::Flag => row.try_get::<_, Option<bool>>(place)?.map(Self::Flag),
        }
        .unwrap_or(Self::Nothing))
    }
}

/// Rows of one table on their way.
type Page = Vec<Vec<Cell>>;

async fn copy(table: &Table, from: &Sqlite, target: &mut Connection) -> Result<Tally, MoveFault> {
    let mut tally = Tally::new();
    let mut read = from.prepare(&table.read_sqlite())?;
    let mut rows = read.query([])?;
    loop {
        let mut page = Page::with_capacity(PAGE);
        while page.len() < PAGE
            && let Some(row) = rows.next()?
        {
            let of = |(place, (_, kind)): (usize, &(&str, Kind))| Cell::of_sqlite(row.get_ref(place)?, *kind);
            page.push(table.columns.iter().enumerate().map(of).collect::<Result<_, rusqlite::Error>>()?);
        }
        insert(table, &page, &mut tally, target).await?;
        if page.len() < PAGE {
            return Ok(tally);
        }
    }
}

/// Receipts have no table in SQLite.
async fn copy_receipts(table: &Table, from: &Content, target: &mut Connection) -> Result<Tally, MoveFault> {
    let mut tally = Tally::new();
    let cells = |(receipt, expanded): &(Stored, u32)| {
        vec![
            Cell::Number(receipt.number),
            Cell::Number(receipt.received_at.as_microsecond()),
            Cell::Number(i64::from(*expanded)),
            Cell::Text(receipt.source.replace('\0', "\u{fffd}")),
            Cell::Text(receipt.trace.replace('\0', "\u{fffd}")),
            Cell::Bytes(receipt.body.clone()),
        ]
    };
    for page in from.receipts.chunks(PAGE) {
        let page: Page = page.iter().map(cells).collect();
        insert(table, &page, &mut tally, target).await?;
    }
    Ok(tally)
}

async fn insert(
    table: &Table,
    page: &Page,
    tally: &mut Tally,
    target: &mut Connection,
) -> Result<(), MoveFault> {
    page.iter().for_each(|row| tally.add(row));
    if !page.is_empty() {
        let values = (0..table.columns.len()).map(|place| column(table, page, place)).collect();
        target.run(Sql { text: table.insert().into(), values }).await?;
    }
    Ok(())
}

/// One column of a page, as an array.
fn column<'a>(table: &Table, page: &Page, place: usize) -> Bound<'a> {
    let cells = || page.iter().map(|row| row[place].clone());
    match table.columns[place].1 {
        Kind::Number => Box::new(
            cells()
                .map(|cell| if let Cell::Number(number) = cell { Some(number) } else { None })
                .collect::<Vec<_>>(),
        ),
        Kind::Text => Box::new(
            cells()
                .map(|cell| if let Cell::Text(text) = cell { Some(text) } else { None })
                .collect::<Vec<_>>(),
        ),
        Kind::Bytes => Box::new(
            cells()
                .map(|cell| if let Cell::Bytes(bytes) = cell { Some(bytes) } else { None })
                .collect::<Vec<_>>(),
        ),
        Kind::Flag => Box::new(
            cells()
                .map(|cell| if let Cell::Flag(flag) = cell { Some(flag) } else { None })
                .collect::<Vec<_>>(),
        ),
    }
}

async fn read_back(table: &Table, target: &mut Connection) -> Result<Tally, MoveFault> {
    let mut tally = Tally::new();
    target.script(&format!("DECLARE copied NO SCROLL CURSOR FOR {}", table.read_postgres())).await?;
    loop {
        // The columns of a cursor change with its table, so the text must, too.
        let rows = target.rows(sql!(format!("FETCH {PAGE} FROM copied -- {}", table.name))).await?;
        for row in &rows {
            let of = |(place, (_, kind)): (usize, &(&str, Kind))| Cell::of_postgres(row, place, *kind);
            let cells = table.columns.iter().enumerate().map(of).collect::<Result<Vec<_>, _>>()?;
            tally.add(&cells);
        }
        if rows.len() < PAGE {
            break;
        }
    }
    target.script("CLOSE copied").await?;
    Ok(tally)
}

/// A number that was given once is not given again.
async fn number_on(table: &Table, given: i64, target: &mut Connection) -> Result<(), MoveFault> {
    let Some(column) = table.numbered else { return Ok(()) };
    let advance = sql!(
        format!(
            "SELECT setval(pg_get_serial_sequence('{0}', '{column}'), greatest($1, (SELECT max({column}) FROM {0}), 1),
                 greatest($1, coalesce((SELECT max({column}) FROM {0}), 0)) > 0) AS number",
            table.name
        ),
        given
    );
    target.run(advance).await?;
    Ok(())
}

/// The last number that SQLite gave in a table, where it remembers.
fn last_number(from: &Sqlite, table: &str) -> Result<i64, rusqlite::Error> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
    from.query_row(sql, [table], |row| row.get(0))
}
