//! The analysis runs of a rollout's newest version.

use selfheal_cluster::{Cluster, Object, Reference, Selection, kinds};
use selfheal_contract::Failure;
use serde_json::{Value, json};

use crate::revisions::{HASH_LABEL, is_owned_by};
use crate::rollout::current;

/// Analysis runs of one version that are looked through, and those that are told.
const RUNS_MAX: u32 = 200;
const TOLD_MAX: usize = 10;

/// The runs, the newest first, at most ten; each: name, phase, message.
pub(crate) async fn runs_of(
    cluster: &Cluster,
    of: Reference<'_>,
    rollout: &Object,
) -> Result<Vec<Value>, Failure> {
    let hash = current(rollout);
    // The hash comes from the controller; what is none would only select nothing.
    if hash.is_empty() || !hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(Vec::new());
    }
    let labels = format!("{HASH_LABEL}={hash}");
    let selection = Selection { labels: &labels, at_most: RUNS_MAX, ..Selection::default() };
    let listed = cluster.list(&kinds::ANALYSIS_RUN, Some(of.namespace), selection).await?;
    let mut runs: Vec<Object> = listed
        .items
        .into_iter()
        .map(|json| Object { json, date: None })
        .filter(|run| is_owned_by(run, rollout.uid()))
        .collect();
    // Times of one form, so that their texts are in their order; the name decides between runs of one second.
    let age = |run: &Object| (run.text("/metadata/creationTimestamp").to_owned(), run.name().to_owned());
    runs.sort_by_key(|run| std::cmp::Reverse(age(run)));
    Ok(runs.iter().take(TOLD_MAX).map(told).collect())
}

fn told(run: &Object) -> Value {
    // A run that was not looked at yet has no phase.
    let phase = match run.text("/status/phase") {
        "" => "Pending",
        phase => phase,
    };
    json!({ "name": run.name(), "phase": phase, "message": run.text("/status/message") })
}
