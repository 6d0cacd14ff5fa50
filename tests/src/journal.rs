//! A journal in front of a journal, which tells a watch of every call: to count, to hold, to end the process.

pub use selfheal_runtime::simulation::{Call, Watch, Watched};
