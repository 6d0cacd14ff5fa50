//! Tests of the tests: what passes, how a failure reads, what is wrong with a file, what is reached.

use std::fs;
use std::path::Path;

use super::*;

const RULE: &str = r#"const RULE = #{ matchers: [`alertname="Full"`], priority: "critical" };

fn observe(alert) {
    #{ memory: redis::memory("main") }
}

fn plan(alert, seen) {
    if seen.memory.share < 0.5 {
        return skip("there is room");
    }
    if alert.labels.big != () {
        redis::config_set("main", "maxmemory", "2000").timeout("1m")
    } else {
        redis::config_set("main", "maxmemory", "1000").verify(redis::memory("main").share.below(0.5), "30s")
    }
}
"#;

const HEAD: &str = r#"adapters: {redis: {targets: {main: {url: "redis://cache.test:6379"}}}}
tests:
"#;

/// The tests of a directory with these rules and one file of tests; the directory's name reads `rules`.
fn run_in(rules: &[(&str, &str)], tests: &str, filter: Option<&str>) -> Result<Report, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in rules {
        fs::write(directory.path().join(format!("{name}.rhai")), text).unwrap();
    }
    fs::create_dir(directory.path().join(TESTS)).unwrap();
    fs::write(directory.path().join("tests/full.yaml"), tests).unwrap();
    let path = directory.path().display().to_string();
    let selection = Selection { directory: directory.path().to_owned(), filter: filter.map(str::to_owned) };
    let ran = super::run(&selection).map(|mut report| {
        report.tests.iter_mut().for_each(|test| test.file = test.file.replace(&path, "rules"));
        report.rules.iter_mut().for_each(|rule| rule.file = rule.file.replace(&path, "rules"));
        report.took = std::time::Duration::ZERO;
        report
    });
    ran.map_err(|fault| fault.to_string().replace(&path, "rules"))
}

fn run(tests: &str) -> Result<Report, String> {
    run_in(&[("full", RULE)], &format!("{HEAD}{tests}"), None)
}

const GOOD: &str = r#"  - name: it helps
    alerts: [{labels: {alertname: Full}}]
    readings:
      - {probe: redis::memory, fields: {share: 0.9}}
      - {probe: redis::memory, after: redis::config_set, fields: {share: 0.1}}
    expect:
      - {matched: [full], rule: full, outcome: recovered, level: 0}
"#;

