//! `k8s::sync_application`: Argo CD is asked to make an application what its repository has, through the field `operation`
//! that its own command line writes.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, PatchKind, Run, Tries, changes, guarded, kinds, quoted, right, same_object};
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::{Context, Place};

selfheal_contract::parameters! {
    /// Which application, and what to make it.
    pub struct Parameters {
        /// Its namespace, often argocd.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// A revision of its repository; the one that the application itself names unless given.
        pub revision: Option<String>,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// When the last operation began.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    uid: String,
    last_started: String,
}

/// The name of the intent in the operation's own list of facts, which Argo CD keeps with the outcome.
const INTENT: &str = "selfheal.dev/intent";

pub(super) struct Action(pub(super) Arc<Context>);

impl Action {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        if let Some(revision) = &params.revision {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._/-^~*".contains(c);
            if revision.is_empty() || revision.len() > 256 || !revision.chars().all(fits) {
                return Err(Failure::refused(format!("{} is no revision of a repository", quoted(revision))));
            }
        }
        self.0.place(&params.cluster, &kinds::APPLICATION, &params.namespace, &params.name)
    }
}

fn asking(application: &Object, params: &Parameters, intent: Option<&IntentId>) -> Value {
    let mut sync = json!({ "prune": false });
    if let Some(revision) = &params.revision {
        sync["revision"] = json!(revision);
    }
    let mut operation = json!({ "initiatedBy": { "username": "selfheal" }, "sync": sync });
    if let Some(intent) = intent {
        operation["info"] = json!([{ "name": INTENT, "value": intent }]);
    }
    guarded(json!({ "operation": operation }), application, intent.map(|intent| json!(intent)))
}

/// Whether an operation waits or runs.
fn is_busy(application: &Object) -> bool {
    let phase = application.text("/status/operationState/phase");
    application.at("/operation").is_object() || matches!(phase, "Running" | "Terminating")
}

/// Whether the operation that waits, runs or was the last is this intent's.
fn is_of(application: &Object, intent: &IntentId) -> bool {
    let intent = intent.to_string();
    let of = ["/operation/info", "/status/operationState/operation/info"];
    let mut facts = of.into_iter().flat_map(|pointer| application.items(pointer));
    facts.any(|fact| fact["name"] == INTENT && fact["value"] == intent)
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "sync_application",
            doc: "Asks Argo CD to make an application what its repository has: drift is taken back. Nothing is pruned: objects \
                that the repository does not have stay. Refused while another operation waits or runs. What a sync changed \
                cannot be taken back from here, so there is no undo; to go back, sync an earlier revision.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::APPLICATION, "to read the application"),
                right("patch", &kinds::APPLICATION, "to ask for a sync"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Ok(self.place(params)?.assessment(BlastRadius::Service, Reversal::Irreversible))
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let application = cluster.get(of).await?;
        refuse_if_busy(&application, of)?;
        let patch = asking(&application, params, None);
        let after = cluster.patch(of, None, PatchKind::Merge, &patch, Run::Dry).await?;
        let to = params.revision.as_deref().unwrap_or("the revision that it names");
        let state = application.text("/status/sync/status");
        Ok(Preview {
            summary: format!("asks Argo CD to sync {of} (now {state}) to {to}"),
            changes: changes(&application.json, &after.json),
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let application = cluster.get(of).await?;
        refuse_if_busy(&application, of)?;
        Ok(Prior {
            uid: application.uid().to_owned(),
            last_started: application.text("/status/operationState/startedAt").to_owned(),
        })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let mut tries = Tries::default();
        loop {
            let application = cluster.get(of).await?;
            same_object(of, &application, &prior.uid)?;
            if is_of(&application, intent) {
                return Ok(Applied::new(format!("Argo CD was asked to sync {of} already")));
            }
            refuse_if_busy(&application, of)?;
            let patch = asking(&application, params, Some(intent));
            if cluster.try_patch(of, None, PatchKind::Merge, &patch).await?.is_some() {
                return Ok(Applied::new(format!("asked Argo CD to sync {of}")));
            }
            tries.again(cluster, of).await?;
        }
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Effect, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let application = cluster.get(of).await?;
        Ok(if application.uid() != prior.uid {
            Effect::Unclear(format!("{of} is another object of the same name now"))
        } else if is_of(&application, intent) {
            Effect::Done(Applied::new(format!("Argo CD was asked to sync {of}")))
        } else if application.text("/status/operationState/startedAt") == prior.last_started {
            Effect::Untouched
        } else {
            Effect::Unclear(format!(
                "somebody else has synced {of} since; whether selfheal did cannot be told"
            ))
        })
    }

    async fn undo(&self, _: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}

fn refuse_if_busy(application: &Object, of: selfheal_cluster::Reference<'_>) -> Result<(), Failure> {
    if !is_busy(application) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "another operation of {of} waits or runs; wait until Argo CD is done with it"
    )))
}
