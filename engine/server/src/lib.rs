//! selfheal-server
