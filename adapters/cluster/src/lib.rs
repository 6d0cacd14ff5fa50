//! What the adapters that talk to a Kubernetes API server share: the clusters of the configuration, one lazily made
//! client for each, requests whose failures are classified, preconditions, previews, and the recognition of GitOps.
//!
//! It is no adapter and stands in no roster. Objects are JSON: the adapters read a few fields of many kinds, custom ones
//! among them, and a typed model would drop what it does not know.
//!
//! ```yaml
//! clusters:
//!   default:
//!     in_cluster: true
//!   edge:
//!     kubeconfig: /etc/selfheal/edge.kubeconfig
//!     context: edge-admin                  # the file's current context unless named
//!   lab:
//!     url: https://10.0.0.1:6443
//!     token_file: /etc/selfheal/lab.token  # read again every minute, and at once when the server says 401
//!     ca_file: /etc/selfheal/lab-ca.pem
//! namespaces: [shop, billing]              # where rules may act, and rights are asked for; all unless named
//! connect_timeout: 2s
//! timeout: 5s                              # for one answer
//! ```
//!
//! With nothing configured there is one cluster, `default`: the one that selfheal runs in, if it does. `url` beside
//! `clusters` is the address of that one. KUBECONFIG and `~/.kube/config` are never looked at: what a person happens to work
//! on is not what selfheal may act on.
//!
//! Deliberately absent: deleting pods, and any cache of objects. What decides is read from the server each time.

mod autoscaler;
mod change;
mod cluster;
mod clusters;
mod contest;
mod diff;
mod exchange;
mod fault;
mod gitops;
mod kind;
mod mark;
mod name;
mod object;
mod quantity;
mod right;
mod settings;
mod source;
pub mod template;

pub use autoscaler::Autoscaler;
pub use change::{Before, Edit, Tries, same_object};
pub use cluster::{Cluster, Listed, Selection};
pub use clusters::Clusters;
pub use contest::contest;
pub use diff::changes;
pub use exchange::{PatchKind, Run};
pub use gitops::{GitOps, Keeper, contested_by, gitops};
pub use kind::{Kind, Reference, kinds};
pub use mark::{CONTEST_ANNOTATION, INTENT_ANNOTATION, guarded};
pub use name::{label_name, object_name, part, quoted, selector};
pub use object::Object;
pub use quantity::{NotAQuantity, Quantity};
pub use right::{right, right_on};
pub use settings::{ClusterSettings, KEYS, Settings, Timeouts, Where, check};
