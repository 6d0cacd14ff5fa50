//! What the adapter can change.

mod cancel_query;
mod create_index;
mod index_build;
mod signal;
mod terminate_idle;
mod vacuum_analyze;

pub(crate) use cancel_query::CancelQuery;
pub(crate) use create_index::CreateIndexConcurrently;
pub(crate) use terminate_idle::TerminateIdle;
pub(crate) use vacuum_analyze::VacuumAnalyze;
