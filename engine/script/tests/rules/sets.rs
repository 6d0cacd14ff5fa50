//! Generations of rules, and what is generated from the catalog.

use std::sync::Arc;

use selfheal_core::labels::Labels;
use selfheal_script::{Compiler, Limits, RuleFile, RuleSet, definitions, reference};

use crate::catalog::catalog;
use crate::support::{COMPILER, settings, texts};

fn file(name: &str, matcher: &str, priority: &str) -> RuleFile {
    let text = format!(
        "const RULE = #{{ matchers: [`{matcher}`], priority: \"{priority}\" }};\nfn plan(alert, seen) {{ skip(\"{name}\") }}"
    );
    RuleFile::new(name, format!("rules/{name}.rhai"), text)
}

fn files() -> Vec<RuleFile> {
    vec![
        file("zebra", r#"alertname="A""#, "critical"),
        file("any", r#"alertname=~"A|B""#, "low"),
        file("most", r#"severity="page""#, "high"),
        file("also", r#"alertname="A""#, "low"),
    ]
}

#[test]
fn the_most_urgent_come_first_and_then_the_name_decides() {
    let set = RuleSet::build(&COMPILER, files()).unwrap();
    let names: Vec<&str> = set.rules().iter().map(|rule| rule.name()).collect();
    assert_eq!(names, ["also", "any", "most", "zebra"]);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        (&[("alertname", "A")], &["zebra", "also", "any"]),
        (&[("alertname", "A"), ("severity", "page")], &["zebra", "most", "also", "any"]),
        (&[("alertname", "B")], &["any"]),
        (&[("alertname", "C")], &[]),
        (&[], &[]),
    ];
    for (labels, expected) in cases {
        let labels: Labels = labels.iter().copied().collect();
        let found: Vec<&str> =
            set.matching(&labels).into_iter().map(|at| set.rule(at).unwrap().name()).collect();
        assert_eq!(found, expected, "{labels:?}");
    }
    let labels: Labels = [("alertname", "B")].into_iter().collect();
    let (zebra, _) = set.find("zebra").unwrap();
    let verdict = &set.explain(zebra, &labels).unwrap()[0];
    assert_eq!(
        (verdict.matcher.as_str(), verdict.actual.as_deref(), verdict.holds),
        (r#"alertname="A""#, Some("B"), false)
    );
    assert!(set.find("nobody").is_none() && set.explain(99, &labels).is_none() && set.rule(99).is_none());
}

#[test]
fn one_bad_rule_keeps_the_whole_set_from_being_used() {
    let mut bad = files();
    bad.push(RuleFile::new("broken", "rules/broken.rhai", "fn plan(alert, seen) {"));
    bad.push(RuleFile::new("Bad Name", "rules/Bad Name.rhai", "const RULE = 1;"));
    bad.push(RuleFile::new("other", "rules/another.rhai", "const RULE = 1;"));
    bad.push(RuleFile::new("any", "more/any.rhai", files()[1].text.clone()));
    let faults = RuleSet::build(&COMPILER, bad).unwrap_err();
    let found: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.file, fault.message)).collect();
    assert_eq!(
        found,
        [
            "rules/any.rhai the rule any is also in more/any.rhai",
            "rules/Bad Name.rhai \"Bad Name\" is no name for a rule",
            "rules/broken.rhai expected } to terminate this block",
            "rules/another.rhai the rule other is in a file of another name",
        ],
        "{}",
        texts(&faults)
    );
}

#[test]
fn what_did_not_change_is_not_compiled_again() {
    let first = RuleSet::build(&COMPILER, files()).unwrap();
    let mut changed = files();
    changed[0] = file("zebra", r#"alertname="Z""#, "critical");
    changed.remove(2);
    let second = RuleSet::build_from(Some(&first), &COMPILER, changed).unwrap();
    let same = |name: &str| Arc::ptr_eq(first.find(name).unwrap().1, second.find(name).unwrap().1);
    assert!(same("any") && same("also") && !same("zebra"));
    assert!(second.find("most").is_none());
    assert_ne!(first.hash(), second.hash());
    let mut shuffled = files();
    shuffled.reverse();
    assert_eq!(RuleSet::build(&COMPILER, shuffled).unwrap().hash(), first.hash());

    // Another compiler has other settings, which are part of what a rule does.
    let other = Compiler::new(&catalog(), settings(), Limits::default());
    let third = RuleSet::build_from(Some(&first), &other, files()).unwrap();
    assert!(!Arc::ptr_eq(first.find("any").unwrap().1, third.find("any").unwrap().1));
    assert_eq!(third.hash(), first.hash());
    assert!(RuleSet::build(&COMPILER, Vec::new()).unwrap().is_empty());
}

#[test]
fn rules_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Compiler>();
    shared::<RuleSet>();
}

#[test]
fn the_reference_and_the_definitions_name_everything() {
    let (page, file) = (reference(&catalog()), definitions(&catalog()));
    assert_eq!(page, reference(&catalog()));
    for (text, in_page, in_file) in [
        ("connections", "### Probe `pg::connections`", "    fn connections(database: String) -> Probe;\n"),
        (
            "optional",
            "| `limit` | whole number, may be left out | How many at most. |",
            "    fn terminate_idle(database: String, idle_for: String) -> Step;\n",
        ),
        (
            "all",
            "### Action `pg::terminate_idle`",
            "    fn terminate_idle(database: String, idle_for: String, limit: int) -> Step;\n",
        ),
        (
            "main",
            "| `share` (compared when none is named) | Used, of those allowed; 0 to 1. |",
            "module pg {\n",
        ),
        ("undo", "Undo: restores.", "    /// - `idle_for`: How long a connection must have been idle.\n"),
        ("permission", "| `may cancel` | doing it |", "    /// Never its own.\n"),
        ("pipes", "Cancels | all.", "/// PostgreSQL.\n"),
        ("combinator", "| `sequence(parts: Array) -> Plan` |", "fn sequence(parts: Array) -> Plan;\n"),
        (
            "option",
            "| `.retry(times: int, first_delay: String) -> Step` |",
            "fn retry(step: Step, times: int, first_delay: String) -> Step;\n",
        ),
        ("no parameters", "| `.keep_on_failure() -> Step` |", "fn keep_on_failure(step: Step) -> Step;\n"),
        (
            "comparison",
            "| `.below(bound: float) -> Condition` |",
            "fn below(probe: Probe, bound: float) -> Condition;\n",
        ),
        ("header", "| `cooldown` | duration |", "let settings: Reading;\n"),
        ("alert", "| `alert.age` |", "module static;\n"),
    ] {
        assert!(page.contains(in_page), "{text}: {in_page}\n{page}");
        assert!(file.contains(in_file), "{text}: {in_file}\n{file}");
    }
}
