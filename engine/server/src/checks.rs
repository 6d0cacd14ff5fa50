//! From configured checks to checks that can run: each probe is looked up among the connected adapters and asked whether
//! it takes its parameters, so that a slip keeps selfheal from starting rather than a check from finding anything.

use selfheal_contract::settings::suggest;
use selfheal_contract::{AboutProbe, Catalog};
use selfheal_core::condition::ProbeCall;
use selfheal_core::labels::Labels;
use selfheal_runtime::checks::{Check, Patience};
use selfheal_script::RuleSet;

use crate::config;

/// Makes the checks ready.
///
/// # Errors
/// All that is wrong with them, one sentence a line.
pub fn prepare(checks: &config::Checks, catalog: &Catalog) -> Result<Vec<Check>, String> {
    let (mut ready, mut faults) = (Vec::new(), Vec::new());
    for (name, check) in &checks.each {
        match prepare_one(name, check, catalog) {
            Ok(check) => ready.push(check),
            Err(fault) => faults.push(format!("checks.each.{name}: {fault}")),
        }
    }
    if faults.is_empty() { Ok(ready) } else { Err(faults.join("\n")) }
}

fn prepare_one(name: &str, check: &config::Check, catalog: &Catalog) -> Result<Check, String> {
    let (adapter, probe) = check.probe.split_once('.').unwrap_or((&check.probe, ""));
    let call =
        ProbeCall { adapter: adapter.to_owned(), probe: probe.to_owned(), params: check.params.clone() };
    let found = catalog.probe(adapter, probe).ok_or_else(|| unknown(&check.probe, catalog))?;
    found.check(&call.params).map_err(|failure| failure.to_string())?;
    let field = field(check, &found.about())?;
    let is_health = adapter == "health" && field == "healthy";
    let test = check.bound.test();
    let summary = check.summary.clone().unwrap_or_else(|| format!("{}: {field} is {test}", call.key()));
    let own = [("alertname", check.alert.as_str()), ("severity", check.severity.as_str()), ("check", name)];
    let labels: Labels =
        check.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(own).collect();
    Ok(Check {
        name: name.to_owned(),
        probe: call,
        field,
        test,
        every: check.interval.into(),
        timeout: check.timeout.into(),
        // The probe's own patience is no shorter, perhaps: a target that hangs is not healthy, whoever gives up first.
        must_answer: is_health,
        patience: Patience {
            failures: check.failures,
            lasting: check.lasting.into(),
            successes: check.successes,
        },
        labels,
        summary,
    })
}

/// The checks whose alerts no rule matches, one sentence each: people are told of them, and nothing is done.
pub fn unmatched(checks: &[Check], rules: &RuleSet) -> Vec<String> {
    let nobody = |check: &&Check| rules.matching(&check.labels).is_empty();
    let sentence = |check: &Check| {
        let alert = check.labels.get("alertname").unwrap_or_default();
        format!(
            "checks.each.{}: no rule matches its alert {alert:?}, so that nothing is done about it; give it the alert's name \
             and labels that a rule matches",
            check.name
        )
    };
    checks.iter().filter(nobody).map(sentence).collect()
}

/// The field to look at: one of those that the probe documents, or below one of them.
fn field(check: &config::Check, about: &AboutProbe) -> Result<String, String> {
    let Some(field) = &check.field else { return Ok(about.main_field.to_owned()) };
    let names = || about.fields.iter().map(|field| field.name);
    let root = field.split('.').next().unwrap_or_default();
    if names().any(|name| name == field || name == root) {
        return Ok(field.clone());
    }
    let help = match suggest(field, names()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("the reading of {} has no field {field:?}; {help}", check.probe))
}

