//! What a rule is shown of an alert: by getters alone, so that nothing a script does can reach the next rule.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, ImmutableString};
use selfheal_contract::settings::suggest;
use selfheal_core::alert::Alert;
use selfheal_core::labels::Labels;
use selfheal_core::span::Span;

use crate::fault::{FaultKind, Refusal};

/// An alert as a rule sees it: with its age and the escalation level, for a rule sees no clock and no history.
/// Cloning it copies nothing.
#[derive(Clone, Debug)]
pub struct View {
    /// The alert.
    pub alert: Arc<Alert>,
    /// How long it had fired when the rule was asked.
    pub age: Span,
    /// How often it has been escalated, from 0.
    pub level: u32,
}

impl View {
    /// A view of an alert.
    pub fn new(alert: impl Into<Arc<Alert>>, age: Span, level: u32) -> Self {
        Self { alert: alert.into(), age, level }
    }
}

/// The properties of `alert`, with what they say; for the lint and the reference.
pub(crate) const ALERT_PROPERTIES: &[(&str, &str)] = &[
    ("labels", "its labels: `alert.labels.namespace` or `alert.labels[\"name\"]`; a label that is not there is `()`"),
    ("annotations", "its annotations, read as labels are"),
    ("name", "the label `alertname`, or an empty text"),
    ("alertname", "the same"),
    ("status", "`\"firing\"` or `\"resolved\"`"),
    ("age", "how long it has fired, in seconds, with a fraction"),
    ("level", "how often it has been escalated, from 0"),
    ("starts_at", "since when it fires, as text (RFC 3339)"),
    ("fingerprint", "Alertmanager's identity of its labels, as text"),
    ("generator_url", "where it can be looked at, or an empty text"),
];

/// Labels that many rules ask for. A property with a getter is found at once; one without is found by the indexer, after
/// Rhai has looked for a getter in vain.
const LABELS_OFTEN_ASKED_FOR: &[&str] = &[
    "alertname", "app", "cluster", "container", "database", "datname", "deployment", "device", "env", "environment",
    "group", "host", "instance", "job", "key", "namespace", "node", "pod", "queue", "region", "rollout", "server",
    "service", "severity", "statefulset", "table", "target", "team", "topic",
];

/// Labels or annotations, as a script sees them.
#[derive(Clone)]
struct LabelsView(Labels);

impl LabelsView {
    fn get(&self, name: &str) -> Dynamic {
        self.0.get(name).map_or(Dynamic::UNIT, Into::into)
    }

    fn names(&self) -> Array {
        self.0.iter().map(|(name, _)| name.into()).collect()
    }
}

/// Makes views known to scripts.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<View>("Alert");
    engine.register_get("labels", |view: &mut View| LabelsView(view.alert.labels.clone()));
    engine.register_get("annotations", |view: &mut View| LabelsView(view.alert.annotations.clone()));
    for name in ["name", "alertname"] {
        engine.register_get(name, |view: &mut View| ImmutableString::from(view.alert.name()));
    }
    engine.register_get("status", |view: &mut View| ImmutableString::from(view.alert.status.as_str()));
    engine.register_get("age", |view: &mut View| view.age.duration().as_secs_f64());
    engine.register_get("level", |view: &mut View| i64::from(view.level));
    engine.register_get("starts_at", |view: &mut View| view.alert.starts_at.to_string());
    engine.register_get("fingerprint", |view: &mut View| view.alert.fingerprint.to_string());
    engine.register_get("generator_url", |view: &mut View| ImmutableString::from(&*view.alert.generator_url));
    engine.register_indexer_get(|_: &mut View, name: ImmutableString| -> Result<Dynamic, Box<rhai::EvalAltResult>> {
        Err(unknown_property(&name).into())
    });
    engine.register_fn("to_string", |view: &mut View| format!("alert {}", view.alert.name()));
    engine.register_fn("to_debug", |view: &mut View| format!("alert {}", view.alert.name()));

    engine.register_type_with_name::<LabelsView>("Labels");
    for name in LABELS_OFTEN_ASKED_FOR {
        engine.register_get(name, |labels: &mut LabelsView| labels.get(name));
    }
    engine.register_indexer_get(|labels: &mut LabelsView, name: ImmutableString| labels.get(&name));
    engine.register_fn("contains", |labels: &mut LabelsView, name: ImmutableString| labels.0.get(&name).is_some());
    engine.register_fn("get", |labels: &mut LabelsView, name: ImmutableString| labels.get(&name));
    engine.register_fn("keys", |labels: &mut LabelsView| labels.names());
    engine.register_fn("len", |labels: &mut LabelsView| i64::try_from(labels.0.len()).unwrap_or(i64::MAX));
    engine.register_fn("to_string", |labels: &mut LabelsView| format!("{:?}", labels.0));
    engine.register_fn("to_debug", |labels: &mut LabelsView| format!("{:?}", labels.0));
}

fn unknown_property(name: &str) -> Refusal {
    let refusal = Refusal::new(FaultKind::Script, format!("an alert has no property {name}"));
    refusal.help(property_help(name))
}

/// What to do about a property that an alert does not have.
pub(crate) fn property_help(name: &str) -> String {
    match suggest(name, ALERT_PROPERTIES.iter().map(|(known, _)| *known)) {
        Some(meant) => format!("did you mean alert.{meant}?"),
        None => format!("a label is alert.labels.{name}"),
    }
}
