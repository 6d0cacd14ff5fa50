//! What an adapter implements. An author writes typed [`Action`]s and [`Probe`]s; this crate erases the types, so that
//! the runtime is handed a [`Catalog`] and never names an adapter.
//!
//! From what actions and probes say of themselves come the Rhai functions, the editor definitions and the reference
//! documentation. The [`conformance`] kit holds for every one of them.

pub mod action;
pub mod catalog;
pub mod conformance;
pub mod failure;
pub mod parameters;
pub mod probe;
pub mod publish;
pub mod right;
pub mod settings;
pub mod watch;

pub use action::{About, Action, AnyAction, Applied, Change, Contest, Effect, Preview, Undone};
pub use catalog::{Adapter, Catalog, Inherits, Prepared, RosterEntry};
pub use failure::{Failure, FailureKind};
pub use parameters::{Kind, ParameterSpec, ParameterType, Parameters};
pub use probe::{AboutProbe, AnyProbe, FieldSpec, Probe};
pub use publish::{Message, Publish};
pub use right::{KubernetesRight, Permission, Right, Rights};
pub use selfheal_core::condition::Reading;
pub use selfheal_core::policy::{Assessment, BlastRadius, Reversal};
pub use selfheal_core::remediation::IntentId;
pub use watch::{AboutWatch, Intake, NotTaken, Watch};
