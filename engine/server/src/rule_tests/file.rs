//! A file of tests: from YAML to checked values, with every fault told at once. `rules/tests/README.md` documents it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_contract::settings::{Collector, Key, Node, Section, Value, suggest};
use selfheal_contract::{Catalog, Reading};
use selfheal_core::moment::later;
use selfheal_core::policy::{MaintenanceWindow, Policy, Schedule};
use selfheal_script::RuleFile;
use serde_json::Value as Json;

use super::call::{Call, Written};
use super::expected::{self, Expect};
use super::given::{Alert, Event, History, alert, event, time};
use super::stage::{Answer, CannedAction, CannedReading, Turn};
use crate::assemble;
use crate::config::origins::Origins;
use crate::config::render::render;
use crate::config::{parts, yaml};

/// When a test begins that does not say: noon of a Monday.
const BEGINS: &str = "2026-01-05T12:00:00Z";
/// How long the maintenance of a test's history lasts.
const MAINTENANCE: Duration = Duration::from_secs(7 * 86_400);

/// A file of tests.
pub(super) struct TestFile {
    pub(super) path: String,
    /// The rules that are loaded.
    pub(super) rules: Vec<RuleFile>,
    /// The real adapters.
    pub(super) catalog: Catalog,
    pub(super) tests: Vec<Test>,
}

/// One test.
pub(super) struct Test {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) begins: Timestamp,
    pub(super) settings: BTreeMap<String, Json>,
    pub(super) policy: Policy,
    pub(super) alerts: Vec<Alert>,
    pub(super) readings: Vec<CannedReading>,
    pub(super) actions: Vec<CannedAction>,
    pub(super) history: History,
    pub(super) events: Vec<(Duration, Event)>,
    pub(super) expects: Vec<Expect>,
}

/// What every test of a file is read with.
pub(super) struct Reader<'a> {
    collector: &'a Collector,
    catalog: Catalog,
    /// The names of all rules.
    pub(super) rules: Vec<String>,
    /// The sections `settings` and `policy` of the file, which tests add to.
    shared: [(&'static str, Option<Node>); 2],
}

/// Reads a file.
///
/// # Errors
/// A page with all its faults, each with its line.
pub(super) fn read(text: &str, path: &str, rules: &[RuleFile]) -> Result<TestFile, String> {
    let collector = Collector::default();
    let tree = yaml::read(text, &collector);
    let file = tree.as_ref().map(|tree| whole(tree, path, rules, &collector));
    match collector.accept(file) {
        Ok(Some(file)) => file,
        Ok(None) => Err(format!("{path}: the file cannot be read\n")),
        Err(faults) => {
            let faults: Vec<_> = faults.iter().cloned().collect();
            Err(render(&faults, path, text, &Origins::default()))
        }
    }
}

fn whole(tree: &Node, path: &str, all: &[RuleFile], collector: &Collector) -> Result<TestFile, String> {
    let mut root = Section::root(tree, collector);
    let adapters = parts::adapters(&mut root, selfheal_roster::ROSTER);
    let catalog = if collector.is_empty() {
        assemble::catalog(adapters).map_err(|fault| format!("{path}: {fault}\n"))?
    } else {
        Catalog::default()
    };
    let known: Vec<String> = all.iter().map(|rule| rule.name.to_string()).collect();
    let named = root.texts("rules");
    for name in &named {
        must_be_a_rule(&root, "rules", name, &known);
    }
    let chosen = |rule: &&RuleFile| named.is_empty() || named.iter().any(|name| *name == *rule.name);
    let rules = all.iter().filter(chosen).cloned().collect();
    let shared = ["settings", "policy"].map(|name| (name, root.node(name).cloned()));
    // Faults of these are found once here, and not with every test.
    parts::settings_and_policy(&mut root, collector);
    let reader = Reader { collector, catalog, rules: known, shared };
    let sections = root.list("tests");
    if sections.is_empty() {
        root.reject(
            "tests",
            "a list of tests is required",
            Some("write: tests: [{name: .., alerts: [..], expect: [..]}]"),
        );
    }
    // A catalog that is not there would make every call a fault.
    let tests = if collector.is_empty() {
        sections.into_iter().map(|test| reader.test(test)).collect()
    } else {
        Vec::new()
    };
    root.finish();
    let Reader { catalog, .. } = reader;
    Ok(TestFile { path: path.to_owned(), rules, catalog, tests })
}

/// Reports the name of a rule that there is not.
pub(super) fn must_be_a_rule(section: &Section<'_>, key: &str, name: &str, known: &[String]) {
    if known.iter().any(|rule| rule == name) {
        return;
    }
    let help = match suggest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("the rules are {}", known.join(", ")),
    };
    section.reject(key, format!("there is no rule {name:?}"), Some(&help));
}

