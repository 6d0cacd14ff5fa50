//! `k8s::renew_certificate`: cert-manager is asked to issue a certificate anew, as its own `cmctl renew` asks: by the
//! condition `Issuing` in the certificate's status.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{
    Object, PatchKind, Run, Tries, changes, guarded, kinds, right, right_on, same_object,
};
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::{Context, Place};

selfheal_contract::parameters! {
    /// Which certificate.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// How often it had been issued, and had failed to be: what a renewal changes.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Prior {
    uid: String,
    revision: i64,
    not_after: String,
    last_failure: String,
}

pub(super) struct Action(pub(super) Arc<Context>);

impl Action {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.0.place(&params.cluster, &kinds::CERTIFICATE, &params.namespace, &params.name)
    }
}

impl Prior {
    fn of(certificate: &Object) -> Self {
        Self {
            uid: certificate.uid().to_owned(),
            revision: certificate.number("/status/revision").unwrap_or_default(),
            not_after: certificate.text("/status/notAfter").to_owned(),
            last_failure: certificate.text("/status/lastFailureTime").to_owned(),
        }
    }
}

fn message(intent: &str) -> String {
    format!("selfheal asked for a renewal, intent {intent}")
}

/// The status with the condition that asks for a renewal.
fn asking(certificate: &Object, intent: &str) -> Result<Value, Failure> {
    let mut conditions: Vec<Value> = certificate
        .items("/status/conditions")
        .iter()
        .filter(|condition| condition["type"] != "Issuing")
        .cloned()
        .collect();
    let mut issuing = json!({
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": message(intent),
        "lastTransitionTime": certificate.read_at()?.to_string(),
    });
    if let Some(generation) = certificate.number("/metadata/generation") {
        issuing["observedGeneration"] = json!(generation);
    }
    conditions.push(issuing);
    Ok(guarded(json!({ "status": { "conditions": conditions } }), certificate, None))
}

fn asked_by(certificate: &Object, intent: &IntentId) -> bool {
    certificate
        .condition("Issuing")
        .is_some_and(|condition| condition["message"] == message(&intent.to_string()))
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "renew_certificate",
            doc: "Asks cert-manager to issue a certificate anew, before its time. The certificate in use stays until the new \
                one is there. Nothing is asked while cert-manager is issuing already. A certificate that was issued stays \
                issued: there is no undo. To verify: k8s::certificate, `days_left` above the bound.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::CERTIFICATE, "to read the certificate"),
                right_on("patch", &kinds::CERTIFICATE, "certificates/status", "to ask for a renewal"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Ok(self.place(params)?.assessment(BlastRadius::Item, Reversal::Irreversible))
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let certificate = cluster.get(of).await?;
        if certificate.condition_holds("Issuing") {
            return Ok(Preview { summary: format!("{of} is being issued already"), changes: Vec::new() });
        }
        let patch = asking(&certificate, "-")?;
        let after = cluster.patch(of, Some("status"), PatchKind::Merge, &patch, Run::Dry).await?;
        let until = certificate.text("/status/notAfter");
        Ok(Preview {
            summary: format!("asks cert-manager to issue {of} anew; it is good until {until}"),
            changes: changes(&certificate.json, &after.json),
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Prior::of(&cluster.get(of).await?))
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let mut tries = Tries::default();
        loop {
            let certificate = cluster.get(of).await?;
            same_object(of, &certificate, &prior.uid)?;
            if certificate.condition_holds("Issuing") {
                return Ok(Applied::new(format!("{of} is being issued already")));
            }
            if Prior::of(&certificate) != *prior {
                return Ok(Applied::new(format!("{of} was issued anew meanwhile")));
            }
            let patch = asking(&certificate, &intent.to_string())?;
            if cluster.try_patch(of, Some("status"), PatchKind::Merge, &patch).await?.is_some() {
                return Ok(Applied::new(format!("asked cert-manager to issue {of} anew")));
            }
            tries.again(cluster, of).await?;
        }
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Effect, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let certificate = cluster.get(of).await?;
        let now = Prior::of(&certificate);
        Ok(if now.uid != prior.uid {
            Effect::Unclear(format!("{of} is another object of the same name now"))
        } else if asked_by(&certificate, intent) {
            Effect::Done(Applied::new(format!("cert-manager was asked to issue {of} anew")))
        } else if now != *prior {
            Effect::Done(Applied::new(format!("{of} was issued anew, or tried to be")))
        } else {
            Effect::Untouched
        })
    }

    async fn undo(&self, _: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
