//! How configuration is checked: a tree of positioned values, and a reader that finds every fault in one go.
//!
//! The server turns a file into a [`Node`]; each owner of a part of it (an adapter, a sink, the server
//! itself) reads that part through a [`Section`] and gets plain checked values back. A fault never stops
//! the reading: it goes to the [`Collector`], a stand-in is returned, and the result counts only if
//! the collector stayed empty. So an operator sees all that is wrong at once, each with its line.
//!
//! ```
//! use selfheal_contract::settings::{Collector, Faults, Node, Secret, Section};
//! use selfheal_core::span::Span;
//!
//! struct Checked { url: Secret, timeout: Span }
//!
//! fn check(section: &mut Section) -> Checked {
//!     let checked = Checked {
//!         url: section.secret("url"),
//!         timeout: section.span_or("timeout", Span::from_secs(2), Span::from_millis(100)..=Span::from_secs(60)),
//!     };
//!     section.finish();
//!     checked
//! }
//!
//! fn read(node: &Node) -> Result<Checked, Faults> {
//!     let collector = Collector::default();
//!     let checked = check(&mut Section::root(node, &collector));
//!     collector.accept(checked)
//! }
//! ```
//!
//! Deliberately absent: any file format, the environment, and connecting to anything.

mod fault;
mod fields;
mod node;
mod path;
mod read;
mod scalar;
mod secret;
mod section;
mod suggest;
mod url;

pub use fault::{Collector, Fault, Faults};
pub use node::{Key, Location, Node, Value};
pub use path::Path;
pub use scalar::scalar;
pub use secret::Secret;
pub use section::Section;
pub use suggest::suggest;

#[cfg(test)]
mod tests;
