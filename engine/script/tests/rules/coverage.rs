//! What is told to have been reached is what ran, in the functions that a rule calls and the closures that it passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_script::{Compiler, Coverage, Limits, View, What};

use crate::catalog::catalog;
use crate::support::{settings, view, with_header};

const PLAN: &str = "\
fn small(n) {
    if n < 3 {
        return true;
    }
    false
}
fn plan(alert, seen) {
    let found = [1, 2].filter(|n| small(n));
    for n in found {
        if n > 5 {
            return skip(`much`);
        }
    }
    let word = if found.len() == 2 { \"two\" } else { \"other\" };
    switch word {
        \"two\" => skip(word),
        _ => skip(\"never\"),
    }
}
";

/// A compiler of which the coverage is told.
fn covering(coverage: &Coverage) -> Compiler {
    let still = Arc::new(|| std::time::Duration::ZERO);
    Compiler::covering(&catalog(), settings(), Limits::default(), still, coverage)
}

#[test]
fn what_ran_is_reached_and_nothing_else() {
    let coverage = Coverage::default();
    let rule = covering(&coverage).compile("x", &with_header(PLAN)).unwrap();
    let parts = rule.parts();
    assert_eq!(coverage.reached("x", &parts).len(), 0, "nothing ran");
    rule.plan(&view(), &BTreeMap::new()).unwrap();
    let reached = coverage.reached("x", &parts);
    let statements = parts.difference(&reached).filter(|part| part.what == What::Statement);
    // The header is the first line of the text.
    let missed: Vec<usize> = statements.map(|part| part.place.line - 1).collect();
    // On line 14 it is the other word.
    assert_eq!(missed, [5, 11, 14, 17]);
    assert!(coverage.reached("another", &parts).is_empty());
}

/// What is missed of a text that is asked once for each level.
#[test]
fn ways_past_something_are_parts_too() {
    use What::{Else, Short, Side};
    let first = "alert.level > 0";
    let cases: [(String, &[i64], &[What]); 11] = [
        (format!("if {first} {{ return skip(`a`); }}"), &[0, 1], &[]),
        (format!("if {first} {{ let a = 1; }}"), &[1, 1], &[Else]),
        ("if true { for n in [1, 2] { if n > 1 { let a = n; } } }".to_owned(), &[0], &[Else]),
        (format!("if {first} {{ let a = 1; }} else {{ let b = 2; }}"), &[0, 1], &[]),
        (format!("if {first} {{ let a = 1; }} else if alert.level < 9 {{ let b = 2; }}"), &[0, 1], &[Else]),
        (format!("let a = {first} || alert.level < 9;"), &[0, 1], &[]),
        (format!("let a = {first} || alert.level < 9;"), &[1], &[Side]),
        (format!("let a = {first} || alert.level < 9;"), &[0], &[Short]),
        (format!("let a = {first} && alert.level < 9;"), &[0], &[Side]),
        ("let a = alert.labels.absent ?? `x`;".to_owned(), &[0], &[Short]),
        ("let a = alert.labels.alertname ?? alert.labels.b ?? `x`;".to_owned(), &[0], &[Side, Side]),
    ];
    for (text, levels, expected) in cases {
        let coverage = Coverage::default();
        let plan = format!("fn plan(alert, seen) {{ {text} skip(`end`) }}");
        let rule = covering(&coverage).compile("x", &with_header(&plan)).unwrap();
        for level in levels {
            let view = View { level: u32::try_from(*level).unwrap(), ..view() };
            rule.plan(&view, &BTreeMap::new()).unwrap();
        }
        let parts = rule.parts();
        let reached = coverage.reached("x", &parts);
        let missed: Vec<What> = parts.difference(&reached).map(|part| part.what).collect();
        assert_eq!(missed, expected, "{text} {levels:?}");
    }
}
