//! Rules: one Rhai text becomes one checked [`Rule`], whose two pure functions say what to read and what to do.
//!
//! The flow: a [`Compiler`] is made once from the [`Catalog`](selfheal_contract::Catalog) and the operator's settings. It reads a
//! text's header without running it, lints the rest, and gives a [`Rule`] or [`Diagnostic`]s. [`RuleSet`] is one generation
//! of rules with the index that finds those for an alert. A rule is shown a [`View`] of an alert and the readings it asked
//! for; it gives back probes and a decision, or a [`RuleFault`].
//!
//! Deliberately absent: files, clocks (one is handed in, for the deadline alone), randomness, the network. A script
//! can do nothing but compute, within [`Limits`].

mod adapters;
mod arguments;
mod compiler;
mod conditions;
mod coverage;
mod definitions;
mod diagnostic;
mod facts;
mod fault;
mod fields;
mod header;
mod language;
mod limits;
mod lint;
mod meter;
mod names;
mod plans;
mod readings;
mod record;
mod reference;
mod rule;
mod sandbox;
mod set;
mod steps;
mod view;
mod weight;

pub use compiler::Compiler;
pub use coverage::{Coverage, Part, Place, What};
pub use definitions::definitions;
pub use diagnostic::{Diagnostic, Severity};
pub use fault::{FaultKind, RuleFault};
pub use limits::{Clock, Limits};
pub use reference::reference;
pub use rule::{Observed, Rule, Traced};
pub use set::{RuleFile, RuleSet};
pub use view::View;
