//! What the adapter can read.

mod connections;
mod idle_connections;
mod index_exists;
mod long_queries;
mod table_bloat;

pub(crate) use connections::Connections;
pub(crate) use idle_connections::IdleConnections;
pub(crate) use index_exists::IndexExists;
pub(crate) use long_queries::LongQueries;
pub(crate) use table_bloat::TableBloat;

use selfheal_contract::FieldSpec;

/// A field of a reading.
const fn field(name: &'static str, doc: &'static str) -> FieldSpec {
    FieldSpec { name, doc }
}
