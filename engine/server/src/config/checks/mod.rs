//! The section `checks`: what selfheal looks at by itself, at intervals, and what counts as wrong. Whether there are such
//! probes is only known once the adapters are connected.

mod bound;
mod ready;

use std::collections::BTreeMap;

use selfheal_contract::settings::{Node, Section, Value};
use selfheal_core::span::Span;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::adapters::Adapters;
use super::reading::is_name;
pub use bound::Bound;

/// How many checks there may be.
pub const CHECKS_MAX: usize = 500;
/// Labels that a check may add to its alert.
const LABELS_MAX: usize = 32;
/// The labels that selfheal sets.
const OWN_LABELS: [&str; 3] = ["alertname", "severity", "check"];
const SEVERITIES: [&str; 6] = ["critical", "high", "medium", "low", "warning", "info"];

/// Scheduled checks. None by default.
#[derive(Debug, Clone, Serialize)]
pub struct Checks {
    /// Whether the ready-made checks of the configured adapters run too; `false` by default.
    pub defaults: bool,
    /// The time from one round to the next, for checks that name none. 1 s to 1 d; 1 m by default.
    pub interval: Span,
    /// How long a round may take, for checks that name no time. 100 ms to 5 m; 10 s by default.
    pub timeout: Span,
    /// Rounds in a row that must find it wrong, for checks that name no number. 1 to 100; 3 by default.
    pub failures: u32,
    /// The checks, by name; at most [`CHECKS_MAX`].
    pub each: BTreeMap<String, Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// The probe, as `adapter.probe`.
    pub probe: String,
    /// Its parameters, by name.
    pub params: Map<String, Json>,
    /// The field of its reading; its main one, if absent.
    pub field: Option<String>,
    /// What is wrong.
    #[serde(flatten)]
    pub bound: Bound,
    /// The time from one round to the next.
    pub interval: Span,
    /// How long a round may take; no longer than the interval.
    pub timeout: Span,
    /// Rounds in a row that must find it wrong before the alert fires. 1 to 100.
    pub failures: u32,
    /// How long it must have been wrong, too. Up to 1 d; `0s` by default.
    #[serde(rename = "for")]
    pub lasting: Span,
    /// Rounds in a row that must find it well before the alert is over. 1 to 100; 1 by default.
    pub successes: u32,
    /// The alert's name, which rules match; the check's own by default.
    pub alert: String,
    /// The alert's severity: critical, high (by default), medium, low, warning or info.
    pub severity: String,
    /// More labels of the alert.
    pub labels: BTreeMap<String, String>,
    /// What the alert says, in one sentence; made from the rest, if absent.
    pub summary: Option<String>,
}

/// What holds for a check that does not say otherwise.
#[derive(Clone, Copy)]
struct Usual {
    interval: Span,
    timeout: Span,
    failures: u32,
}

/// Reads the section. `settings` are the thresholds that a bound may name.
pub(super) fn check(
    section: &mut Section<'_>,
    settings: &BTreeMap<String, Json>,
    adapters: &Adapters,
) -> Checks {
    let defaults = section.bool_or("defaults", false);
    let usual = Usual {
        interval: interval(section, Span::from_mins(1)),
        timeout: timeout(section, Span::from_secs(10)),
        failures: section.integer_or("failures", 3, 1..=100),
    };
    let mut each = BTreeMap::new();
    if defaults {
        each.extend(ready::checks(adapters, settings, usual));
    }
    for (name, one) in section.map("each") {
        if !is_name(name) {
            section.reject(
                "each",
                format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"),
                None,
            );
        }
        if let Some(check) = one_check(name, one, settings, usual) {
            each.insert(name.to_owned(), check);
        }
    }
    if each.len() > CHECKS_MAX {
        section.reject(
            "each",
            format!("at most {CHECKS_MAX} checks are possible, found {}", each.len()),
            None,
        );
    }
    section.finish();
    Checks { defaults, interval: usual.interval, timeout: usual.timeout, failures: usual.failures, each }
}

fn interval(section: &mut Section<'_>, default: Span) -> Span {
    section.span_or("interval", default, Span::from_secs(1)..=Span::from_hours(24))
}

fn timeout(section: &mut Section<'_>, default: Span) -> Span {
    section.span_or("timeout", default, Span::from_millis(100)..=Span::from_mins(5))
}

