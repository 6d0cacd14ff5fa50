//! The rule language from outside: what rules may say, what is said of those that may not, and that none gets out.

mod catalog;
mod coverage;
mod deciding;
mod diagnostics;
mod hostile;
mod sets;
mod support;
