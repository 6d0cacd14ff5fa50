//! What is said of the commonest mistakes, word for word.

use std::collections::BTreeMap;

use crate::support::{compile, plan, rule, says, texts, view, with_header};

/// The parts of the diagnostics that stand for themselves: place, message, help.
fn faults(text: &str) -> Vec<String> {
    let faults = match compile(text) {
        Ok(rule) => rule.warnings().to_vec(),
        Err(faults) => faults,
    };
    faults
        .iter()
        .map(|fault| {
            let help = fault.help.as_deref().map(|help| format!(" | {help}")).unwrap_or_default();
            format!("{}:{} {}{help}", fault.line, fault.column, fault.message)
        })
        .collect()
}

#[test]
fn an_unknown_function_is_shown_like_a_compilers_error() {
    let text = with_header("fn plan(alert, seen) {\n    pg::terminte_idle(\"main\", \"10m\")\n}");
    assert_eq!(
        texts(&compile(&text).unwrap_err()),
        "error: unknown function pg::terminte_idle\n  --> x.rhai:3:5\n  |\n3 |     pg::terminte_idle(\"main\", \"10m\")\n  |     ^\n  \
         = help: did you mean pg::terminate_idle?"
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = r#"const RULE = #{ matchers: [`alertname=HighErrorRate}`], prioritee: "high", cooldown: "5min", mode: "off" };
const FINE = 1;
fn observe(alert) { #{ db: pg::connection("main") } }
fn plan(alert, seen) {
    let x = alert.lables.app + alert.namespace;
    if seen.dbs.share > settings.kafka_lag_treshold { return skp("no"); }
    let y = [1].filter(|v| v > FINE && v > x && v > unknwn);
    pg::terminate_idle("main");
    postgres::cancel("main").verfy(1, 2);
    sequence(a, y);
    argo::pause("a")
}"#;
    let expected = [
        "1:45 matcher: expected a comma or the end, found '}' | there is no opening brace before it",
        "1:57 unknown key prioritee in RULE | did you mean priority?",
    ];
    let found = faults(text);
    for line in expected {
        assert!(found.iter().any(|fault| fault == line), "{line}\nnot in {found:#?}");
    }
    insta_like(&found);
}

fn insta_like(found: &[String]) {
    let expected = [""];
    assert_eq!(found, expected);
}

#[test]
fn texts_that_are_no_rules() {
    let cases: &[(&str, &str)] = &[
        ("", ""),
        ("fn plan(alert, seen) { skip(\"x\") }", ""),
        ("const RULE = 5; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("let RULE = #{ matchers: [\"a=b\"] }; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("const RULE = #{ }; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("const RULE = #{ matchers: [] }; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("const RULE = #{ matchers: `a=b` }; fn plan(alert, seen) { skip(\"x\") }", ""),
        (
            "const RULE = #{ matchers: [`a=b`, 5], priority: \"urgent\", cooldown: 5 }; fn plan(alert, seen) { skip(\"x\") }",
            "",
        ),
        (
            "const RULE = #{ matchers: [`a=b`], escalation: #{ failures: 0, within: \"x\", of: 1 } }; fn plan(alert, seen) { skip(\"x\") }",
            "",
        ),
        ("const RULE = #{ matchers: [`a=~\"(\"`] }; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("H fn paln(alert, seen) { skip(\"x\") }", ""),
        ("H fn plan(alert) { skip(\"x\") }", ""),
        ("H let x = 5; print(x); fn plan(alert, seen) { skip(\"x\") }", ""),
        ("H fn plan(alert, seen) { let is = 5; skip(\"x\") }", ""),
        ("H fn plan(alert, seen) { eval(\"1\") }", ""),
        ("H import \"x\" as y; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("H fn plan(alert, seen) { this.x = 1 }", ""),
        ("H fn plan(alert, seen) { skip(\"x) }", ""),
        ("H fn plan(alert, seen) { skip(\"x\" }", ""),
        ("H fn plan(alert, seen) { sequence([pg::cancel(\"a\"), ]", ""),
        ("H fn plan(alert, seen) { if alert.level > 0 skip(\"x\") }", ""),
        ("H fn plan(alert, seen) { sleep(5) }", ""),
        ("H fn plan(alert, seen) { terminate_idle(\"a\", \"5m\") }", ""),
        ("H const X = 1 / 0; fn plan(alert, seen) { skip(\"x\") }", ""),
        ("H fn plan(alert, seen) { X = 5; skip(\"x\") }", ""),
        ("H fn f(x) { x } fn plan(alert, seen) { f(1, 2) }", ""),
        ("H fn plan(alert, seen) { pg::MAX }", ""),
    ];
    let header = "const RULE = #{ matchers: [`a=b`] };";
    for (text, expected) in cases {
        println!("{text:?}\n    {:#?}", faults(&text.replacen("H ", &format!("{header} "), 1)));
        let _ = expected;
    }
}

#[test]
fn faults_of_running_rules() {
    let cases: &[(&str, &str, &str)] = &[
        ("pg::terminate_idle(alert.labels.nothing, \"10m\")", "", ""),
        ("pg::terminate_idle(\"main\", 600)", "", ""),
        ("pg::terminate_idle(\"a\\\"b\", \"10m\")", "", ""),
        ("pg::connections(\"refuse\")", "", ""),
        ("pg::cancel(\"a\").retry(11, \"2s\")", "", ""),
        ("pg::cancel(\"a\").retry(1, \"2s\").retry(1, \"2s\")", "", ""),
        ("pg::cancel(\"a\").timeout(\"0s\")", "", ""),
        ("pg::cancel(\"a\").verify(pg::connections(\"a\"), \"2m\")", "", ""),
        ("pg::cancel(\"a\").verify(true, \"2m\")", "", ""),
        ("pg::cancel(\"a\").needs_approval(\"\")", "", ""),
        ("sequence([pg::cancel(\"a\")]).verify(pg::connections(\"a\").below(1), \"2m\")", "", ""),
        ("pg::connections(\"a\").shares.below(1)", "", ""),
        ("pg::connections(\"a\").by.below(1)", "", ""),
        ("pg::connections(\"a\").below(\"1\")", "", ""),
        ("pg::connections(\"a\").falls_by(20)", "", ""),
        ("all_of([true])", "", ""),
        ("sequence([])", "", ""),
        ("sequence([skip(\"x\")])", "", ""),
        ("[pg::cancel(\"a\")]", "", ""),
        ("pg::cancel(\"a\");", "", ""),
        ("5", "", ""),
        ("skip(\" \")", "", ""),
        ("seen.nothing.share", "", ""),
        ("alert.labels.nothing.len()", "", ""),
        ("alert.labels.x = \"y\"", "", ""),
        ("alert.age = 5", "", ""),
        ("alert.labels.nothing + 5", "", ""),
        ("1 / 0", "", ""),
        ("[1, 2][5]", "", ""),
        ("throw \"enough\"", "", ""),
        ("let limit = 1; let f = |x| x > limit; limit = 2; f.call(1)", "", ""),
        ("let a = [1]; let f = |x| a.contains(x); a.push(2); f.call(1)", "", ""),
        ("settings[alert.labels.app]", "", ""),
        ("settings.teams = 5", "", ""),
        ("if 5 { 1 }", "", ""),
        ("\"abc\".sub_string(\"x\")", "", ""),
    ];
    for (body, kind, expected) in cases {
        match plan(body) {
            Err(fault) => println!(
                "{body}\n    {} {}:{} {} | {:?}",
                fault.kind.name(),
                fault.diagnostic.line,
                fault.diagnostic.column,
                fault.diagnostic.message,
                fault.diagnostic.help
            ),
            Ok(decision) => println!("{body}\n    OK {decision:?}"),
        }
        let _ = (kind, expected);
    }
    let _ = says;
    let observe = |body: &str| {
        rule(&with_header(&format!("fn observe(alert) {{ {body} }} fn plan(alert, seen) {{ skip(\"x\") }}")))
            .observe(&view())
    };
    for body in ["5", "#{ a: 5 }", "#{ a: pg::connections(\"a\").share }", "pg::connections(\"a\")", ""] {
        println!("observe {body}: {:?}", observe(body).map_err(|fault| fault.to_string()));
    }
    let _: BTreeMap<(), ()> = BTreeMap::new();
}
