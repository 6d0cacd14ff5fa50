//! selfheal-benches
