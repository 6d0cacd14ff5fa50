//! selfheal-postgres