#[tokio::test]
async fn what_is_as_expected_passes_and_what_was_not_reached_is_told() {
    let report = run(GOOD).unwrap();
    let page = "\
ok    rules/tests/full.yaml: it helps

RULE  STATEMENTS  BRANCHES  REACHED
full           6         1     71 %
not reached: rules/full.rhai:9:9: return skip(\"there is room\");
not reached: rules/full.rhai:12:55: redis::config_set(\"main\", \"maxmemory\", \"2000\").timeout(\"1m\")

1 test: passed, in 0.00 s
";
    assert_eq!(report.page(false, true), page);
    let RuleCoverage { statements, branches, reached, .. } = report.rules[0];
    assert_eq!((report.failed(), reached, statements, branches), (0, 5, 6, 1));
}

#[tokio::test]
async fn a_failure_shows_what_was_expected_and_what_came() {
    let tests = r#"  - name: it is big
    alerts: [{labels: {alertname: Full, big: "yes"}}]
    readings: [{probe: 'redis::memory("main")', fields: {share: 0.9}}]
    expect:
      - outcome: recovered
        plan: |
          redis::config_set(parameter: "maxmemory", target: "main", value: "3000")
            timeout 1m
        verdicts: {mode: shadow}
        why: it helped
        did: []
        skipped: {full: there is room}
        messages: [{kind: person, contains: [help]}]
"#;
    let golden = r#"FAIL  rules/tests/full.yaml:3: it is big
      rules/tests/full.yaml:7: at 0s, outcome (- expected, + came)
        - recovered
        + applied
        help: because did redis::config_set(parameter: "maxmemory", target: "main", value: "2000")
      rules/tests/full.yaml:9: at 0s, plan (- expected, + came)
        - redis::config_set(parameter: "maxmemory", target: "main", value: "3000")
        + redis::config_set(parameter: "maxmemory", target: "main", value: "2000")
            timeout 1m
      rules/tests/full.yaml:11: at 0s, verdict of mode (- expected, + came)
        - shadow
        + pass
        help: it says: the mode is auto
      rules/tests/full.yaml:12: at 0s, why (- expected, + came)
        - ... it helped ...
        + did redis::config_set(parameter: "maxmemory", target: "main", value: "2000")
      rules/tests/full.yaml:13: at 0s, did (- expected, + came)
        + redis::config_set(parameter: "maxmemory", target: "main", value: "2000")
      rules/tests/full.yaml:14: at 0s, skipped (- expected, + came)
        - full: there is room
      rules/tests/full.yaml:15: at 0s, messages (- expected, + came)
        - person: ... help ...
        + outcome: Full: applied: did redis::config_set(parameter: "maxmemory", target: "main", value: "2000")
1 test: 1 failed, 0 passed, in 0.00 s
"#;
    let report = run(tests).unwrap();
    assert_eq!(report.page(false, false), golden);
    let coloured = report.page(true, false);
    assert!(
        coloured.contains("        \x1b[31m- recovered\x1b[0m\n        \x1b[32m+ applied\x1b[0m\n"),
        "{coloured}"
    );
    let data = serde_json::to_value(&report).unwrap();
    assert_eq!(data["tests"][0]["differences"][0]["actual"], serde_json::json!(["applied"]));
}

#[tokio::test]
async fn a_probe_without_a_reading_is_named_with_what_to_add() {
    let tests = r#"  - name: nothing is read
    alerts: [{labels: {alertname: Full}}]
    expect: [{outcome: failed}]
"#;
    let report = run(tests).unwrap();
    let difference = &report.tests[0].differences[0];
    assert_eq!(difference.expected, [r#"a reading of redis::memory(target: "main")"#]);
    let help = r#"add to readings: - {probe: 'redis::memory(target: "main")', fields: {..}}"#;
    assert_eq!(difference.help.as_deref(), Some(help));
}

#[tokio::test]
async fn what_happens_besides_alerts() {
    let tests = r#"  - name: a fault is waited for, and what cannot be undone calls a person
    policy: {settle: 1m}
    alerts: [{labels: {alertname: Full}, resolved: 30m}]
    actions:
      - {action: redis::config_set, fails: the connection was lost, times: 1}
      - {action: redis::config_set, undo_fails: it is read-only}
    readings: [{probe: redis::memory, fields: {share: 0.9}}]
    expect:
      - at: 20m
        outcome: stuck
        why: it is read-only
        messages: [{kind: person}]
      - {at: 32m, phase: closed}
  - name: failures before raise the level, beyond the only plan
    history: {failures: [{rule: full, times: 3, ago: 2m}]}
    alerts: [{labels: {alertname: Full}}]
    readings: [{probe: redis::memory, fields: {share: 0.9}}]
    expect: [{outcome: escalated, level: 1}]
  - name: maintenance is waited for
    history: {maintenance: the hall is rebuilt}
    alerts: [{labels: {alertname: Full}, starts: -10m}]
    readings: [{probe: redis::memory, fails: nobody is there}, {probe: redis::memory, from: 20s, fields: {share: 0.9}}]
    expect:
      - {why: nobody is there, phase: waiting}
      - {at: 2m, verdicts: {maintenance: hold}, why: the hall is rebuilt, did: []}
  - name: what somebody else would take back is refused
    alerts: [{labels: {alertname: Full}}]
    actions: [{action: redis::config_set, contested_by: the operator of Redis}]
    readings: [{probe: redis::memory, fields: {share: 0.9}}]
    expect: [{verdicts: {ownership: refuse}, outcome: refused, why: the operator of Redis would take back, did: []}]
  - name: what runs elsewhere takes the places
    policy: {concurrent: 2}
    history: {remediations: [{rule: full, target: redis/other, times: 2, running: true}]}
    alerts: [{labels: {alertname: Full}}]
    readings: [{probe: redis::memory, fields: {share: 0.9}}]
    expect: [{verdicts: {concurrency: hold}, did: []}]
"#;
    let report = run(tests).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.page(false, false));
}

#[tokio::test]
async fn files_that_cannot_be_used() {
    let cases: [(&str, &[&str]); 11] = [
        ("  - {name: a, alerts: [], expect: [{outcome: recovered}]}\n", &["at least one alert is required"]),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}]}\n",
            &["a test without an expectation proves nothing"],
        ),
        (
            "  - {name: a, alert: [{labels: {alertname: A}}], expect: [{outcome: recovered}]}\n",
            &["rules/tests/full.yaml:3:15: tests[0].alert: unknown key", r#"did you mean "alerts"?"#],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}], expect: [{outcome: recoverd}]}\n",
            &["expected one of none, recovered", r#"did you mean "recovered"?"#],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}], expect: [{rule: ful}]}\n",
            &[r#"there is no rule "ful""#, r#"did you mean "full"?"#],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}], readings: [{probe: redis::memry, fields: {}}], expect: [{rule: full}]}\n",
            &["there is no probe redis::memry", "did you mean redis::memory?"],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}], readings: [{probe: redis::memory, fields: {shar: 1}}], expect: [{rule: full}]}\n",
            &[r#"redis::memory has no field "shar""#, r#"did you mean "share"?"#],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}}], readings: [{probe: 'redis::memory(\"other\")', fields: {}}], expect: [{rule: full}]}\n",
            &["tests[0].readings[0].probe: ", "other"],
        ),
        (
            "  - {name: a, alerts: [{labels: {alertname: A}, starts: soon}], policy: {mod: auto}, expect: [{verdicts: {cooldwn: hold}}]}\n",
            &[
                "expected a time such as -10m, 0s or 5m",
                "policy.mod: unknown key",
                r#"did you mean "cooldown"?"#,
            ],
        ),
        ("  - {name: a, alerts: [{labels: {alertname: A}}], expect: [{}]}\n", &["nothing is expected here"]),
        ("  - [\n", &["rules/tests/full.yaml:"]),
    ];
    for (tests, wanted) in cases {
        let page = run(tests).expect_err(tests);
        for part in wanted {
            assert!(page.contains(part), "{tests}\nlacks {part:?}:\n{page}");
        }
    }
}

