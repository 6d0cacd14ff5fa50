//! The little that is read of a pod, so that a list of thousands is read without being kept.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::{ApiResource, Object};
use selfheal_cluster::kinds;
use serde::{Deserialize, Serialize};

/// A pod as the watch reads it.
pub(crate) type Pod = Object<Spec, Status>;

/// Nothing of the specification is needed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Spec {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    /// Why the whole pod failed.
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) container_statuses: Vec<Container>,
    pub(crate) init_container_statuses: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) last_transition_time: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) last_state: State,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) waiting: Option<Waiting>,
    pub(crate) terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) message: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Terminated {
    pub(crate) reason: String,
    pub(crate) exit_code: i32,
    pub(crate) finished_at: Option<Time>,
}

/// The resource that is watched.
pub(crate) fn resource() -> ApiResource {
    let kind = &kinds::POD;
    ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version: kind.api_version(),
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    }
}

/// A time of the API.
pub(crate) fn time(time: &Option<Time>) -> Option<Timestamp> {
    time.as_ref().map(|time| time.0)
}
