//! What a step changed, as a diff: from the best that is known of it.
//!
//! Where a person was asked, the preview that they saw says each change from and to. Else an adapter that says what it has
//! changed from and to is believed. Else the state before and what was asked for are compared where both speak of the
//! same field; what only one of them has is no change, and is shown as it is.

use std::collections::BTreeMap;

use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::journal::{Intent, Remediation, Story};
use serde_json::Value;

use super::text::block;

/// Lines of one diff.
const LINES_MAX: usize = 60;

/// The block that shows what a step changed. Which of it still stands is said beside it.
pub(super) fn shown(story: &Story, remediation: &Remediation, intent: &Intent) -> String {
    let lines = previewed(story, remediation, intent).or_else(|| told(story, intent));
    let lines = lines.or_else(|| compared(intent));
    let is_diff = lines.is_some();
    let mut lines = lines.unwrap_or_else(|| apart(intent));
    if matches!(intent.state, IntentState::Undone) {
        lines.push("  (taken back)".to_owned());
    }
    block(if is_diff { "diff" } else { "text" }, &bounded(lines).join("\n"))
}

/// The changes of a preview, each from and to.
pub(super) fn of_preview(preview: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for change in preview["changes"].as_array().into_iter().flatten() {
        let what = change["what"].as_str().unwrap_or_default();
        side(&mut lines, '-', what, &change["from"]);
        side(&mut lines, '+', what, &change["to"]);
    }
    bounded(lines)
}

fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let left_out = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if left_out > 0 {
        lines.push(format!("  … and {left_out} more lines"));
    }
    lines
}

/// One side of a change; nothing where there was, or is to be, nothing.
fn side(lines: &mut Vec<String>, sign: char, what: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => lines.extend(text.lines().map(|part| format!("{sign} {what}: {part}"))),
        value => lines.push(format!("{sign} {what}: {value}")),
    }
}

/// What the person saw who approved this plan.
fn previewed(story: &Story, remediation: &Remediation, intent: &Intent) -> Option<Vec<String>> {
    let of_plan = story.approvals.iter().rev().filter(|approval| approval.plan_hash == remediation.plan_hash);
    let mut steps = of_plan.filter_map(|approval| approval.previews.as_array()).flatten();
    let lines = of_preview(&steps.find(|step| step["path"] == intent.path.as_str())?["preview"]);
    (!lines.is_empty()).then_some(lines)
}

/// What the adapter said when it had applied it.
fn told(story: &Story, intent: &Intent) -> Option<Vec<String>> {
    let own = story.records.iter().rev().filter(|record| {
        record.kind == "applied"
            && record.remediation == Some(intent.remediation)
            && record.facts["path"] == intent.path.as_str()
    });
    // Of several tries, the one of this intent.
    let apart = |at| intent.applied_at.map(|applied_at| applied_at.duration_since(at).abs());
    let record = own.min_by_key(|record| apart(record.at))?;
    let facts = record.facts["facts"].as_object()?;
    let (from, to) = (facts.get("from")?, facts.get("to")?);
    let (before, after) = (flat(from), flat(to));
    let mut lines = Vec::new();
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let (from, to) = (before.get(name).copied(), after.get(name).copied());
        if from != to {
            let what = if name.is_empty() { intent.target.as_str() } else { name.as_str() };
            side(&mut lines, '-', what, from.unwrap_or(&Value::Null));
            side(&mut lines, '+', what, to.unwrap_or(&Value::Null));
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// The fields of which both the state before and what was asked for speak, with what else was asked for around them.
fn compared(intent: &Intent) -> Option<Vec<String>> {
    let (before, asked) = (flat(&intent.prior), flat(&intent.params));
    let is_change = |name: &String| before.get(name).is_some_and(|from| Some(from) != asked.get(name));
    if !asked.keys().any(is_change) {
        return None;
    }
    let mut lines = Vec::new();
    for (name, to) in &asked {
        if is_change(name) {
            side(&mut lines, '-', name, before[name]);
            side(&mut lines, '+', name, to);
        } else {
            side(&mut lines, ' ', name, to);
        }
    }
    Some(lines)
}

/// What was asked for, and the state before, each for itself.
fn apart(intent: &Intent) -> Vec<String> {
    let mut lines = Vec::new();
    for (heading, value) in [("asked for", &intent.params), ("before", &intent.prior)] {
        let fields = flat(value);
        if !fields.is_empty() {
            lines.push(format!("{heading}:"));
        }
        for (name, value) in fields {
            side(&mut lines, ' ', if name.is_empty() { "value" } else { &name }, value);
        }
    }
    if lines.is_empty() { vec!["nothing is known of what it changed".to_owned()] } else { lines }
}

/// The fields of a value by their paths; of what has no fields, itself without a path.
fn flat(value: &Value) -> BTreeMap<String, &Value> {
    fn collect<'v>(path: &str, value: &'v Value, fields: &mut BTreeMap<String, &'v Value>) {
        match value {
            Value::Null if path.is_empty() => {}
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    collect(&path, value, fields);
                }
            }
            value => drop(fields.insert(path.to_owned(), value)),
        }
    }
    let mut fields = BTreeMap::new();
    collect("", value, &mut fields);
    fields
}
