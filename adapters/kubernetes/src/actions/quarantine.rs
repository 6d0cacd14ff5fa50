//! `k8s::quarantine` and `k8s::release`: a pod is cut off from the network, and let back.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{INTENT_ANNOTATION, kinds, right};
use selfheal_contract::{
    About, Action, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Permission, Preview,
    Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::isolation::{Isolation, QUARANTINE_LABEL, State};
use crate::context::{Context, Place};
use crate::workload::target_of;

selfheal_contract::parameters! {
    /// Which pod.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub pod: String,
        /// The cluster's name in the configuration; the one called default, or the first, unless given.
        pub cluster: Option<String>,
    }
}

/// Which pod it was, and how it stood.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    uid: String,
    isolated: bool,
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
    if isolation.state().await? == Some(way.wanted()) {
        return Ok(Preview { summary: format!("{of} {} already", way.done()), changes: Vec::new() });
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
    let others = isolation.others(&pod).await?;
    let but = match others.as_slice() {
        [] => String::new(),
        others => format!("; what these policies permit it stays permitted: {}", others.join(", ")),
    };
    let changes =
        vec![change(&policy, Value::Null, json!("nothing in, nothing out")), change(&label, from, to)];
    Ok(Preview { summary: format!("cuts {of} off from the network{but}"), changes })
}

async fn capture(context: &Context, params: &Parameters) -> Result<Prior, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let pod = cluster.get(of).await?;
    let state = Isolation { cluster, of, uid: pod.uid() }.state().await?;
    Ok(Prior {
        uid: pod.uid().to_owned(),
        isolated: state == Some(State::Isolated),
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
    if isolation.state().await? == Some(way.wanted()) {
        return Ok(Applied::new(format!("{of} {} already", way.done())));
    }
    if way == Way::Out {
        isolation.release(&json!(intent)).await?;
        return Ok(Applied::new(format!("let {of} out of quarantine")));
    }
    let pod = cluster.get(of).await?;
    let others = isolation.others(&pod).await?;
    isolation.isolate(&json!(intent)).await?;
    Ok(Applied {
        summary: format!("cut {of} off from the network"),
        facts: json!({ "policy": isolation.policy(), "permitted_still_by": others }),
    })
}

async fn effect(context: &Context, params: &Parameters, prior: &Prior, way: Way) -> Result<Effect, Failure> {
    let Place { cluster, of } = place(context, params)?;
    let state = Isolation { cluster, of, uid: &prior.uid }.state().await?;
    Ok(match state {
        None => Effect::Unclear(format!("{of} is gone, or another of the same name")),
        Some(state) if state == way.wanted() => Effect::Done(Applied::new(format!("{of} {}", way.done()))),
        // Both halves are absolute: doing them again finishes what was begun.
        Some(_) => Effect::Untouched,
    })
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
        Way::In => isolation.release(&json!(prior.intent)).await?,
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
     policies, and what another policy permits the pod stays permitted: the preview names those. Connections that are open may \
     stay open with some plugins. The policy goes when the pod goes. The undo lets the pod out again."
);
action!(
    Release,
    Way::Out,
    "release",
    "Lets a pod out of the quarantine that k8s::quarantine put it into: takes the label away and deletes that network policy, no \
     other. The undo puts it into quarantine again."
);
