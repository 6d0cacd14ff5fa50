//! The binary `selfheal`.
fn main() {}