impl Reader<'_> {
    fn test(&self, mut section: Section<'_>) -> Test {
        let begins = section.parsed_or("begins", BEGINS.parse().expect("the constant is a moment"));
        let (settings, mut policy) = self.configuration(&mut section);
        let mut history = section.section("history");
        if let Some(reason) = history.optional_text("maintenance") {
            let schedule = Schedule::Once { from: begins, until: later(begins, MAINTENANCE) };
            policy.maintenance.push(MaintenanceWindow { matchers: Vec::new(), schedule, reason });
        }
        let test = Test {
            name: section.text("name"),
            line: section.at().line,
            begins,
            settings,
            policy,
            alerts: section.list("alerts").into_iter().map(alert).collect(),
            readings: section.list("readings").into_iter().filter_map(|one| self.reading(one)).collect(),
            actions: section.list("actions").into_iter().filter_map(|one| self.action(one)).collect(),
            history: self.history(history),
            events: section.list("events").into_iter().filter_map(event).collect(),
            expects: section.list("expect").into_iter().map(|one| expected::read(one, &self.rules)).collect(),
        };
        if test.alerts.is_empty() {
            section.reject(
                "alerts",
                "at least one alert is required",
                Some("write: alerts: [{labels: {alertname: ..}}]"),
            );
        }
        if test.expects.is_empty() {
            section.reject(
                "expect",
                "a test without an expectation proves nothing",
                Some("write: expect: [{outcome: ..}]"),
            );
        }
        section.finish();
        test
    }

    /// Settings and policy: the file's, with what the test says of its own, key by key.
    fn configuration(&self, section: &mut Section<'_>) -> (BTreeMap<String, Json>, Policy) {
        let entry = |(name, shared): &(&'static str, Option<Node>)| {
            let node = match (shared, section.node(name)) {
                (Some(Node { value: Value::Map(shared), .. }), Some(Node { value: Value::Map(own), at })) => {
                    let kept =
                        shared.iter().filter(|(key, _)| own.iter().all(|(name, _)| name.name != key.name));
                    Node { value: Value::Map(kept.chain(own).cloned().collect()), at: *at }
                }
                (_, Some(own)) => own.clone(),
                (shared, None) => shared.clone()?,
            };
            Some((Key { name: (*name).to_owned(), at: node.at }, node))
        };
        let entries = self.shared.iter().filter_map(entry).collect();
        let merged = Node { value: Value::Map(entries), at: section.at() };
        parts::settings_and_policy(&mut Section::root(&merged, self.collector), self.collector)
    }

    fn reading(&self, mut section: Section<'_>) -> Option<CannedReading> {
        let call = self.call(&mut section, "probe", true);
        let after = section.has("after").then(|| self.call(&mut section, "after", false));
        let from = time(&mut section, "from").unwrap_or_default();
        let fields = section.node("fields");
        let inconclusive = section.optional_text("inconclusive");
        let fails = section.optional_text("fails");
        let answer = match (fields, inconclusive, fails) {
            (Some(fields), None, None) => Some(Answer::Reading(Reading::Known(json(fields)))),
            (None, Some(why), None) => Some(Answer::Reading(Reading::Inconclusive(why))),
            (None, None, Some(why)) => Some(Answer::Fails(why)),
            _ => {
                let help =
                    "fields: {..} is what was read; inconclusive: why, or fails: why, are its other ends";
                section.reject("probe", "expected one of fields, inconclusive, fails", Some(help));
                None
            }
        };
        let call = call?;
        if let Some(fields) = fields {
            self.must_have_fields(&section, &call, fields);
        }
        section.finish();
        let after = match after {
            Some(after) => Some(after?),
            None => None,
        };
        Some(CannedReading { call, from, after, answer: answer? })
    }

    /// A field that the probe does not give would be a test of something else.
    fn must_have_fields(&self, section: &Section<'_>, call: &Call, fields: &Node) {
        let Some(probe) = self.catalog.probe(&call.adapter, &call.name) else { return };
        let first = |name: &'static str| name.split('.').next().unwrap_or(name);
        let known: Vec<&str> = probe.about().fields.iter().map(|field| first(field.name)).collect();
        let Value::Map(entries) = &fields.value else {
            section.reject("fields", "expected a map of the reading's fields", None);
            return;
        };
        for (key, _) in
            entries.iter().filter(|(key, _)| !known.contains(&"*") && !known.contains(&key.name.as_str()))
        {
            let help = match suggest(&key.name, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("it has: {}", known.join(", ")),
            };
            let problem = format!("{}::{} has no field {:?}", call.adapter, call.name, key.name);
            section.reject("fields", problem, Some(&help));
        }
    }

    fn action(&self, mut section: Section<'_>) -> Option<CannedAction> {
        let call = self.call(&mut section, "action", false);
        let times = section.integer_or("times", u32::MAX, 1..=u32::MAX);
        type Make = fn(String) -> Turn;
        const TURNS: [(&str, Make); 5] = [
            ("refuses", Turn::Refused),
            ("fails", Turn::Fails),
            ("unclear", Turn::Unclear),
            ("undo_fails", Turn::UndoFails),
            ("contested_by", Turn::Contested),
        ];
        let mut turns: Vec<Turn> =
            TURNS.iter().filter_map(|(name, make)| section.optional_text(name).map(make)).collect();
        if turns.len() != 1 {
            let help = "each is a text that says why, or who; an action that simply works need not be named";
            section.reject(
                "action",
                "expected one of refuses, fails, unclear, undo_fails, contested_by",
                Some(help),
            );
        }
        section.finish();
        Some(CannedAction { call: call?, turn: turns.pop()?, times })
    }

    /// The call of a probe or an action under `key`.
    pub(super) fn call(&self, section: &mut Section<'_>, key: &str, is_probe: bool) -> Option<Call> {
        let text = section.text(key);
        if text.is_empty() {
            return None;
        }
        let written = match Written::read(&text) {
            Ok(written) => written,
            Err(problem) => {
                section.reject(key, problem, None);
                return None;
            }
        };
        let (adapter, name) = (written.adapter.clone(), written.name.clone());
        let specs = if is_probe {
            self.catalog.probe(&adapter, &name).map(|probe| probe.parameters())
        } else {
            self.catalog.action(&adapter, &name).map(|action| action.parameters())
        };
        let Some(specs) = specs else {
            let problem =
                format!("there is no {} {adapter}::{name}", if is_probe { "probe" } else { "action" });
            section.reject(key, problem, Some(&self.meant(&adapter, &name, is_probe)));
            return None;
        };
        let call = written.resolve(specs);
        let checked = call.and_then(|call| {
            let refused = call.params().and_then(|params| {
                let probe = self.catalog.probe(&adapter, &name).filter(|_| is_probe)?;
                probe.check(params).err()
            });
            refused.map_or(Ok(call), |refused| Err(refused.to_string()))
        });
        checked.map_err(|problem| section.reject(key, problem, None)).ok()
    }

    fn meant(&self, adapter: &str, name: &str, is_probe: bool) -> String {
        let names = |adapter: &selfheal_contract::Adapter| -> Vec<&'static str> {
            if is_probe {
                adapter.probes.iter().map(|probe| probe.about().name).collect()
            } else {
                adapter.actions.iter().map(|action| action.about().name).collect()
            }
        };
        match self.catalog.adapters().find(|known| known.name == adapter) {
            Some(known) => match suggest(name, names(known)) {
                Some(meant) => format!("did you mean {adapter}::{meant}?"),
                None => format!("{adapter} has: {}", names(known).join(", ")),
            },
            None => {
                let known: Vec<&str> = self.catalog.adapters().map(|adapter| adapter.name).collect();
                format!("the adapters are {}", known.join(", "))
            }
        }
    }
}

fn json(node: &Node) -> Json {
    match node.value.settled().as_ref() {
        Value::Null | Value::Faulty => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) | Value::Open(text) => Json::from(text.as_str()),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), json(node))).collect(),
    }
}
