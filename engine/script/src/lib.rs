//! selfheal-script
