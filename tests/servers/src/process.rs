//! Processes that tests start: a guard that always ends them, with all their descendants.

mod child;
mod tree;
mod warden;

pub use child::{Child, ChildOptions};
