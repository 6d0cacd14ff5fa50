//! What rules can say, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_core::condition::Reading;
use selfheal_core::plan::Decision;
use selfheal_core::rule::{Component, Mode, Priority};
use selfheal_script::{Compiler, Limits};
use serde_json::json;

use crate::catalog::several;
use crate::support::{observed, plan, readings, rule, says, settings, settle, view, view_of, with_header};

/// Which of several targets an alert is about, its label says where a call does not.
#[test]
fn what_a_call_does_not_name_is_taken_from_the_alert() {
    let still = Arc::new(|| std::time::Duration::ZERO);
    let compiler = Compiler::with_clock(&several(), settings(), Limits::default(), still);
    let of = |call: &str, labels: &[(&str, &str)]| {
        let text = format!(
            "fn observe(alert) {{ #{{ it: k8s::state(`web`) }} }}\nfn plan(alert, seen) {{ {call}.verify(k8s::state(`web`).equals(`up`), `1m`) }}"
        );
        let rule = compiler.compile("x", &with_header(&text)).unwrap();
        let view = view_of(labels);
        let plan = settle(rule.plan(&view, &BTreeMap::new()).unwrap());
        let step = plan.steps()[0].clone();
        let probe = step.options.verify.unwrap().condition.probes()[0].key();
        (rule.observe(&view).unwrap()["it"].key(), step.action.text(), probe)
    };
    let (edge, none) = (r#"k8s::state(cluster: "edge", name: "web")"#, r#"k8s::state(name: "web")"#);
    let label = [("alertname", "X"), ("cluster", "edge")];
    let cases = [
        ("k8s::restart(`web`)", &label[..], edge, r#"k8s::restart(cluster: "edge", name: "web")"#),
        ("k8s::restart(`web`, `lab`)", &label, edge, r#"k8s::restart(cluster: "lab", name: "web")"#),
        ("k8s::restart(`web`, ())", &label, edge, r#"k8s::restart(cluster: "edge", name: "web")"#),
        ("k8s::restart(`web`)", &label[..1], none, r#"k8s::restart(name: "web")"#),
        ("k8s::note(`hm`)", &label, edge, r#"k8s::note(text: "hm")"#),
    ];
    for (call, labels, read, done) in cases {
        assert_eq!(of(call, labels), (read.to_owned(), done.to_owned(), read.to_owned()), "{call}");
    }
}

/// The example of the design, word for word.
const EXAMPLE: &str = r#"//! Stop a canary that burns the error budget; the stable version keeps serving.

const RULE = #{
    matchers: [`alertname=~"(Predator)?HighErrorRate"`],   // Alertmanager's own matcher syntax
    priority: "critical",                                  // critical, high, medium, low
    cooldown: "5m",
    component: "compute",                                  // which part of the health score it weighs on
};

/// What to read before deciding.
fn observe(alert) {
    #{ rollout: argo::rollout(alert.labels.namespace, alert.labels.rollout) }
}

/// What to do about it.
fn plan(alert, seen) {
    if seen.rollout.phase != "Progressing" {
        return skip("no canary in progress");
    }
    let ratio = prom::query(`sum(rate(http_requests_total{app="${alert.labels.app}",status=~"5.."}[1m]))
                           / sum(rate(http_requests_total{app="${alert.labels.app}"}[1m]))`);
    fallback([
        argo::pause(alert.labels.namespace, alert.labels.rollout).verify(ratio.below(0.05), "2m"),
        argo::abort(alert.labels.namespace, alert.labels.rollout).verify(ratio.below(0.05), "5m"),
    ])
}
"#;

#[test]
fn the_designs_example_compiles_and_decides() {
    let rule = rule(EXAMPLE);
    let header = rule.header();
    assert_eq!(header.doc, "Stop a canary that burns the error budget; the stable version keeps serving.");
    assert_eq!(header.priority, Priority::Critical);
    assert_eq!(header.matchers[0].to_string(), r#"alertname=~"(Predator)?HighErrorRate""#);
    assert!(rule.warnings().is_empty(), "{:?}", rule.warnings());

    let probes = rule.observe(&view()).unwrap();
    assert_eq!(probes["rollout"].key(), r#"argo::rollout(namespace: "shop", rollout: "web")"#);

    let idle = readings(&[("rollout", json!({ "phase": "Healthy" }))]);
    assert_eq!(rule.plan(&view(), &idle).unwrap(), Decision::Skip("no canary in progress".into()));

    let progressing = readings(&[("rollout", json!({ "phase": "Progressing" }))]);
    let plan = settle(rule.plan(&view(), &progressing).unwrap());
    let steps = plan.steps();
    assert_eq!(steps[0].action.text(), r#"argo::pause(namespace: "shop", rollout: "web")"#);
    assert_eq!(steps[0].line, Some(23));
    let verify = steps[1].options.verify.as_ref().unwrap();
    assert_eq!(verify.within.to_string(), "5m");
    assert!(verify.condition.to_string().ends_with(".value is below 0.05"), "{}", verify.condition);
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let readings = readings(&[("rollout", json!({ "phase": "Progressing" }))]);
    let hash = || settle(rule(EXAMPLE).plan(&view(), &readings).unwrap()).hash();
    let first = hash();
    assert!((0..20).all(|_| hash() == first));
    // Moving the text changes lines, and not what is done.
    let moved = rule(&format!("//! Moved.\n\n\n{EXAMPLE}"));
    assert_eq!(settle(moved.plan(&view(), &readings).unwrap()).hash(), first);
}

#[test]
fn headers_are_read_whole() {
    let text = r#"//! First line.
//!
//!   * second
const RULE = #{
    matchers: [`a="1", b!="2"`, "c=~\"x|y\""], priority: "low", cooldown: "1h", component: "database", mode: "approve",
    escalation: #{ failures: 5, within: "1h" },
};
fn plan(alert, seen) { skip("no") }"#;
    let rule = rule(text);
    let header = rule.header();
    let matchers: Vec<String> = header.matchers.iter().map(ToString::to_string).collect();
    assert_eq!(matchers, [r#"a="1""#, r#"b!="2""#, r#"c=~"x|y""#]);
    assert_eq!(header.doc, "First line.\n\n  * second");
    assert_eq!(
        (header.priority, header.component, header.mode),
        (Priority::Low, Component::Database, Some(Mode::Approve))
    );
    assert_eq!((header.escalation.failures, header.escalation.within.to_string().as_str()), (5, "1h"));
    assert_eq!(header.cooldown.to_string(), "1h");
    assert!(rule.observe(&view()).unwrap().is_empty());

    let defaults = crate::support::rule(&with_header("fn plan(alert, seen) { skip(\"no\") }"));
    let header = defaults.header();
    assert_eq!(
        (header.priority, header.component, header.mode),
        (Priority::Medium, Component::Compute, None)
    );
    assert_eq!((header.cooldown.to_string().as_str(), header.escalation.failures), ("5m", 3));
}

#[test]
fn expressions_do_what_authors_expect() {
    let cases = [
        ("alert.labels.namespace", "shop"),
        ("alert.labels[\"namespace\"]", "shop"),
        ("alert[\"labels\"].rollout", "web"),
        ("alert.labels.missing == ()", "true"),
        ("alert.labels.missing == \"x\"", "false"),
        ("alert.labels.missing ?? \"none\"", "none"),
        ("\"app\" in alert.labels", "true"),
        ("\"missing\" in alert.labels", "false"),
        ("alert.labels.keys().len()", "5"),
        ("alert.annotations.summary", "it \"burns\""),
        ("alert.name + alert.alertname", "XX"),
        ("alert.status", "firing"),
        ("alert.age", "90.5"),
        ("alert.age > 60", "true"),
        ("alert.level", "1"),
        ("alert.starts_at", "2026-11-22T03:34:39Z"),
        ("settings.kafka_lag_threshold", "15000"),
        ("settings.teams.db", "storage"),
        ("settings.postgres_conn_threshold * 100", "85.0"),
        ("seen.db.share", "0.9"),
        ("seen.db.by.user", "3"),
        ("seen.db.total == ()", "true"),
        ("seen.db[\"share\"]", "0.9"),
        ("seen.db.list.len()", "3"),
        ("seen.db.list.filter(|x| x > 1).len()", "2"),
        ("seen.db", r#"{"by":{"user":3},"list":[1,2,3],"share":0.9}"#),
        ("is_known(seen.db)", "true"),
        ("is_known(seen.db.total)", "false"),
        ("duration(\"1h30m\")", "5400.0"),
        ("min(3, 10) + max(1, 2)", "5"),
        ("min(1.5, 2)", "1.5"),
        ("(2.3).ceiling()", "3.0"),
        ("ceil(2.3)", "3.0"),
        ("round(2.5)", "3.0"),
        ("round(3)", "3"),
        ("(2.7).floor()", "2.0"),
        ("(2.7).to_int()", "2"),
        ("(7).to_float() / 2", "3.5"),
        ("7 / 2", "3"),
        ("2 ** 10", "1024"),
        ("abs(-3)", "3"),
        ("\"a-b\".split(\"-\").len()", "2"),
        ("\"Web\".to_lower()", "web"),
        ("\"abc\".contains(\"b\")", "true"),
        ("\"abc\".starts_with(\"ab\")", "true"),
        ("\"abcdef\".sub_string(1, 3)", "bcd"),
        ("parse_int(\"42\") + 1", "43"),
        ("parse_float(\"0.5\")", "0.5"),
        ("[3, 1, 2].map(|x| x * 2).reduce(|a, b| a + b, 0)", "12"),
        ("type_of(alert)", "Alert"),
        ("type_of(pg::connections(\"main\"))", "Probe"),
        ("LIMIT_FREE()", "7"),
        ("pg::connections(\"main\").share", r#"pg::connections(database: "main").share"#),
        (
            "pg::connections(\"main\").by.user.below(5)",
            r#"pg::connections(database: "main").by.user is below 5"#,
        ),
        ("log::write(\"a\")", r#"log::write(text: "a")"#),
        ("if alert.level > 0 { \"again\" } else { \"first\" }", "again"),
        ("switch alert.status { \"firing\" => 1, _ => 2 }", "1"),
    ];
    for (expression, expected) in cases {
        let expression =
            expression.replace("LIMIT_FREE()", "{ let limit = 3; let f = |x| x + limit; f.call(4) }");
        match says(&expression) {
            Ok(text) => assert_eq!(text, expected, "{expression}"),
            Err(fault) => panic!("{fault}"),
        }
    }
}

#[test]
fn constants_helpers_and_settings_are_seen_in_functions() {
    let text = with_header(
        r#"
const DATABASE = "main";
const HALF = settings.kafka_lag_threshold / 2;
const NAMES = ["a", "b"];
fn target(alert) { alert.labels.database ?? DATABASE }
fn count(n) { if n == 0 { 0 } else { 1 + count(n - 1) } }
fn counts(all) { all.map(|n| [n].map(|m| count(m)).len()) }
fn observe(alert) { #{ db: pg::connections(target(alert)) } }
fn plan(alert, seen) {
    let over = NAMES.filter(|name| name != "a" && HALF > 1);
    if count(12) != 12 || counts([1, 2]) != [1, 1] { return skip("depth"); }
    if over.len() != 1 || HALF != 7500 { return skip(`${over} ${HALF}`); }
    pg::terminate_idle(target(alert), "600s", 5)
}"#,
    );
    let rule = rule(&text);
    let probes = rule.observe(&view_of(&[("alertname", "X")])).unwrap();
    assert_eq!(probes["db"].key(), r#"pg::connections(database: "main")"#);
    let plan = settle(rule.plan(&view(), &BTreeMap::new()).unwrap());
    assert_eq!(
        plan.steps()[0].action.text(),
        r#"pg::terminate_idle(database: "main", idle_for: "10m", limit: 5)"#
    );
}

#[test]
fn step_options_reach_the_plan() {
    let decision = plan(
        r#"let db = pg::connections("main");
        let better = all_of([db.below(0.7), any_of([db.total.at_most(50), db.field("by.user").falls_by(0.2)])]);
        pg::terminate_idle("main", "10m")
            .verify(better, "2m").retry(3, "2s").timeout("10s").revert_after("30m")
            .keep_on_failure().needs_approval("it hurts")"#,
    );
    let plan = settle(decision.unwrap());
    let options = serde_json::to_value(&plan.steps()[0].options).unwrap();
    let call = r#"pg::connections(database: "main")"#;
    assert_eq!(
        plan.steps()[0].options.verify.as_ref().unwrap().condition.to_string(),
        format!(
            "({call}.share is below 0.7) and (({call}.total is at most 50) or ({call}.by.user is 20 % lower than before))"
        )
    );
    assert_eq!(options["retry"], json!({ "times": 3, "first_delay": "2s" }));
    assert_eq!(options["timeout"], "10s");
    assert_eq!(options["revert_after"], "30m");
    assert_eq!(options["keep_on_failure"], true);
    assert_eq!(options["needs_approval"], "it hurts");
}

#[test]
fn plans_take_every_form() {
    let step = r#"pg::cancel("main")"#;
    let cases = [
        (step.to_owned(), vec!["0"]),
        (format!("sequence([{step}, {step}])"), vec!["0.0", "0.1"]),
        (format!("fallback([{step}, sequence([{step}, {step}])])"), vec!["0.0", "0.1.0", "0.1.1"]),
        (format!("best([{step}, {step}])"), vec!["0.0", "0.1"]),
        (format!("escalate([{step}, fallback([{step}])])"), vec!["0"]),
        (
            format!("let s = {step}; let t = s.timeout(\"1s\"); sequence([s, t, s])"),
            vec!["0.0", "0.1", "0.2"],
        ),
        (
            format!("let all = []; for i in 0..3 {{ all.push({step}); }} sequence(all)"),
            vec!["0.0", "0.1", "0.2"],
        ),
        (format!("return {step};"), vec!["0"]),
        (format!("let all = []; all.pad(64, {step}); escalate([sequence(all)])"), vec!["0.0"; 64]),
    ];
    for (body, expected) in cases {
        let plan = settle(plan(&body).unwrap());
        let paths: Vec<&str> = plan.steps().iter().map(|step| step.path.as_str()).collect();
        if expected.len() < 64 {
            assert_eq!(paths, expected, "{body}");
        }
        assert_eq!(paths.len(), expected.len(), "{body}");
    }
}

#[test]
fn an_inconclusive_reading_says_why_and_nothing_else() {
    let text = with_header(
        r#"fn observe(alert) { #{ db: pg::connections("main") } }
        fn plan(alert, seen) { skip(`${is_known(seen.db)} ${seen.db.inconclusive} ${seen.db.get("share") == ()}`) }"#,
    );
    let reading = observed("db", Reading::Inconclusive("no data".into()));
    let readings = BTreeMap::from([("db".to_owned(), reading)]);
    assert_eq!(rule(&text).plan(&view(), &readings).unwrap(), Decision::Skip("false no data true".into()));
}

#[test]
fn labels_are_data_whatever_is_in_them() {
    let nasty = "x\"} or vector(0) # ${alert} `\\\n<!channel>'; DROP TABLE";
    let text = with_header(r#"fn plan(alert, seen) { argo::pause(alert.labels.app, alert.labels.app) }"#);
    let fault = rule(&text).plan(&view_of(&[("app", nasty)]), &BTreeMap::new()).unwrap_err();
    assert_eq!(fault.kind.name(), "refused");
    assert!(fault.diagnostic.message.contains(r#"has a quote in it"#), "{fault}");
    let harmless = nasty.replace('"', "'");
    let plan = settle(rule(&text).plan(&view_of(&[("app", &harmless)]), &BTreeMap::new()).unwrap());
    assert_eq!(plan.steps()[0].action.params["rollout"], harmless.as_str());
}

#[test]
fn what_is_printed_is_kept_as_notes() {
    let text = with_header(
        "fn plan(alert, seen) {\n    print(`level ${alert.level}`);\n    debug(\"x\");\n    skip(\"no\")\n}",
    );
    let traced = rule(&text).plan_traced(&view(), &BTreeMap::new());
    assert_eq!(traced.notes, ["level 1", "line 4: \"x\""]);
    assert!(traced.operations > 3 && traced.result.is_ok());
}
