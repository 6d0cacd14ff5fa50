//! selfheal-core
