//! selfheal-roster
