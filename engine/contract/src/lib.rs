//! selfheal-contract
