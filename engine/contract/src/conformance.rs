//! The conformance kit: what holds for every action and every probe, checked against the real target.
//!
//! An adapter's tests call [`describe`] once and [`try_action`] for each action with a [`Trial`] that can show the
//! target's state. Faults come back as text, one a line, so that a test fails with all of them.

use std::future::Future;
use std::pin::Pin;

use selfheal_core::hash::ContentHash;
use selfheal_core::policy::Reversal;
use serde_json::{Map, Value};

use crate::action::{AnyAction, Effect, Undone};
use crate::catalog::Adapter;
use crate::parameters::ParameterSpec;
use crate::probe::AnyProbe;

/// Reads the part of the target's state that an action is about.
pub type Observe<'a> = dyn Fn() -> Pin<Box<dyn Future<Output = Value> + Send + 'a>> + Send + Sync + 'a;

/// One action with parameters that do something at a target that is ready for it.
pub struct Trial<'a> {
    /// The action.
    pub action: &'a dyn AnyAction,
    /// Parameters with which it changes something.
    pub params: Map<String, Value>,
    /// Shows the state that it changes.
    pub observe: &'a Observe<'a>,
}

/// Checks that an adapter documents all it offers.
pub fn describe(adapter: &Adapter) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |of: String, doc: &str, params: &[ParameterSpec]| {
        if doc.trim().is_empty() {
            faults.push(format!("{of} has no documentation"));
        }
        for spec in params.iter().filter(|spec| spec.doc.trim().is_empty()) {
            faults.push(format!("{of}: parameter {} has no documentation", spec.name));
        }
        let first_optional = params.iter().position(|spec| spec.optional).unwrap_or(params.len());
        if params[first_optional..].iter().any(|spec| !spec.optional) {
            faults.push(format!("{of}: optional parameters come last"));
        }
    };
    check(adapter.name.to_owned(), adapter.doc, &[]);
    for action in &adapter.actions {
        check(format!("{}::{}", adapter.name, action.about().name), action.about().doc, action.parameters());
    }
    for probe in &adapter.probes {
        let about = probe.about();
        let of = format!("{}::{}", adapter.name, about.name);
        check(of.clone(), about.doc, probe.parameters());
        about.fields.iter().for_each(|field| check(format!("{of}.{}", field.name), field.doc, &[]));
    }
    for probe in &adapter.probes {
        let about = probe.about();
        if !about.fields.iter().any(|field| field.name == about.main_field) {
            faults.push(format!("{}::{}: the main field is not one of its fields", adapter.name, about.name));
        }
    }
    faults
}

/// Checks one action against its target: leaves the target changed only where the action cannot be undone.
///
/// # Errors
/// What did not hold.
pub async fn try_action(trial: &Trial<'_>) -> Result<(), String> {
    let Trial { action, params, observe } = trial;
    let about = action.about();
    // As the runtime's do, intents of different parameters differ.
    let parameters = serde_json::to_vec(params).unwrap_or_default();
    let intent = ContentHash::of_parts([about.name.as_bytes(), &parameters]);
    let fault = |what: &str, failure: &dyn std::fmt::Display| format!("{}: {what}: {failure}", about.name);
    let same = |what: &str, wanted: &Value, found: &Value| {
        let text = || format!("{}: {what}: wanted {wanted}, found {found}", about.name);
        if wanted == found { Ok(()) } else { Err(text()) }
    };

    let before = observe().await;
    let assessment = action.assess(params).map_err(|f| fault("assess", &f))?;
    if assessment.reversal != about.reversal {
        return Err(format!("{}: assess and about disagree on the reversal", about.name));
    }
    let preview = action.preview(params).await.map_err(|f| fault("preview", &f))?;
    if preview.summary.is_empty() {
        return Err(format!("{}: the preview says nothing", about.name));
    }
    let prior = action.capture(params).await.map_err(|f| fault("capture", &f))?;
    same("preview and capture changed something", &before, &observe().await)?;

    match action.effect(params, &prior, &intent).await.map_err(|f| fault("effect before apply", &f))? {
        Effect::Untouched | Effect::Unclear(_) => {}
        Effect::Done(_) => return Err(format!("{}: effect says done before apply", about.name)),
    }
    action.undo(params, &prior, &intent).await.map_err(|f| fault("undo without apply", &f))?;
    same("undo without apply changed something", &before, &observe().await)?;

    action.apply(params, &prior, &intent).await.map_err(|f| fault("apply", &f))?;
    let after = observe().await;
    if after == before {
        return Err(format!("{}: apply changed nothing that the trial can see", about.name));
    }
    if let Effect::Untouched =
        action.effect(params, &prior, &intent).await.map_err(|f| fault("effect", &f))?
    {
        return Err(format!("{}: effect says untouched after apply", about.name));
    }
    action.apply(params, &prior, &intent).await.map_err(|f| fault("apply again", &f))?;
    same("applying again changed something", &after, &observe().await)?;

    let undone = action.undo(params, &prior, &intent).await.map_err(|f| fault("undo", &f))?;
    match about.reversal {
        Reversal::Irreversible if undone != Undone::Irreversible => {
            return Err(format!("{}: undo must say that it is irreversible, said {undone:?}", about.name));
        }
        Reversal::Irreversible => {
            same("undo of an irreversible action changed something", &after, &observe().await)?
        }
        Reversal::Restores => same("undo did not restore the state", &before, &observe().await)?,
        Reversal::Compensates => {}
    }
    let undone_state = observe().await;
    action.undo(params, &prior, &intent).await.map_err(|f| fault("undo again", &f))?;
    same("undoing again changed something", &undone_state, &observe().await)
}

/// Checks that a probe answers and changes nothing that the trial can see.
///
/// # Errors
/// What did not hold.
pub async fn try_probe(
    probe: &dyn AnyProbe,
    params: &Map<String, Value>,
    observe: &Observe<'_>,
) -> Result<(), String> {
    let about = probe.about();
    let before = observe().await;
    probe.check(params).map_err(|f| format!("{}: check: {f}", about.name))?;
    let reading = probe.read(params).await.map_err(|f| format!("{}: read: {f}", about.name))?;
    for field in about.fields {
        reading.field(field.name).map_err(|why| format!("{}: field {}: {why}", about.name, field.name))?;
    }
    let after = observe().await;
    if before == after { Ok(()) } else { Err(format!("{}: reading changed {before} to {after}", about.name)) }
}
