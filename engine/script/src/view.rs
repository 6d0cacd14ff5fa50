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

/// Reads a property.
pub(crate) type Getter = fn(&mut View) -> Dynamic;

/// The properties of `alert`: their names, what they say, and how they are read.
pub(crate) const PROPERTIES: &[(&str, &str, Getter)] = &[
    (
        "labels",
        "its labels: `alert.labels.namespace` or `alert.labels[\"name\"]`; a label that is not there is `()`",
        |view| Dynamic::from(LabelsView(view.alert.labels.clone())),
    ),
    ("annotations", "its annotations, read as labels are", |view| {
        Dynamic::from(LabelsView(view.alert.annotations.clone()))
    }),
    ("name", "the label `alertname`, or an empty text", |view| view.alert.name().into()),
    ("alertname", "the same", |view| view.alert.name().into()),
    ("status", "`\"firing\"` or `\"resolved\"`", |view| view.alert.status.as_str().into()),
    ("age", "how long it has fired, in seconds, with a fraction", |view| {
        view.age.duration().as_secs_f64().into()
    }),
    ("level", "how often it has been escalated, from 0", |view| i64::from(view.level).into()),
    ("starts_at", "since when it fires, as text (RFC 3339)", |view| view.alert.starts_at.to_string().into()),
    ("fingerprint", "Alertmanager's identity of its labels, as text", |view| {
        view.alert.fingerprint.to_string().into()
    }),
    ("generator_url", "where it can be looked at, or an empty text", |view| {
        (&*view.alert.generator_url).into()
    }),
];

/// The names of the properties of `alert`.
pub(crate) fn properties() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().map(|(name, ..)| *name)
}

/// Labels that many rules ask for. A property with a getter is found at once; one without is found by the indexer, after
/// Rhai has looked for a getter in vain.
const LABELS_OFTEN_ASKED_FOR: &[&str] = &[
    "alertname",
    "app",
    "cluster",
    "container",
    "database",
    "datname",
    "deployment",
    "device",
    "env",
    "environment",
    "group",
    "host",
    "instance",
    "job",
    "key",
    "namespace",
    "node",
    "pod",
    "queue",
    "region",
    "rollout",
    "server",
    "service",
    "severity",
    "statefulset",
    "table",
    "target",
    "team",
    "topic",
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
    for (name, _, read) in PROPERTIES {
        engine.register_get(*name, *read);
    }
    engine.register_indexer_get(
        |view: &mut View, name: ImmutableString| -> Result<Dynamic, Box<rhai::EvalAltResult>> {
            match PROPERTIES.iter().find(|(known, ..)| *known == name) {
                Some((.., read)) => Ok(read(view)),
                None => Err(unknown_property(&name).into()),
            }
        },
    );
    engine.register_fn("to_string", |view: &mut View| format!("alert {}", view.alert.name()));
    engine.register_fn("to_debug", |view: &mut View| format!("alert {}", view.alert.name()));

    engine.register_type_with_name::<LabelsView>("Labels");
    for name in LABELS_OFTEN_ASKED_FOR {
        engine.register_get(name, |labels: &mut LabelsView| labels.get(name));
    }
    engine.register_indexer_get(|labels: &mut LabelsView, name: ImmutableString| labels.get(&name));
    engine.register_fn("contains", |labels: &mut LabelsView, name: ImmutableString| {
        labels.0.get(&name).is_some()
    });
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
    match suggest(name, properties()) {
        Some(meant) => format!("did you mean alert.{meant}?"),
        None => format!("a label is alert.labels.{name}"),
    }
}