#[tokio::test]
async fn what_keeps_tests_from_running() {
    let broken = run_in(&[("full", "fn plan(")], &format!("{HEAD}{GOOD}"), None).unwrap_err();
    assert!(broken.contains("rules/full.rhai"), "{broken}");
    let none = run_in(&[("full", RULE)], &format!("{HEAD}{GOOD}"), Some("hurts")).unwrap_err();
    assert!(none.contains(r#"no test has "hurts""#), "{none}");
    let one = run_in(&[("full", RULE)], &format!("{HEAD}{GOOD}"), Some("full.yaml: it h")).unwrap();
    assert_eq!(one.tests.len(), 1);
}

#[tokio::test]
async fn a_rule_that_no_test_asks_is_told() {
    let other = RULE.replace("Full", "Other");
    let report = run_in(&[("full", RULE), ("other", &other)], &format!("{HEAD}{GOOD}"), None).unwrap();
    assert!(
        report.page(false, true).contains("\nother           6         1  no test\n"),
        "{}",
        report.page(false, true)
    );
    assert_eq!(report.least_percent(), 0.0);
}

/// The gate: every shipped rule has tests, they pass, and they reach every statement and branch.
#[tokio::test]
async fn the_shipped_rules() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let report = super::run(&Selection { directory, filter: None }).unwrap();
    assert!(report.failed() == 0 && report.least_percent() == 100.0, "{}", report.page(false, true));
    assert_eq!(report.rules.len(), crate::shipped::rules().len());
}

#[test]
fn calls_are_read_as_rules_and_stories_write_them() {
    use call::Written;
    let good =
        ["pg::a", "pg.a", "pg::a()", r#"pg::a("x, )", 5, [1, 2], name: {"a": 1})"#, "pg::a( b : true )"];
    for text in good {
        assert!(Written::read(text).is_ok(), "{text}");
    }
    for text in ["pg", "pg::", "pg::a(", "pg::a(x)", "pg::a(1 2)", "pg::a(1) more", "p g::a(1)", "pg::a(1,"] {
        assert!(Written::read(text).is_err(), "{text}");
    }
}
