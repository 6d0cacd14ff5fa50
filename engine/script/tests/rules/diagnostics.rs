//! What is said of the commonest mistakes, word for word.

use std::collections::BTreeMap;

use selfheal_core::condition::Reading;
use selfheal_script::{Diagnostic, RuleFault};

use crate::support::{compile, observed, plan, rule, texts, view, with_header};

const HEADER: &str = "const RULE = #{ matchers: [`a=b`] };";

/// Place, message and help on one line.
fn line(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.as_deref().map(|help| format!(" | {help}")).unwrap_or_default();
    format!("{}:{} {}{help}", diagnostic.line, diagnostic.column, diagnostic.message)
}

/// The diagnostics of a text, a line for each.
fn faults(text: &str) -> String {
    let faults = match compile(text) {
        Ok(rule) => rule.warnings().to_vec(),
        Err(faults) => faults,
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A fault of a running rule, on one line.
fn fault(fault: &RuleFault) -> String {
    format!("{} {}", fault.kind.name(), line(&fault.diagnostic))
}

/// Compares all cases before it fails, and prints what was found in a form that can be taken over.
fn check(cases: &[(&str, &str)], found: impl Fn(&str) -> String) {
    let mut differences = String::new();
    for (case, expected) in cases {
        let found = found(case);
        if found != *expected {
            differences.push_str(&format!("(\n{case:?},\n{found:?},\n),\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
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
    check(
        &[(
            text,
            "1:52 matcher: expected a comma or the end, found '}' | there is no opening brace before it\n\
             1:57 unknown key prioritee in RULE | did you mean priority?\n\
             1:86 cooldown: \"5min\" is no span of time: unknown unit, expected one of ms, s, m, h, d, w, y at byte 1; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"\n\
             1:100 unknown mode \"off\" | expected one of shadow, approve, auto\n\
             3:28 unknown function pg::connection | did you mean pg::connections?\n\
             5:19 an alert has no property lables | did you mean alert.labels?\n\
             5:38 an alert has no property namespace | a label is alert.labels.namespace\n\
             6:34 unknown setting settings.kafka_lag_treshold | did you mean settings.kafka_lag_threshold?\n\
             6:62 unknown function skp | did you mean skip?\n\
             7:53 unknown variable unknwn\n\
             8:5 pg::terminate_idle does not take 1 argument(s) | pg::terminate_idle(database: text, idle_for: duration such as \"5m\", limit?: whole number)\n\
             9:5 unknown adapter postgres | there are argo, log, pg, prom\n\
             9:30 unknown function verfy | did you mean verify?\n\
             10:5 sequence does not take 2 argument(s) | it takes 1\n\
             10:14 unknown variable a\n\
             11:5 argo::pause does not take 1 argument(s) | argo::pause(namespace: text, rollout: text)",
        )],
        faults,
    );
}

#[test]
fn texts_that_are_no_rules() {
    let cases = [
        (
            "",
            "0:0 the rule has no header | begin with const RULE = #{ matchers: [`alertname=\"HighErrorRate\"`] };\n\
             0:0 the rule has no fn plan(alert, seen) | fn plan(alert, seen) { .. } decides what to do",
        ),
        (
            "fn plan(alert, seen) { skip(\"x\") }",
            "0:0 the rule has no header | begin with const RULE = #{ matchers: [`alertname=\"HighErrorRate\"`] };",
        ),
        (
            "const RULE = 5; fn plan(alert, seen) { skip(\"x\") }",
            "1:14 the header must be a map: const RULE = #{ matchers: [..] };",
        ),
        (
            "let RULE = #{ matchers: [\"a=b\"] }; fn plan(alert, seen) { skip(\"x\") }",
            "1:1 the header must be a constant | write const RULE\n\
             1:1 a variable outside of functions | write const RULE",
        ),
        (
            "const RULE = #{ }; fn plan(alert, seen) { skip(\"x\") }",
            "1:1 the header has no matchers | matchers: [`alertname=\"HighErrorRate\"`, `severity=~\"critical|warning\"`]",
        ),
        (
            "const RULE = #{ matchers: [] }; fn plan(alert, seen) { skip(\"x\") }",
            "1:27 matchers is empty: the rule would be for every alert | matchers: [`alertname=\"HighErrorRate\"`, `severity=~\"critical|warning\"`]",
        ),
        (
            "const RULE = #{ matchers: `a=b` }; fn plan(alert, seen) { skip(\"x\") }",
            "1:27 matchers must be an array of texts | matchers: [`alertname=\"HighErrorRate\"`, `severity=~\"critical|warning\"`]",
        ),
        (
            "const RULE = #{ matchers: [`a=b`, 5], priority: \"urgent\", cooldown: 5 }; fn plan(alert, seen) { skip(\"x\") }",
            "1:35 a matcher must be a plain text | matchers: [`alertname=\"HighErrorRate\"`, `severity=~\"critical|warning\"`]\n\
             1:49 unknown priority \"urgent\" | expected one of critical, high, medium, low\n\
             1:69 cooldown must be a plain text",
        ),
        (
            "const RULE = #{ matchers: [`a=b`], escalation: #{ failures: 0, within: \"x\", of: 1 } }; fn plan(alert, seen) { skip(\"x\") }",
            "1:61 failures must be a whole number from 1 to 1000\n\
             1:72 within: \"x\" is no span of time: expected a whole number at byte 0; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"\n\
             1:77 unknown key of in escalation | known are failures, within",
        ),
        (
            "const RULE = #{ matchers: [`a=~\"(\"`] }; fn plan(alert, seen) { skip(\"x\") }",
            "1:33 matcher: the expression is malformed: unclosed group | balance the parentheses, or write \\( for the character itself",
        ),
        (
            "const RULE = #{ matchers: [`a=b`] }; fn paln(alert, seen) { skip(\"x\") }",
            "0:0 the rule has no fn plan(alert, seen) | did you mean plan where you wrote paln?",
        ),
        (
            "const RULE = #{ matchers: [`a=b`] };\nfn plan(alert) { skip(\"x\") }",
            "2:1 plan has 1 parameter(s), expected fn plan(alert, seen)",
        ),
    ];
    check(&cases, faults);
}

#[test]
fn what_stands_in_functions_and_around_them() {
    let cases = [
        (
            "let x = 5; print(x); fn plan(alert, seen) { skip(\"x\") }",
            "1:38 a variable outside of functions | write const x\n\
             1:49 a statement outside of functions | only constants and functions may stand at the top of a rule",
        ),
        (
            "fn plan(alert, seen) { let is = 5; skip(\"x\") }",
            "1:65 is is reserved by the rule language | choose another name",
        ),
        (
            "fn plan(alert, seen) { eval(\"1\") }",
            "1:61 eval is not available in rules | a rule is what its text says; write the code itself",
        ),
        (
            "import \"x\" as y; fn plan(alert, seen) { skip(\"x\") }",
            "1:38 import is not available in rules | a rule is one file; adapters are there by their names: pg::connections(..)",
        ),
        (
            "fn plan(alert, seen) { this.x = 1 }",
            "1:61 this is not available in rules | give the function a parameter: |x| x + 1",
        ),
        (
            "fn plan(alert, seen) { skip(\"x) }",
            "1:66 the text is not closed | close it with the quote that opened it; texts over several lines stand in backticks",
        ),
        (
            "fn plan(alert, seen) { skip(\"x\" }",
            "1:70 expected , to separate the arguments to function call 'skip'",
        ),
        (
            "fn plan(alert, seen) { sequence([pg::cancel(\"a\"), ]",
            "1:89 expected ) to close the arguments list of this function call 'sequence'",
        ),
        (
            "fn plan(alert, seen) { if alert.level > 0 skip(\"x\") }",
            "1:80 expected { to start a statement block",
        ),
        ("fn plan(alert, seen) { if 5 { 1 } }", "1:64 expecting a boolean expression, not a number"),
        ("fn plan(alert, seen) { sleep(5) }", "1:61 unknown function sleep"),
        (
            "fn plan(alert, seen) { terminate_idle(\"a\", \"5m\") }",
            "1:61 unknown function terminate_idle | did you mean pg::terminate_idle?",
        ),
        ("const X = 1 / 0; fn plan(alert, seen) { skip(\"x\") }", "1:50 division by zero: 1 / 0"),
        (
            "const X = settings.kafka; fn plan(alert, seen) { skip(\"x\") }",
            "1:57 unknown setting settings.kafka | known are kafka_lag_threshold, postgres_conn_threshold, teams",
        ),
        ("fn plan(alert, seen) { X = 5; skip(\"x\") }", "1:61 unknown variable X"),
        ("fn f(x) { x } fn plan(alert, seen) { f(1, 2) }", "1:75 f does not take 2 argument(s) | it takes 1"),
        (
            "fn f(x) { alert.level } fn plan(alert, seen) { f(1) }",
            "1:48 unknown variable alert | it is defined elsewhere, and not seen here: pass it as an argument",
        ),
        ("fn plan(alert, seen) { pg::MAX }", "1:65 unknown constant pg::MAX"),
        (
            "fn plan(alert, seen) { pg.cancel(\"a\") }",
            "1:61 unknown variable pg | write pg::..\n\
             1:64 unknown function cancel | did you mean pg::cancel?",
        ),
        (
            "fn plan(alert, seen) { pg::cancel(\"a\").retry(3) }",
            "1:77 retry does not take 1 argument(s) | it takes 2",
        ),
        (
            "fn plan(alert, seen) { seen.db.share }",
            "1:66 observe asks for no probe db | observe asks for nothing",
        ),
        (
            "fn observe(alert) { let all = #{}; all.db = pg::connections(\"a\"); all } fn plan(alert, seen) { seen.db.share }",
            "",
        ),
        ("fn plan(alert, seen) { let n = 1; [1].map(|x| x + n + m) }", "1:92 unknown variable m"),
        ("fn plan(alert, seen) { try { 1 } catch (e) { e } for (x, i) in [1] { x + i; } skip(\"x\") }", ""),
    ];
    check(&cases, |text| faults(&format!("{HEADER} {text}")));
}

#[test]
fn faults_of_running_rules() {
    let cases = [
        (
            "pg::terminate_idle(alert.labels.nothing, \"10m\")",
            "refused 3:5 pg::terminate_idle: database: expected text, found () (nothing) | the label, annotation or field it comes from is missing",
        ),
        (
            "pg::terminate_idle(\"main\", 600)",
            "3:28 pg::terminate_idle: idle_for: expected duration such as \"5m\", found 600 | for seconds write \"600s\"",
        ),
        (
            "pg::terminate_idle(\"a\\\"b\", \"10m\")",
            "refused 3:5 pg::terminate_idle: database: \"a\\\"b\" has a quote in it",
        ),
        (
            "log::write(5)",
            "3:12 log::write: text: expected text, found 5 | turn it into text with .to_string()",
        ),
        ("pg::connections(\"refuse\")", "refused 3:5 pg::connections: refused {\"database\":\"refuse\"}"),
        ("pg::cancel(\"a\").retry(11, \"2s\")", "3:23 retry: a step may be tried 1 to 10 further times"),
        (
            "pg::cancel(\"a\").retry(1, \"2s\").retry(1, \"2s\")",
            "refused 3:32 retry was already set on this step",
        ),
        ("pg::cancel(\"a\").timeout(\"0s\")", "3:25 timeout: no time at all"),
        (
            "pg::cancel(\"a\").verify(pg::connections(\"a\"), \"2m\")",
            "refused 3:17 verify: expected a condition, found a probe | compare the probe: probe.below(0.05)",
        ),
        ("pg::cancel(\"a\").verify(true, \"2m\")", "refused 3:17 verify: expected a condition, found true"),
        (
            "pg::cancel(\"a\").verify(pg::connections(\"a\").below(1), 120)",
            "3:55 verify: expected duration such as \"5m\", found 120 | for seconds write \"120s\"",
        ),
        ("pg::cancel(\"a\").needs_approval(\"\")", "refused 3:17 needs_approval: say why"),
        (
            "sequence([pg::cancel(\"a\")]).verify(pg::connections(\"a\").below(1), \"2m\")",
            "script 3:29 verify() does not take Plan, Condition, a text | verify belongs to a step, not to a combinator",
        ),
        (
            "pg::connections(\"a\").shares.below(1)",
            "3:22 a reading of pg::connections has no field shares | did you mean share?",
        ),
        (
            "pg::connections(\"a\").by.below(1)",
            "3:25 a reading of pg::connections has no field by | it has share, total, by.user",
        ),
        (
            "prom::query(\"up\").labels.job.equals(\"x\")",
            "wrong_return 2:1 plan must return a step, a combinator or skip(why), found a condition",
        ),
        ("pg::connections(\"a\").below(\"1\")", "refused 3:22 below: expected a number, found \"1\""),
        (
            "pg::connections(\"a\").falls_by(20)",
            "refused 3:22 falls_by: expected a share above 0, up to 1, found 20 | a share is a part of one: 0.2 is 20 %",
        ),
        (
            "pg::connections(\"a\").equals([])",
            "refused 3:22 equals: expected a text, a number, true or false, found an array",
        ),
        (
            "all_of([true])",
            "refused 3:1 all_of: element 0 must be a condition, found true | compare a probe first: probe.below(5)",
        ),
        ("any_of([])", "refused 3:1 any_of([]) joins nothing"),
        ("sequence([])", "refused 3:1 sequence([]) has no steps | to do nothing, return skip(why)"),
        (
            "sequence([skip(\"x\")])",
            "refused 3:1 sequence: element 0 must be a step or a combinator, found a skip | skip(why) stands alone: return it",
        ),
        (
            "sequence([[pg::cancel(\"a\")]])",
            "refused 3:1 sequence: element 0 must be a step or a combinator, found an array | wrap the inner array in sequence([..]) or fallback([..])",
        ),
        (
            "[pg::cancel(\"a\")]",
            "wrong_return 2:1 plan must return a step, a combinator or skip(why), found an array | say how its steps belong together: sequence([..]), fallback([..])",
        ),
        (
            "if alert.level > 9 { skip(\"x\") }",
            "wrong_return 2:1 plan must return a step, a combinator or skip(why), found nothing | every way through plan must end in one of them",
        ),
        ("5", "wrong_return 2:1 plan must return a step, a combinator or skip(why), found 5"),
        (
            "pg::connections(\"a\")",
            "wrong_return 2:1 plan must return a step, a combinator or skip(why), found a probe",
        ),
        ("skip(\" \")", "refused 3:1 skip: say why"),
        (
            "seen.nothing.share",
            "script 3:14 nothing has no property share | what stands left of the dot is missing: a label, a field of a reading, or a result",
        ),
        (
            "alert.labels.nothing.len()",
            "script 3:22 len() does not take nothing | what is missing is a label, a field of a reading, or a result; test it with is_known()",
        ),
        (
            "alert.labels.x = \"y\"",
            "script 3:14 x of Labels cannot be set | constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed",
        ),
        (
            "alert.age = 5",
            "script 3:7 age of Alert cannot be set | constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed",
        ),
        (
            "alert.labels.nothing + 5",
            "script 3:22 the operator + does not take nothing and a whole number | what is missing is a label, a field of a reading, or a result; test it with is_known()",
        ),
        ("1 / 0", "script 3:3 division by zero: 1 / 0"),
        ("9223372036854775807 + 1", "script 3:21 addition overflow: 9223372036854775807 + 1"),
        ("[1, 2][5]", "script 3:8 array index 5 out of bounds: only 2 elements in array"),
        ("throw \"enough\"", "script 3:1 the rule threw: enough"),
        (
            "let limit = 1; let f = |x| x > limit; limit = 2; f.call(1)",
            "script 3:39 cannot change limit | constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed",
        ),
        (
            "let a = [1]; let f = |x| a.contains(x); a.push(2); f.call(1)",
            "script 3:43 push() would change a value that cannot be changed | constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed",
        ),
        (
            "settings[alert.labels.app]",
            "script 3:9 unknown setting settings.web | known are kafka_lag_threshold, postgres_conn_threshold, teams",
        ),
        (
            "settings.teams = 5",
            "script 3:10 teams of Reading cannot be set | constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed",
        ),
        ("if alert.level { 1 }", "script 3:9 expected true or false, found a whole number"),
        ("\"abc\".sub_string(\"x\")", "script 3:7 sub_string() does not take a text, a text"),
        (
            "loop {}",
            "operations 2:1 stopped after 50000 operations | a rule decides; what needs long loops belongs into an adapter",
        ),
        (
            "let a = []; loop { a.push(1); }",
            "size 2:1 too large: size of array/blob | texts may have 4096 bytes, arrays and maps 256 elements, with what is inside them",
        ),
        (
            "let m = #{}; loop { m.a = m; m.b = m; }",
            "size 2:1 too large: size of object map | texts may have 4096 bytes, arrays and maps 256 elements, with what is inside them",
        ),
        ("let f = |g| g.call(g); f.call(f)", "size 2:1 functions call each other more than 16 deep"),
    ];
    // The same is said of what is computed, when it is used.
    let cases: Vec<_> = cases
        .into_iter()
        .chain([
            (
                "let n = 5; log::write(n)",
                "refused 3:17 log::write: text: expected text, found 5 | turn it into text with .to_string()",
            ),
            (
                "let times = 11; pg::cancel(\"a\").retry(times, \"2s\")",
                "refused 3:33 retry: a step may be tried 1 to 10 further times",
            ),
            (
                "let within = 120; pg::cancel(\"a\").verify(pg::connections(\"a\").below(1), within)",
                "refused 3:35 verify: expected duration such as \"5m\", found 120 | for seconds write \"120s\"",
            ),
            (
                "let field = \"shares\"; pg::connections(\"a\").field(field).below(1)",
                "refused 3:44 a reading of pg::connections has no field shares | did you mean share?",
            ),
        ])
        .collect();
    check(&cases, |body| match compile(&with_header(&format!("fn plan(alert, seen) {{\n{body}\n}}"))) {
        Ok(_) => fault(&plan(body).unwrap_err()),
        Err(faults) => faults.iter().map(line).collect::<Vec<_>>().join("\n"),
    });
}

#[test]
fn what_observe_may_not_return() {
    let cases = [
        (
            "5",
            "wrong_return 2:1 observe must return a map of probes, found 5 | return #{ name: adapter::probe(..) }, and #{} to read nothing",
        ),
        (
            "#{ a: 5 }",
            "wrong_return 2:1 observe: a must be a probe, found 5 | return #{ name: adapter::probe(..) }, and #{} to read nothing",
        ),
        (
            "#{ a: pg::connections(\"a\").share }",
            "wrong_return 2:1 observe: a is one field of a probe; read the whole probe, and its field in plan | return #{ name: adapter::probe(..) }, and #{} to read nothing",
        ),
        (
            "pg::connections(\"a\")",
            "wrong_return 2:1 observe must return a map of probes, found a probe | return #{ name: adapter::probe(..) }, and #{} to read nothing",
        ),
        (
            "",
            "wrong_return 2:1 observe must return a map of probes, found () (nothing) | return #{ name: adapter::probe(..) }, and #{} to read nothing",
        ),
        (
            "let all = #{}; for i in 0..40 { all.set(`p${i}`, pg::connections(\"a\")); } all",
            "size 2:1 observe asks for 40 probes, at most 32 are read",
        ),
    ];
    check(&cases, |body| {
        let text =
            with_header(&format!("fn observe(alert) {{ {body} }} fn plan(alert, seen) {{ skip(\"x\") }}"));
        fault(&rule(&text).observe(&view()).unwrap_err())
    });
}

#[test]
fn fields_that_no_reading_has() {
    const SHARES: &str = "it has share, total, by.user";
    let seen = |plan: &str| {
        format!(
            "{HEADER}\nfn observe(alert) {{ #{{ c: pg::connections(\"a\"), q: prom::query(\"up\") }} }}\n\
             fn plan(alert, seen) {{\n{plan};\nskip(\"x\")\n}}"
        )
    };
    let unknown = |place: &str, probe: &str, field: &str, help: &str| {
        format!("{place} a reading of {probe} has no field {field} | {help}")
    };
    let share = "did you mean share?";
    let cases = [
        (
            "if seen.c.shar < 0.85 { return skip(\"fine\") }",
            unknown("4:11", "pg::connections", "shar", share),
        ),
        ("let db = seen.c; print(db.shar)", unknown("4:27", "pg::connections", "shar", share)),
        ("print(seen.c?.shar ?? 0)", unknown("4:15", "pg::connections", "shar", share)),
        ("print(seen.c[\"shar\"])", unknown("4:14", "pg::connections", "shar", share)),
        ("print(seen[\"c\"].shar)", unknown("4:17", "pg::connections", "shar", share)),
        ("print(seen.c.get(\"shar\"))", unknown("4:18", "pg::connections", "shar", share)),
        ("print(seen.c.by.users)", unknown("4:17", "pg::connections", "by.users", "did you mean by.user?")),
        ("print(seen.q.share)", unknown("4:14", "prom::query", "share", "it has value, labels.*")),
        ("pg::connections(alert.name).shrae.below(1)", unknown("4:29", "pg::connections", "shrae", share)),
        ("pg::connections(\"a\").field(\"nothing\")", unknown("4:28", "pg::connections", "nothing", SHARES)),
        (
            "let db = pg::connections(\"a\"); db.shrae.below(1)",
            unknown("4:35", "pg::connections", "shrae", share),
        ),
        ("pg::connections(\"a\").by.below(1)", unknown("4:25", "pg::connections", "by", SHARES)),
        // What is there, or may be.
        ("print(seen.c.share); print(seen.c.by.user); print(seen.c.inconclusive)", String::new()),
        ("print(seen.q.labels.anything ?? \"\"); print(seen.q?.value)", String::new()),
        (
            "pg::connections(\"a\").by.user.below(1); prom::query(\"up\").labels.job.equals(\"x\")",
            String::new(),
        ),
        // What cannot be told before it runs.
        ("let db = seen.c; db = seen.q; print(db.value)", String::new()),
        ("for db in [seen.q] { print(db.value) } let db = seen.c;", String::new()),
        ("let seen = #{ c: #{ own: 1 } }; print(seen.c.own)", String::new()),
        ("let name = \"shar\"; print(seen.c[name])", String::new()),
    ];
    let cases: Vec<(String, String)> =
        cases.into_iter().map(|(plan, expected)| (seen(plan), expected)).collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    check(&cases, faults);
}

#[test]
fn a_name_that_stands_for_several_probes_is_told_when_it_runs() {
    let plan = "fn plan(alert, seen) { print(seen.c.value); skip(\"x\") }";
    let cases = [
        ("if alert.level > 0 { #{ c: pg::connections(\"a\") } } else { #{ c: prom::query(\"up\") } }", ""),
        ("let all = #{ c: pg::connections(\"a\") }; all.c = prom::query(\"up\"); all", ""),
        ("let all = #{ c: pg::connections(\"a\") }; all.set(\"c\", prom::query(\"up\")); all", ""),
        (
            "let all = #{ c: pg::connections(\"a\") }; all",
            "1:140 a reading of pg::connections has no field value | it has share, total, by.user",
        ),
    ];
    check(&cases, |observe| faults(&format!("{HEADER} fn observe(alert) {{ {observe} }} {plan}")));
}

#[test]
fn arguments_that_are_written_out_are_checked_before_an_alert_comes() {
    let cases = [
        (
            "pg::terminate_idle(\"main\", \"5 parsecs\")",
            "1:88 pg::terminate_idle: idle_for: \"5 parsecs\" is no span of time: expected a unit (ms, s, m, h, d, w or y) at byte 1; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"",
        ),
        (
            "pg::terminate_idle(alert.name, 5)",
            "1:92 pg::terminate_idle: idle_for: expected duration such as \"5m\", found 5 | for seconds write \"5s\"",
        ),
        (
            "log::write(5)",
            "1:72 log::write: text: expected text, found 5 | turn it into text with .to_string()",
        ),
        (
            "pg::cancel(alert.name).verify(pg::connections(\"a\").below(1), \"1 m\")",
            "1:122 verify: \"1 m\" is no span of time: expected a unit (ms, s, m, h, d, w or y) at byte 1; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"",
        ),
        ("pg::cancel(alert.name).timeout(\"0s\")", "1:92 timeout: no time at all"),
        (
            "pg::cancel(alert.name).revert_after(\"soon\")",
            "1:97 revert_after: \"soon\" is no span of time: expected a whole number at byte 0; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"",
        ),
        ("pg::cancel(alert.name).retry(99, \"2s\")", "1:90 retry: a step may be tried 1 to 10 further times"),
        (
            "pg::cancel(alert.name).retry(3, 2)",
            "1:93 retry: expected duration such as \"5m\", found 2 | for seconds write \"2s\"",
        ),
        (
            "duration(\"5 parsecs\")",
            "1:70 duration: \"5 parsecs\" is no span of time: expected a unit (ms, s, m, h, d, w or y) at byte 1; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\"",
        ),
        // What the configuration does not have may come: a warning.
        ("pg::connections(\"refuse\")", "1:61 pg::connections: refused {\"database\":\"refuse\"}"),
        (
            "pg::cancel(\"with \\\" quote\")",
            "1:61 pg::cancel: database: \"with \\\" quote\" has a quote in it",
        ),
        ("pg::connections(alert.labels.database ?? \"refuse\")", ""),
    ];
    check(&cases, |plan| faults(&format!("{HEADER} fn plan(alert, seen) {{ {plan} }}")));
}

#[test]
fn a_field_that_is_asked_for_by_chance_is_a_fault_when_it_runs() {
    let read = |body: &str, reading: Reading| {
        let text = with_header(&format!("fn plan(alert, seen) {{\n{body}\n}}"));
        let seen = BTreeMap::from([("db".to_owned(), observed("db", reading))]);
        match rule(&text).plan(&view(), &seen) {
            Ok(decision) => format!("{decision:?}"),
            Err(found) => fault(&found),
        }
    };
    let share = || Reading::Known(serde_json::json!({ "share": 0.9, "by": {} }));
    let asks = "if seen.db.shar < 0.85 { return skip(\"fine\") } skip(\"not fine\")";
    let cases = [
        (asks, share(), "script 3:11 a reading of pg::connections has no field shar | did you mean share?"),
        ("skip(`${seen.db.by.user ?? \"nobody\"}`)", share(), "Skip(\"nobody\")"),
        ("skip(`${seen.db.total ?? 1}`)", share(), "Skip(\"1\")"),
        (
            "skip(`${seen.db.by.nobody}`)",
            share(),
            "script 3:19 a reading of pg::connections has no field by.nobody | it has share, total, by.user",
        ),
        (
            "skip(`${seen.db.get(\"shar\")}`)",
            share(),
            "script 3:17 a reading of pg::connections has no field shar | did you mean share?",
        ),
        ("skip(`${seen.db.inconclusive ?? \"known\"}`)", share(), "Skip(\"known\")"),
        (
            "skip(`${seen.db.share}`)",
            Reading::Inconclusive("no data".into()),
            "script 3:17 the reading of pg::connections is inconclusive (no data): it has no share | ask is_known(..) of the reading first",
        ),
        (
            "skip(`${seen.db.get(\"share\") ?? \"nothing\"}`)",
            Reading::Inconclusive("no data".into()),
            "Skip(\"nothing\")",
        ),
        ("skip(`${seen.db.inconclusive}`)", Reading::Inconclusive("no data".into()), "Skip(\"no data\")"),
    ];
    let mut differences = String::new();
    for (body, reading, expected) in cases {
        let found = read(body, reading);
        if found != expected {
            differences.push_str(&format!("({body:?}, {found:?}),\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
