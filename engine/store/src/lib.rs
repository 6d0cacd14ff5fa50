//! selfheal-store
