//! `k8s::quarantine` and `k8s::release`: a pod is cut off from the network, and let back.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{INTENT_ANNOTATION, Object, kinds, right};
use selfheal_contract::{
    About, Action, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Permission, Preview,
    Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::{Context, Place};
use crate::isolation::{Isolation, QUARANTINE_LABEL, State};
use crate::workload::target_of;

selfheal_contract::parameters! {
    /// Which pod.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub pod: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// Which pod it was, and how it stood.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    uid: String,
    isolated: bool,
    /// What the label was, such as one that came with the pod's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The intent that the pod carried, so that an undo leaves no trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    intent: Option<String>,
}

pub(super) struct Quarantine(pub(super) Arc<Context>);
pub(super) struct Release(pub(super) Arc<Context>);

/// The two ways that a quarantine can go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Way {
    fn wanted(self) -> State {
        if self == Self::In { State::Isolated } else { State::Free }
    }

    fn done(self) -> &'static str {
        if self == Self::In { "is in quarantine" } else { "is not in quarantine" }
    }
}

fn place<'a>(context: &'a Context, params: &'a Parameters) -> Result<Place<'a>, Failure> {
    context.place(&params.cluster, &kinds::POD, &params.namespace, &params.pod)
}

fn permissions() -> Vec<Permission> {
    vec![
        right("get", &kinds::POD, "to read the pod"),
        right("patch", &kinds::POD, "to label the pod"),
        right("get", &kinds::NETWORK_POLICY, "to find the quarantine's policy"),
        right("list", &kinds::NETWORK_POLICY, "to say what other policies permit the pod"),
        right("create", &kinds::NETWORK_POLICY, "to begin a quarantine"),
        right("delete", &kinds::NETWORK_POLICY, "to end a quarantine"),
    ]
}

async fn preview(context: &Context, params: &Parameters, way: Way) -> Result<Preview, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let pod = cluster.get(of).await?;
    let isolation = Isolation { cluster, of, uid: pod.uid() };
    let short = gap(&isolation, &pod, way).await?;
    if isolation.state_of(&pod).await? == way.wanted() {
        let already = Applied { falls_short: short, ..Applied::new(format!("{of} {} already", way.done())) };
        return Ok(Preview { summary: already.told(), changes: Vec::new() });
    }
    let (from, to) = (pod.label(QUARANTINE_LABEL).map_or(Value::Null, Value::from), json!(pod.uid()));
    let policy = format!("network policy {}", isolation.policy());
    let label = format!("metadata.labels[{QUARANTINE_LABEL}]");
    let change = |what: &str, from: Value, to: Value| Change { what: what.to_owned(), from, to };
    if way == Way::Out {
        let changes = vec![
            change(&label, from, Value::Null),
            change(&policy, json!("nothing in, nothing out"), Value::Null),
        ];
        return Ok(Preview { summary: format!("lets {of} out of quarantine"), changes });
    }
    let changes =
        vec![change(&policy, Value::Null, json!("nothing in, nothing out")), change(&label, from, to)];
    let cuts = Applied { falls_short: short, ..Applied::new(format!("cuts {of} off from the network")) };
    Ok(Preview { summary: cuts.told(), changes })
}

/// Why a quarantine of this pod is none, if so.
async fn gap(isolation: &Isolation<'_>, pod: &Object, way: Way) -> Result<Option<String>, Failure> {
    if way == Way::Out {
        return Ok(None);
    }
    let names = isolation.permitting(pod).await?;
    let told = || format!("what these network policies permit the pod stays permitted: {}", names.join(", "));
    Ok((!names.is_empty()).then(told))
}

async fn capture(context: &Context, params: &Parameters) -> Result<Prior, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let pod = cluster.get(of).await?;
    let state = Isolation { cluster, of, uid: pod.uid() }.state_of(&pod).await?;
    Ok(Prior {
        uid: pod.uid().to_owned(),
        isolated: state == State::Isolated,
        label: pod.label(QUARANTINE_LABEL).map(str::to_owned),
        intent: pod.annotation(INTENT_ANNOTATION).map(str::to_owned),
    })
}

