//! selfheal-tests
