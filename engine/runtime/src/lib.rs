//! selfheal-runtime
