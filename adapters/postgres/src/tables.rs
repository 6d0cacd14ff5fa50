//! Tables as the catalog knows them: whether there is one of this name, and what selfheal's role may do with it.

use selfheal_contract::Failure;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::names::{TableName, quoted};
use crate::server::{Server, column};

/// A table that exists.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) oid: u32,
    pub(crate) name: TableName,
    /// Schema and name, quoted by the server: fit for a statement.
    pub(crate) quoted: String,
    kind: String,
    persistence: String,
    owner: String,
    role: String,
    owns: bool,
    may_create: bool,
    may_maintain: bool,
    /// Rows, as the planner estimates them; below 0 when it has no estimate.
    pub(crate) rows_estimate: f64,
    /// Bytes, as the planner estimates them.
    pub(crate) bytes_estimate: i64,
}

/// The owner of the database may vacuum every table in it; MAINTAIN came with version 17.
const FIND: &str = "
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS quoted,
           c.relkind::text AS kind, c.relpersistence::text AS persistence,
           pg_get_userbyid(c.relowner)::text AS owner, current_user::text AS role,
           pg_has_role(c.relowner, 'USAGE') AS owns,
           has_schema_privilege(n.oid, 'CREATE') AS may_create,
           pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE')
             OR CASE WHEN current_setting('server_version_num')::int4 >= 170000
                     THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END AS may_maintain,
           c.reltuples::float8 AS rows, c.relpages::int8 * current_setting('block_size')::int8 AS bytes
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_database d ON d.datname = current_database()
    WHERE n.nspname = $1::text AND c.relname = $2::text";

/// The table of this name, or none.
pub(crate) async fn look_up(server: &Server, name: &TableName) -> Result<Option<Table>, Failure> {
    let rows = server.read(FIND, &[(&name.schema, Type::TEXT), (&name.table, Type::TEXT)]).await?;
    rows.first().map(|row| read(row, name)).transpose()
}

/// The table of this name.
///
/// # Errors
/// `Refused` when there is none, or when it is a view, an index or something else without rows of its own.
pub(crate) async fn find(server: &Server, name: &TableName) -> Result<Table, Failure> {
    let table = look_up(server, name).await?.ok_or_else(|| {
        Failure::refused(format!(
            "PostgreSQL {}: there is no table {name}; write schema.table as it is stored, with its case and without quotes",
            server.name
        ))
    })?;
    let refuse = |why: &str| Err(Failure::refused(format!("PostgreSQL {}: {name} {why}", server.name)));
    match (table.kind.as_str(), table.persistence.as_str()) {
        ("r" | "m", "t") => refuse("is a temporary table of another session"),
        ("r" | "m", _) => Ok(table),
        ("p", _) => refuse("is partitioned; name one of its partitions"),
        _ => refuse("is no table"),
    }
}

fn read(row: &Row, name: &TableName) -> Result<Table, Failure> {
    Ok(Table {
        oid: column(row, "oid")?,
        name: name.clone(),
        quoted: column(row, "quoted")?,
        kind: column(row, "kind")?,
        persistence: column(row, "persistence")?,
        owner: column(row, "owner")?,
        role: column(row, "role")?,
        owns: column(row, "owns")?,
        may_create: column(row, "may_create")?,
        may_maintain: column(row, "may_maintain")?,
        rows_estimate: column(row, "rows")?,
        bytes_estimate: column(row, "bytes")?,
    })
}

impl Table {
    /// Makes sure that VACUUM would do anything: without the right it only warns, and reports success.
    ///
    /// # Errors
    /// `Refused`, with what to grant.
    pub(crate) fn must_maintain(&self) -> Result<(), Failure> {
        if self.may_maintain { Ok(()) } else { Err(self.lacks("vacuum", "")) }
    }

    /// Makes sure that indexes can be made on the table.
    ///
    /// # Errors
    /// `Refused`, with what to grant.
    pub(crate) fn must_index(&self) -> Result<(), Failure> {
        match (self.owns, self.may_create) {
            (false, _) => Err(self.lacks("index", "")),
            (true, false) => {
                let schema = quoted(&self.name.schema);
                Err(self.lacks(
                    "index",
                    &format!("; and: GRANT CREATE ON SCHEMA {schema} TO {}", quoted(&self.role)),
                ))
            }
            (true, true) => Ok(()),
        }
    }

    fn lacks(&self, verb: &str, more: &str) -> Failure {
        Failure::refused(format!(
            "the role {} may not {verb} {}, which belongs to {}; run: GRANT {} TO {}{more}",
            self.role,
            self.name,
            self.owner,
            quoted(&self.owner),
            quoted(&self.role)
        ))
    }

    /// Makes sure that the name still means the table that was looked at before.
    ///
    /// # Errors
    /// `Refused` when the table was replaced.
    pub(crate) fn must_be(&self, oid: u32) -> Result<(), Failure> {
        if self.oid == oid {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "{} is another table than when this was planned: it was replaced",
            self.name
        )))
    }
}

/// What the server counted about a table.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) dead: i64,
    pub(crate) live: i64,
    /// When a person or selfheal vacuumed it last, in microseconds since 1970.
    pub(crate) last_vacuum: Option<i64>,
    /// The same for ANALYZE.
    pub(crate) last_analyze: Option<i64>,
    /// How long ago it was vacuumed, by anybody or by itself.
    pub(crate) vacuumed_seconds: Option<f64>,
}

const COUNT: &str = "
    SELECT n_dead_tup AS dead, n_live_tup AS live,
           (extract(epoch FROM last_vacuum) * 1000000)::int8 AS last_vacuum,
           (extract(epoch FROM last_analyze) * 1000000)::int8 AS last_analyze,
           extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum))::float8 AS vacuumed_seconds
    FROM pg_stat_all_tables WHERE relid = $1";

/// The counts of a table.
pub(crate) async fn counts(server: &Server, oid: u32) -> Result<Counts, Failure> {
    let row = server.read_one(COUNT, &[(&oid, Type::OID)]).await?;
    Ok(Counts {
        dead: column(&row, "dead")?,
        live: column(&row, "live")?,
        last_vacuum: column(&row, "last_vacuum")?,
        last_analyze: column(&row, "last_analyze")?,
        vacuumed_seconds: column(&row, "vacuumed_seconds")?,
    })
}