fn unknown(probe: &str, catalog: &Catalog) -> String {
    let known: Vec<String> = catalog
        .adapters()
        .flat_map(|adapter| {
            adapter.probes.iter().map(|probe| format!("{}.{}", adapter.name, probe.about().name))
        })
        .collect();
    let help = match suggest(probe, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "all of them are listed by `selfheal rules reference`".to_owned(),
    };
    format!("there is no probe {probe:?}; {help}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use selfheal_roster::ROSTER;
    use selfheal_script::{Compiler, Limits};

    use super::*;
    use crate::config::{Missing, Overrides, Sources};

    /// What is configured, with the adapters of this build.
    fn configured(text: &str) -> (config::Configuration, Catalog) {
        let none = BTreeMap::new();
        let read_file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let sources = Sources { environment: &none, read_file: &read_file, missing: Missing::Refused };
        let mut configuration =
            config::check(Some(text), "selfheal.yaml", &sources, &Overrides::default(), ROSTER)
                .unwrap_or_else(|refused| panic!("{refused}"));
        let adapters = std::mem::take(&mut configuration.adapters);
        (configuration, crate::assemble::catalog(adapters).unwrap())
    }

    /// The checks of a file.
    fn prepared(text: &str) -> Result<Vec<Check>, String> {
        let (configuration, catalog) = configured(text);
        prepare(&configuration.checks, &catalog)
    }

    /// What is said of the checks of a file with the shipped rules.
    fn without_rule(text: &str) -> Vec<String> {
        let (configuration, catalog) = configured(text);
        let checks = prepare(&configuration.checks, &catalog).unwrap();
        let compiler = Compiler::new(&catalog, configuration.settings.clone(), Limits::default());
        unmatched(&checks, &RuleSet::build(&compiler, crate::shipped::rules()).unwrap())
    }

    /// Adapters for what the examples of the documentation check.
    const ADAPTERS: &str = "
adapters:
  health: {targets: {shop: {http: 'http://127.0.0.1:1'}}}
  kafka: {clusters: {main: {bootstrap: '127.0.0.1:1'}}}
  prometheus: {url: 'http://127.0.0.1:1'}
  postgres: {targets: {main: {host: 127.0.0.1, user: u, database: d, tls: disable}}}
  redis: {targets: {main: {url: 'redis://127.0.0.1:1'}}}
";

    #[test]
    fn the_checks_of_the_documentation_are_healed_by_shipped_rules() {
        let example = include_str!("../../../deploy/selfheal.example.yaml");
        let readme = include_str!("../../../README.md");
        let shown = readme.split("```").find(|block| block.contains("\nchecks:\n")).unwrap();
        let shown = shown.split_once("\nchecks:\n").unwrap().1;
        let mut examples: Vec<&str> =
            example.lines().filter_map(|line| line.strip_prefix("  #each: ")).collect();
        assert!(examples.len() >= 3, "{examples:?}");
        examples.push("{}");
        for each in examples {
            let text = format!("{ADAPTERS}checks:\n  defaults: true\n  each: {each}\n");
            assert_eq!(without_rule(&text), [""; 0], "{each}");
        }
        assert_eq!(without_rule(&format!("{ADAPTERS}checks:\n{shown}")), [""; 0], "the README");

        let unheard =
            without_rule(&format!("{ADAPTERS}checks: {{each: {{shop: {{http: shop, alert: ShopDown}}}}}}"));
        let [sentence] = unheard.as_slice() else { panic!("{unheard:?}") };
        assert!(
            sentence.starts_with("checks.each.shop: no rule matches its alert \"ShopDown\""),
            "{sentence}"
        );
    }

    #[test]
    fn checks_become_ready() {
        let checks = prepared(
            "
adapters:
  health: {targets: {web: {http: 'http://127.0.0.1:1'}, db: {tcp: '127.0.0.1:1'}}}
  postgres: {targets: {main: {host: 127.0.0.1, user: u, database: d, tls: disable}}}
checks:
  each:
    web: {http: web, alert: WebDown, severity: critical, labels: {namespace: shop}, for: 1m}
    certificate: {http: web, field: certificate_days, below: certificate_days, interval: 1h}
    db: {tcp: db, failures: 5}
    connections: {probe: pg.connections, params: {database: main}, above: postgres_conn_threshold}
",
        )
        .unwrap();
        let found: Vec<(&str, String)> =
            checks.iter().map(|check| (check.name.as_str(), check.summary.clone())).collect();
        let expected = [
            ("certificate", "health::http(target: \"web\"): certificate_days is below 30"),
            ("connections", "pg::connections(database: \"main\"): share is above 0.85"),
            ("db", "health::tcp(target: \"db\"): healthy is other than true"),
            ("web", "health::http(target: \"web\"): healthy is other than true"),
        ];
        assert_eq!(found, expected.map(|(name, summary)| (name, summary.to_owned())));
        let web = &checks[3];
        let labels: Vec<String> = web.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(labels.join(" "), "alertname=WebDown check=web namespace=shop severity=critical");
        assert_eq!((web.patience.failures, web.patience.lasting.as_secs()), (3, 60));
        let must_answer = |check: &Check| check.must_answer;
        assert_eq!(checks.iter().map(must_answer).collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(checks[2].patience.failures, 5);
    }

    #[test]
    fn slips_are_told_all_at_once() {
        let faults = prepared(
            "
adapters: {health: {targets: {web: {http: 'http://127.0.0.1:1'}}}}
checks:
  each:
    a: {probe: pg.conections, above: 1}
    b: {http: wob}
    c: {http: web, field: secnds, above: 1}
    d: {probe: health.http, params: {name: web}, equals: false}
",
        )
        .unwrap_err();
        for expected in [
            "checks.each.a: there is no probe \"pg.conections\"; did you mean \"pg.connections\"?",
            "checks.each.b: there is no health target \"wob\"",
            "checks.each.c: the reading of health.http has no field \"secnds\"; did you mean \"seconds\"?",
            "checks.each.d: http: unknown field `name`",
        ] {
            assert!(faults.contains(expected), "{expected}\n{faults}");
        }
        assert_eq!(faults.lines().count(), 4, "{faults}");
    }
}
