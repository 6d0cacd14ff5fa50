//! Previews: what each step of a plan would do, as its target shows it now, and whether the plan could begin at all.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use selfheal_contract::{Failure, FailureKind};
use selfheal_core::plan::{Plan, Step};
use serde_json::{Value, json};

use crate::engine::Engine;

/// How long one preview may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a plan would do.
pub(crate) struct Previews {
    /// Each step's preview, for people. One that could not be had says why.
    pub(crate) shown: Value,
    /// Why the plan would come to nothing, when its adapters refuse what it begins with.
    pub(crate) refused: Option<String>,
}

/// Asks the adapters what a plan would do.
pub(crate) async fn of(engine: &Engine, plan: &Plan) -> Previews {
    let asked =
        plan.steps().into_iter().map(async |step| (step, engine.ask(TIMEOUT, ask(engine, step)).await));
    let (mut shown, mut refusals) = (Vec::new(), BTreeMap::new());
    for (step, answer) in join_all(asked).await {
        let preview = match answer {
            Ok(preview) => preview,
            Err(failure) => {
                let preview = json!({ "failed": failure.what });
                if failure.kind == FailureKind::Refused {
                    refusals.insert(step.path.clone(), format!("{}: {failure}", step.action.text()));
                }
                preview
            }
        };
        shown.push(json!({ "path": step.path, "action": step.action.text(), "preview": preview }));
    }
    Previews { shown: Value::Array(shown), refused: refused(plan, &refusals) }
}

async fn ask(engine: &Engine, step: &Step) -> Result<Value, Failure> {
    let call = &step.action;
    let action = engine.catalog.action(&call.adapter, &call.action);
    let action = action.ok_or_else(|| Failure::refused("there is no such action"))?;
    let preview = action.preview(&call.params).await?;
    Ok(serde_json::to_value(preview).unwrap_or_default())
}

/// Why a plan cannot begin: by its first step, for what comes before may be what makes a later one possible; of alternatives,
/// by all.
fn refused(plan: &Plan, refusals: &BTreeMap<String, String>) -> Option<String> {
    match plan {
        Plan::Step(step) => refusals.get(&step.path).cloned(),
        Plan::Sequence(parts) => refused(parts.first()?, refusals),
        Plan::Fallback(parts) => {
            let whys: Option<Vec<String>> = parts.iter().map(|part| refused(part, refusals)).collect();
            whys.filter(|whys| !whys.is_empty()).map(|whys| whys.join("; "))
        }
    }
}