async fn apply(
    context: &Context,
    params: &Parameters,
    prior: &Prior,
    intent: &IntentId,
    way: Way,
) -> Result<Applied, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let isolation = Isolation { cluster, of, uid: &prior.uid };
    let is_done = isolation.state().await? == Some(way.wanted());
    if way == Way::Out {
        if is_done {
            return Ok(Applied::new(format!("{of} {} already", way.done())));
        }
        isolation.release(&None, &json!(intent)).await?;
        return Ok(Applied::new(format!("let {of} out of quarantine")));
    }
    let falls_short = gap(&isolation, &cluster.get(of).await?, way).await?;
    let summary = if is_done {
        format!("{of} {} already", way.done())
    } else {
        isolation.isolate(&json!(intent)).await?;
        format!("cut {of} off from the network")
    };
    Ok(Applied { summary, facts: json!({ "policy": isolation.policy() }), falls_short })
}

async fn effect(context: &Context, params: &Parameters, prior: &Prior, way: Way) -> Result<Effect, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let isolation = Isolation { cluster, of, uid: &prior.uid };
    let Some(pod) = cluster.find(of).await?.filter(|pod| pod.uid() == prior.uid) else {
        return Ok(Effect::Unclear(format!("{of} is gone, or another of the same name")));
    };
    if isolation.state_of(&pod).await? != way.wanted() {
        // Both halves are absolute: doing them again finishes what was begun.
        return Ok(Effect::Untouched);
    }
    let falls_short = gap(&isolation, &pod, way).await?;
    Ok(Effect::Done(Applied { falls_short, ..Applied::new(format!("{of} {}", way.done())) }))
}

async fn undo(context: &Context, params: &Parameters, prior: &Prior, way: Way) -> Result<Undone, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let isolation = Isolation { cluster, of, uid: &prior.uid };
    let Some(state) = isolation.state().await? else {
        return Ok(Undone::Nothing(format!("{of} is gone, or another of the same name")));
    };
    let was = if prior.isolated { State::Isolated } else { State::Free };
    if state == was || was == way.wanted() {
        return Ok(Undone::Nothing(format!("{of} is as it was")));
    }
    match way {
        Way::In => isolation.release(&prior.label, &json!(prior.intent)).await?,
        Way::Out => isolation.isolate(&json!(prior.intent)).await?,
    }
    Ok(Undone::Reversed(match way {
        Way::In => format!("let {of} out of quarantine again"),
        Way::Out => format!("put {of} into quarantine again"),
    }))
}

macro_rules! action {
    ($type:ident, $way:expr, $name:literal, $doc:literal) => {
        #[async_trait]
        impl Action for $type {
            type Parameters = Parameters;
            type Prior = Prior;

            fn about(&self) -> About {
                About { name: $name, doc: $doc, reversal: Reversal::Restores, permissions: permissions() }
            }

            fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
                Ok(place(&self.0, params)?.assessment(BlastRadius::Item, Reversal::Restores))
            }

            async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
                preview(&self.0, params, $way).await
            }

            async fn related(&self, params: &Parameters) -> Result<Vec<String>, Failure> {
                let Place { cluster, of } = place(&self.0, params)?;
                let pod = cluster.find(of).await?;
                Ok(pod.and_then(|pod| target_of(cluster, &pod)).into_iter().collect())
            }

            async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
                capture(&self.0, params).await
            }

            async fn apply(
                &self,
                params: &Parameters,
                prior: &Prior,
                intent: &IntentId,
            ) -> Result<Applied, Failure> {
                apply(&self.0, params, prior, intent, $way).await
            }

            async fn effect(
                &self,
                params: &Parameters,
                prior: &Prior,
                _: &IntentId,
            ) -> Result<Effect, Failure> {
                effect(&self.0, params, prior, $way).await
            }

            async fn undo(
                &self,
                params: &Parameters,
                prior: &Prior,
                _: &IntentId,
            ) -> Result<Undone, Failure> {
                undo(&self.0, params, prior, $way).await
            }
        }
    };
}

action!(
    Quarantine,
    Way::In,
    "quarantine",
    "Cuts a pod off from the network: a network policy that lets nothing in or out, and the label selfheal.dev/quarantine on the \
     pod, which the policy selects. The pod runs on, for those who look into it. It takes a network plugin that enforces \
     policies, and what another policy permits the pod stays permitted: then it falls short, and names them. k8s::isolation tells \
     of both. Connections that are open may stay open with some plugins. The policy goes when the pod goes. The undo lets the \
     pod out again."
);
action!(
    Release,
    Way::Out,
    "release",
    "Lets a pod out of the quarantine that k8s::quarantine put it into: takes the label away and deletes that network policy, no \
     other. The undo puts it into quarantine again."
);