fn one_check(
    name: &str,
    mut section: Section<'_>,
    settings: &BTreeMap<String, Json>,
    usual: Usual,
) -> Option<Check> {
    let interval = interval(&mut section, usual.interval);
    let timeout = timeout(&mut section, usual.timeout.min(interval));
    if timeout > interval {
        let problem = format!("{timeout} is longer than the interval, which is {interval}");
        section.reject("timeout", problem, Some("a round must be over before the next begins"));
    }
    let what = asked(&mut section);
    let field = section.optional_text("field");
    // A health check needs no bound: it is wrong when the target is not healthy.
    let implied = matches!(&what, Some((_, _, true)) if field.is_none());
    let bound = bound::read(&mut section, settings, implied);
    let failures = section.integer_or("failures", usual.failures, 1..=100);
    let lasting = section.span_or("for", Span::ZERO, Span::ZERO..=Span::from_hours(24));
    let successes = section.integer_or("successes", 1, 1..=100);
    let alert = section.optional_text("alert").unwrap_or_else(|| name.to_owned());
    let severity = section.one_of("severity", &SEVERITIES.map(|name| (name, name)), "high").to_owned();
    let labels = labels(&mut section);
    let summary = section.optional_text("summary");
    section.finish();
    let (probe, params, _) = what?;
    let bound = bound?;
    Some(Check {
        probe,
        params,
        field,
        bound,
        interval,
        timeout,
        failures,
        lasting,
        successes,
        alert,
        severity,
        labels,
        summary,
    })
}

/// The probe with its parameters, and whether it was named by what it asks: `http` and `tcp` name a health target.
fn asked(section: &mut Section<'_>) -> Option<(String, Map<String, Json>, bool)> {
    let ways: Vec<&str> = ["probe", "http", "tcp"].into_iter().filter(|way| section.has(way)).collect();
    let short = ["http", "tcp"].map(|way| (way, section.optional_text(way)));
    let probe = section.optional_text("probe");
    let params = params(section);
    let help = "write one of probe: pg.connections, http: name and tcp: name, where the name is one of \
                adapters.health.targets";
    if ways.len() != 1 {
        let (at, problem) = match ways.last() {
            Some(second) => (*second, format!("{} cannot be used together", ways.join(" and "))),
            None => ("probe", "required, but missing".to_owned()),
        };
        section.reject(at, problem, Some(help));
        return None;
    }
    if let Some((way, target)) = short.into_iter().find_map(|(way, target)| Some((way, target?))) {
        if section.has("params") {
            let help = "leave params out, or name the probe instead";
            section.reject("params", format!("{way} needs no parameters"), Some(help));
        }
        if target.contains("://") || target.contains(':') {
            let help = "put the address under adapters.health.targets, and its name here";
            section.reject(way, format!("expected the name of a target, found {target:?}"), Some(help));
        }
        let params = Map::from_iter([("target".to_owned(), Json::from(target))]);
        return Some((format!("health.{way}"), params, true));
    }
    let probe = probe?;
    let is_probe = |text: &str| {
        let part =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        text.split_once('.').is_some_and(|(adapter, probe)| part(adapter) && part(probe))
    };
    if !is_probe(&probe) {
        let help = match probe.replace("::", ".") {
            meant if is_probe(&meant) => format!("did you mean {meant:?}?"),
            _ => "write the adapter and the probe as pg.connections".to_owned(),
        };
        section.reject("probe", format!("expected a probe, found {probe:?}"), Some(&help));
    }
    let is_health = probe.starts_with("health.");
    Some((probe, params, is_health))
}

fn params(section: &mut Section<'_>) -> Map<String, Json> {
    let mut params = Map::new();
    match section.node("params") {
        None => {}
        Some(Node { value: Value::Map(entries), .. }) => {
            for (key, node) in entries {
                match value(&node.value) {
                    Some(value) => drop(params.insert(key.name.clone(), value)),
                    None if matches!(node.value, Value::Faulty) => {}
                    None => {
                        let problem = format!(
                            "{}: expected a value or a list of values, found {}",
                            key.name,
                            node.value.describe()
                        );
                        section.reject("params", problem, None);
                    }
                }
            }
        }
        Some(Node { value, .. }) => {
            let problem = format!("expected a map of parameters, found {}", value.describe());
            section.reject("params", problem, Some("write it as {database: main}"));
        }
    }
    params
}

/// A scalar, or a list of them, as JSON.
fn value(value: &Value) -> Option<Json> {
    match value.settled().as_ref() {
        Value::Bool(value) => Some(Json::from(*value)),
        Value::Integer(value) => Some(Json::from(*value)),
        Value::Float(value) if value.is_finite() => Some(Json::from(*value)),
        Value::Text(text) | Value::Open(text) => Some(Json::from(text.as_str())),
        Value::List(items) => items.iter().map(|item| self::value(&item.value)).collect(),
        _ => None,
    }
}

fn labels(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let labels: BTreeMap<String, String> = section.text_map("labels").into_iter().collect();
    if let Some(own) = OWN_LABELS.into_iter().find(|own| labels.contains_key(*own)) {
        let help = match own {
            "alertname" => "use alert",
            "severity" => "use severity, beside labels",
            _ => "it is the check's name",
        };
        section.reject("labels", format!("{own} is set by selfheal"), Some(help));
    }
    if labels.len() > LABELS_MAX {
        let problem = format!("at most {LABELS_MAX} labels are possible, found {}", labels.len());
        section.reject("labels", problem, None);
    }
    labels
}
