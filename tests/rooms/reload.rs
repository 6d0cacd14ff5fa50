//! Reload: all rules or none, and no remediation in flight changes.

use selfheal_core::issue::Outcome;
use selfheal_script::RuleFile;

use crate::world::{World, minutes, rule, seconds};

#[tokio::test]
async fn the_last_good_set_stays() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    let before = house.engine.rules.current().generation;
    let good = rule("load", "", r#"double::set("a", 2)"#);
    let bad = [
        rule("load", "", "double::set("),
        rule("load", "", r#"double::nothing("a", 1)"#),
        RuleFile::new("load", "rules/load.rhai", "fn plan(alert, seen) { skip(\"x\") }"),
    ];
    for file in bad {
        let refused = house.engine.load_rules(vec![good.clone(), file]).await;
        assert!(refused.is_err_and(|refusal| !refusal.diagnostics.is_empty()));
        assert!(house.engine.rules.refusal().is_some());
        assert_eq!(house.engine.rules.current().generation, before);
    }
    house.fire("load", "one").await;
    assert_eq!(world.target.did(), ["set a=1"]);
    house.engine.load_rules(vec![good]).await.unwrap();
    assert!(house.engine.rules.refusal().is_none());
    assert_eq!(house.engine.rules.current().generation, before + 1);
}

#[tokio::test]
async fn a_remediation_in_flight_goes_on_with_what_was_decided() {
    let plan =
        r#"sequence([double::set("x", 1).verify(double::read("x").above(5), "30s"), double::set("y", 2)])"#;
    for files in [Vec::new(), vec![rule("load", "", r#"double::set("z", 3)"#)]] {
        let world = World::with_plan(plan);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.engine.load_rules(files).await.unwrap();
        world.target.put("x", 9);
        house.advance(seconds(30)).await;
        assert_eq!(world.target.did(), ["set x=1", "set y=2"]);
        assert_eq!(house.outcome().await, Some(Outcome::Recovered));
    }
}

#[tokio::test]
async fn a_rule_that_comes_later_takes_up_what_fires() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    house.fire("other", "one").await;
    house.fire("third", "one").await;
    house.advance(minutes(5)).await;
    assert_eq!(house.issue("other", "one").await.outcome, Some(Outcome::Unmatched));
    let files = vec![world.rules[0].clone(), rule("other", "", r#"double::set("b", 2)"#)];
    house.engine.load_rules(files).await.unwrap();
    house.advance(seconds(2)).await;
    let issue = house.issue("other", "one").await;
    assert_eq!((issue.outcome, issue.rule.as_deref()), (Some(Outcome::Applied), Some("other")));
    assert_eq!(house.issue("third", "one").await.outcome, Some(Outcome::Unmatched));
}

#[tokio::test]
async fn a_rule_that_is_gone_leaves_its_issues_without_one() {
    let mut world = World::with_plan(r#"double::set("a", 1)"#);
    world.rules = vec![rule("load", "priority: \"high\"", r#"double::set("a", 1)"#)];
    let house = world.start().await;
    house.fire("load", "one").await;
    house.engine.load_rules(Vec::new()).await.unwrap();
    house.advance(minutes(6)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Unmatched));
    assert!(world.target.calls().is_empty());
}

#[tokio::test]
async fn a_start_with_rules_that_are_refused_goes_on_with_the_last_good_ones() {
    let mut world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    let generation = house.engine.rules.current();
    drop(house);
    world.rules = vec![rule("load", "", "double::set(")];
    let house = world.start_with_refused_rules().await;
    let rules = &house.engine.rules;
    assert_eq!(rules.recalled(), Some(generation.since));
    assert_eq!(rules.current().set.hash(), generation.set.hash());
    house.fire("load", "one").await;
    assert_eq!(world.target.did(), ["set a=1"]);
    // A second process has them still, and the same texts again are no change.
    drop((house, generation));
    let house = world.start_with_refused_rules().await;
    assert_eq!(house.engine.rules.current().set.len(), 1);
    let before = house.engine.rules.current().generation;
    house.engine.load_rules(vec![rule("load", "", r#"double::set("a", 1)"#)]).await.unwrap();
    assert_eq!((house.engine.rules.recalled(), house.engine.rules.current().generation), (None, before));
}

#[tokio::test]
async fn without_any_rules_an_issue_says_why() {
    let world = World::new(vec![rule("load", "", "double::set(")]);
    let house = world.start_with_refused_rules().await;
    assert!(house.engine.rules.recalled().is_none());
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Unmatched));
    assert!(issue.why.starts_with("no rules are loaded: rules/load.rhai:"), "{}", issue.why);
    house.engine.load_rules(vec![rule("load", "", r#"double::set("a", 1)"#)]).await.unwrap();
    house.advance(seconds(2)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}
