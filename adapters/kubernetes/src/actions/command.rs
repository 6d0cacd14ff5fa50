//! `k8s::exec`: a command that the operator permits, run in pods, at most once in each.
//!
//! A command's effect cannot be recognised afterwards, so each pod is marked before the command starts in it, under the
//! precondition that it is not marked yet, and again, with its exit code, when the command has ended. What was marked as begun
//! and not as ended is unclear, and for a person.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{
    Object, PatchKind, Reference, Selection, Tries, guarded, kinds, label_name, object_name, part, right,
    right_on, same_object, selector,
};
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Effect, Failure, FailureKind, IntentId, Preview, Reversal,
    Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::streams::{self, Spot};
use crate::context::Context;
use crate::settings::Command;
use crate::workload::target_of;

/// On a pod: the intent, and how far its command is.
const MARK: &str = "selfheal.dev/exec";

/// Bytes of output that the record keeps of all pods together.
const KEPT_BYTES_MAX: usize = 4 << 10;

selfheal_contract::parameters! {
    /// Where, and which command.
    pub struct Parameters {
        /// The pods' namespace.
        pub namespace: String,
        /// A pod's name, or a label selector: "app=web".
        pub pods: String,
        /// The command's name, one of adapters.kubernetes.commands.
        pub command: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// The pods in which it will run.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    pods: Vec<Target>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Target {
    name: String,
    uid: String,
    container: String,
}

/// How far the command is in a pod.
#[derive(PartialEq)]
enum Progress {
    Unmarked,
    Begun,
    Ended(i64),
}

pub(super) struct Action(pub(super) Arc<Context>);

impl Action {
    fn check(&self, params: &Parameters) -> Result<&Command, Failure> {
        self.0.cluster(&params.cluster)?;
        label_name("the namespace", &params.namespace)?;
        if is_selector(&params.pods) {
            selector(&params.pods)?;
        } else {
            object_name("the pod", &params.pods)?;
        }
        self.0.command(&params.command)
    }

    /// The pods that are meant and run, one more than the operator permits at the most.
    async fn running(&self, params: &Parameters) -> Result<Vec<Object>, Failure> {
        let command = self.check(params)?;
        let cluster = self.0.cluster(&params.cluster)?;
        let found = if is_selector(&params.pods) {
            let at_most = command.pods_max + 1;
            let selection = Selection { labels: &params.pods, fields: "status.phase=Running", at_most };
            cluster.list(&kinds::POD, Some(&params.namespace), selection).await?.items
        } else {
            let of = Reference::new(&kinds::POD, &params.namespace, &params.pods);
            cluster.find(of).await?.map(|pod| pod.json).into_iter().collect()
        };
        let pods = found.into_iter().map(|json| Object { json, date: None });
        Ok(pods.filter(|pod| pod.text("/status/phase") == "Running").collect())
    }

    /// The running pods that are meant; more than the operator permits are refused.
    async fn pods(&self, params: &Parameters) -> Result<Vec<Target>, Failure> {
        let command = self.check(params)?;
        let running = self.running(params).await?;
        let mut targets: Vec<Target> =
            running.iter().map(|pod| target(pod, command)).collect::<Result<_, _>>()?;
        targets.sort_by(|one, other| one.name.cmp(&other.name));
        let too_many = || u32::try_from(targets.len()).is_ok_and(|count| count > command.pods_max);
        if targets.is_empty() {
            return Err(Failure::refused(format!(
                "no running pod is {} in {}",
                params.pods, params.namespace
            )));
        }
        if too_many() {
            return Err(Failure::refused(format!(
                "more than {} pods are {}; the command {} may run in no more (adapters.kubernetes.commands.{}.pods_max)",
                command.pods_max, params.pods, command.name, command.name
            )));
        }
        Ok(targets)
    }

    async fn progress(
        &self,
        params: &Parameters,
        target: &Target,
        intent: &IntentId,
    ) -> Result<Progress, Failure> {
        let cluster = self.0.cluster(&params.cluster)?;
        let of = Reference::new(&kinds::POD, &params.namespace, &target.name);
        let pod = cluster.get(of).await?;
        same_object(of, &pod, &target.uid)?;
        Ok(progress(&pod, intent))
    }

    /// Marks a pod; false when it is marked for this intent already and `only_first`.
    async fn mark(
        &self,
        params: &Parameters,
        target: &Target,
        intent: &IntentId,
        state: &str,
        only_first: bool,
    ) -> Result<bool, Failure> {
        let cluster = self.0.cluster(&params.cluster)?;
        let of = Reference::new(&kinds::POD, &params.namespace, &target.name);
        let mut tries = Tries::default();
        loop {
            let pod = cluster.get(of).await?;
            same_object(of, &pod, &target.uid)?;
            if only_first && progress(&pod, intent) != Progress::Unmarked {
                return Ok(false);
            }
            let patch = json!({ "metadata": { "annotations": { MARK: format!("{intent} {state}") } } });
            let patch = guarded(patch, &pod, Some(json!(intent)));
            if cluster.try_patch(of, None, PatchKind::Merge, &patch).await?.is_some() {
                return Ok(true);
            }
            tries.again(cluster, of).await?;
        }
    }

    /// Runs the command in one pod, unless it has been begun there.
    async fn run(
        &self,
        params: &Parameters,
        target: &Target,
        intent: &IntentId,
    ) -> Result<(i64, String), Failure> {
        let command = self.check(params)?;
        let cluster = self.0.cluster(&params.cluster)?;
        // Had before the mark, so that a login that does not work leaves nothing begun.
        let client = cluster.client().await?;
        if !self.mark(params, target, intent, "begun", true).await? {
            return match self.progress(params, target, intent).await? {
                Progress::Ended(code) => Ok((code, "it ran before".to_owned())),
                _ => Err(Failure::indeterminate(format!(
                    "{} was begun in pod {}/{} before; look how it ended",
                    command.name, params.namespace, target.name
                ))),
            };
        }
        let at =
            Spot { cluster, namespace: &params.namespace, pod: &target.name, container: &target.container };
        let ended = streams::run(client, &at, &command.argv, command.timeout).await?;
        // That it ended is known here whatever becomes of the mark.
        let _ = self.mark(params, target, intent, &format!("ended {}", ended.code), false).await;
        Ok((ended.code, ended.output))
    }
}

/// A command that ran to its end in these pods, each with its exit code and what it said first. That it ended with an error
/// is no doubt that it ran; what it came to, a verification tells.
fn ran(command: &str, ends: &[(&str, i64, String)]) -> Applied {
    let failed: Vec<String> = ends
        .iter()
        .filter(|(_, code, _)| *code != 0)
        .map(|(pod, code, said)| match said.as_str() {
            "" => format!("{pod} with {code}"),
            said => format!("{pod} with {code} ({said:?})"),
        })
        .collect();
    Applied {
        summary: format!("ran {command} in {} pods", ends.len()),
        falls_short: (!failed.is_empty()).then(|| format!("it ended in {}", failed.join(", "))),
        ..Applied::default()
    }
}

fn is_selector(pods: &str) -> bool {
    pods.contains(['=', ',', '!', ' ', '('])
}

fn target(pod: &Object, command: &Command) -> Result<Target, Failure> {
    let mut names = pod.items("/spec/containers").iter().filter_map(|container| container["name"].as_str());
    let container = match &command.container {
        None => names.next(),
        Some(wanted) => names.find(|name| name == wanted),
    };
    let container = container.ok_or_else(|| {
        let wanted = command.container.as_deref().unwrap_or("at all");
        Failure::refused(format!("pod {} has no container {wanted}", pod.name()))
    })?;
    Ok(Target { name: pod.name().to_owned(), uid: pod.uid().to_owned(), container: container.to_owned() })
}

fn progress(pod: &Object, intent: &IntentId) -> Progress {
    let mark = pod.annotation(MARK).and_then(|mark| mark.strip_prefix(&format!("{intent} ")));
    match mark {
        None => Progress::Unmarked,
        Some(state) => {
            let code = state.strip_prefix("ended ").and_then(|code| code.parse().ok());
            code.map_or(Progress::Begun, Progress::Ended)
        }
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "exec",
            doc: "Runs a command in pods, one after the other: one of those that the operator lists in `commands`, with the \
                arguments that stand there; nothing of an alert or a rule reaches it. It runs at most once in each pod; when \
                selfheal was interrupted, a person is asked. When it ends with another code than 0, the verification tells whether it \
                helped all the same; without one it did not. Up to 4 KiB of output are kept. There is no undo.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::POD, "to find the pod"),
                right("list", &kinds::POD, "to find the pods of a selector"),
                right("patch", &kinds::POD, "to mark the pod, so that the command runs once"),
                right_on("create", &kinds::POD, "pods/exec", "to run the command"),
                right_on("get", &kinds::POD, "pods/exec", "to run the command over a WebSocket"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        self.check(params)?;
        let cluster = self.0.cluster(&params.cluster)?;
        let (namespace, pods) = (&params.namespace, &params.pods);
        Ok(Assessment {
            target: format!("kubernetes/{}/{}/pods/{}", part(cluster.name()), part(namespace), part(pods)),
            blast_radius: BlastRadius::Object,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: cluster.forbids(Reference::new(&kinds::POD, namespace, pods)),
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let command = self.check(params)?;
        let pods = self.pods(params).await?;
        let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
        let argv = Value::from(command.argv.clone());
        Ok(Preview {
            summary: format!("runs {} in {}: {argv}", command.name, names.join(", ")),
            changes: Vec::new(),
        })
    }

    /// The pods of a selector, and the workloads to which they belong.
    async fn related(&self, params: &Parameters) -> Result<Vec<String>, Failure> {
        let cluster = self.0.cluster(&params.cluster)?;
        let pods = self.running(params).await?;
        let own = |pod: &Object| cluster.target(Reference::new(&kinds::POD, &params.namespace, pod.name()));
        Ok(pods.iter().flat_map(|pod| [Some(own(pod)), target_of(cluster, pod)]).flatten().collect())
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        Ok(Prior { pods: self.pods(params).await? })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let mut outcomes = Vec::new();
        let mut room = KEPT_BYTES_MAX;
        let mut ends = Vec::new();
        for target in &prior.pods {
            let ran = outcomes.len();
            let (code, mut output) = self.run(params, target, intent).await.map_err(|failure| match ran {
                0 => failure,
                // "Nothing happened" would be untrue of the whole.
                _ => Failure::indeterminate(format!(
                    "{} ran in {ran} of {} pods, and then: {failure}",
                    params.command,
                    prior.pods.len()
                )),
            })?;
            output.truncate(output.floor_char_boundary(room));
            room -= output.len();
            let first = output.lines().next().unwrap_or_default().to_owned();
            ends.push((target.name.as_str(), code, first));
            outcomes.push(json!({ "pod": target.name, "code": code, "output": output }));
        }
        Ok(Applied { facts: Value::Array(outcomes), ..ran(&params.command, &ends) })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Effect, Failure> {
        let (command, pods) = (&params.command, prior.pods.len());
        let mut ends = Vec::new();
        for target in &prior.pods {
            let look = format!(
                "{command} ended in {} of {pods} pods; look at pod {}/{}",
                ends.len(),
                params.namespace,
                target.name
            );
            match self.progress(params, target, intent).await {
                // Pods are taken in order: what comes after was not begun either.
                Ok(Progress::Unmarked) if ends.is_empty() => return Ok(Effect::Untouched),
                Ok(Progress::Ended(code)) => ends.push((target.name.as_str(), code, String::new())),
                Ok(Progress::Unmarked | Progress::Begun) => return Ok(Effect::Unclear(look)),
                Err(failure) if failure.kind == FailureKind::Refused => {
                    return Ok(Effect::Unclear(format!("{look}: {failure}")));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(Effect::Done(ran(command, &ends)))
    }

    async fn undo(&self, _: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
