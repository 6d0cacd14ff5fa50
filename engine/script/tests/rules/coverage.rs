//! What is told to have been reached is what ran, in the functions that a rule calls and the closures that it passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_script::{Compiler, Coverage, Limits};

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

#[test]
fn what_ran_is_reached_and_nothing_else() {
    let coverage = Coverage::default();
    let still = Arc::new(|| std::time::Duration::ZERO);
    let compiler = Compiler::covering(&catalog(), settings(), Limits::default(), still, &coverage);
    let rule = compiler.compile("x", &with_header(PLAN)).unwrap();
    let statements = rule.statements();
    assert_eq!(statements.intersection(&coverage.reached("x")).count(), 0, "nothing ran");
    rule.plan(&view(), &BTreeMap::new()).unwrap();
    let reached = coverage.reached("x");
    // The header is the first line of the text.
    let missed: Vec<usize> = statements.difference(&reached).map(|place| place.line - 1).collect();
    // On line 14 it is the other word.
    assert_eq!(missed, [5, 11, 14, 17]);
    assert!(coverage.reached("another").is_empty());
}
