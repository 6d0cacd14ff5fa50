//! A stand-in for the Kubernetes API server, for tests where no cluster is.
//!
//! [`ApiDouble::start`] serves plain HTTP on a free port. It stores objects under one counter of versions, refuses stale writes
//! with 409 and the bodies of the real server, and serves get, list (selectors, pages), create, replace, the four kinds of patches,
//! delete, the subresources `status` and `scale`, dry runs, watches, access reviews, discovery and `pods/exec`. Everything that
//! it stores is logged with the intent that caused it.
//!
//! A request passes these rooms: [`faults`](ApiDouble::faults) that the test has ordered, token and rights (`access.rs`), the path
//! (`call.rs`), then discovery, a watch (`watch.rs`), a command (`exec.rs`) or an object (`objects.rs`, `write.rs`, `checks.rs`).
//!
//! What it does not do, so that nobody takes its yes for the real server's:
//!
//! - **Schemas.** Unknown fields are kept, types are not checked, hardly a default is set. `checks.rs` has all checks there are: negative
//!   replicas, requests above limits, immutable selectors, the bounds of autoscalers, the growth of volumes.
//! - **Server-side apply** merges and notes the manager: no conflicts between managers, nothing removed that is left out.
//! - **Controllers.** Nothing happens by itself: no pods, no scheduling, no garbage collection of what an owner left, no graceful
//!   end of pods. [`ApiDouble::settle`] does what a controller would, once; [`ApiDouble::settle_always`] after each change.
//! - **Lists** are of the present: pages are not a snapshot, `resourceVersionMatch` is ignored, `sendInitialEvents` refused.
//! - **One version** of each resource; no conversion, no OpenAPI, no protobuf, no tables, no TLS, no HTTP/2, no logs, no
//!   port-forward, no eviction, no admission webhooks, no quotas.
//!
//! Where it and a real server disagree, it is wrong.

mod access;
mod call;
mod changes;
mod checks;
mod cluster;
mod controllers;
mod discovery;
mod double;
mod exec;
mod faults;
mod managers;
mod objects;
mod patch;
mod pods;
mod quantity;
mod refusal;
mod resource;
mod select;
mod server;
mod store;
mod watch;
mod write;

pub use access::{Right, USER};
pub use changes::{Change, Changes, INTENT_ANNOTATION, Origin};
pub use double::ApiDouble;
pub use exec::{ExecAnswer, ExecRun};
pub use faults::{Fault, Faults};
pub use pods::PodTrouble;
pub use refusal::Refusal;
pub use resource::Resource;
