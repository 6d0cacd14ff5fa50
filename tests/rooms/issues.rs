//! The life of an issue: from the first alert to its close, with the whole story.

use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::NewsKind;
use selfheal_runtime::ports::journal::Write;

use crate::world::{World, alert, minutes, notification, observing, rule, seconds};

const HELPS: &str = r#"double::set("a", 1).verify(double::read("load").below(50), "30s")"#;

fn helped() -> World {
    let world = World::with_plan(HELPS);
    world.target.put("load", 90);
    world.target.leads_to(("a", 1), ("load", 10));
    world
}

#[tokio::test]
async fn the_whole_way_with_its_story() {
    let world = helped();
    let house = world.start().await;
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Rested, Some(Outcome::Recovered)));
    assert_eq!(issue.rule.as_deref(), Some("load"));
    assert_eq!(issue.resource, "instance/one");

    house.advance(seconds(20)).await;
    house.resolve("load", "one").await;
    house.advance(seconds(59)).await;
    assert_eq!(house.only().await.phase, Phase::Rested, "it may come back within a minute");
    house.advance(seconds(1)).await;
    let issue = house.only().await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Closed, Some(Outcome::Recovered)));
    assert!(issue.closed_at.is_some());

    let story = house.story(issue.id).await;
    let kinds: Vec<&str> = story.records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["decided", "applied", "verified", "ended", "resolved", "closed"]);
    let decided = &story.records[0].facts;
    assert_eq!(decided["verdicts"].as_array().unwrap().len(), 13, "every guard is asked: {decided:#}");
    assert!(
        decided["verdicts"].as_array().unwrap().iter().all(|verdict| verdict["verdict"] == "pass"),
        "{decided:#}"
    );
    let (remediation, intent) = (&story.remediations[0], &story.intents[0]);
    assert_eq!(remediation.outcome, Some(Outcome::Recovered));
    assert_eq!(decided["plan_hash"], serde_json::json!(remediation.plan_hash));
    assert_eq!(intent.state, IntentState::Done);
    assert_eq!(world.target.log()[0].intent, intent.id, "the target was told the intent");
    assert_eq!((story.remediations.len(), story.intents.len()), (1, 1));

    let news = world.sink.got();
    assert_eq!(news.len(), 1);
    assert_eq!((news[0].kind, news[0].outcome), (NewsKind::Outcome, Some(Outcome::Recovered)));
    assert_eq!(house.engine.success("load", "double.set").successes, 1);
}

#[tokio::test]
async fn no_rule_is_for_it() {
    let world = helped();
    let house = world.start().await;
    house.fire("other", "one").await;
    assert_eq!(house.outcome().await, Some(Outcome::Unmatched));
    house.advance(minutes(30)).await;
    house.resolve("other", "one").await;
    house.advance(minutes(2)).await;
    let issue = house.only().await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Closed, Some(Outcome::Unmatched)));
    assert!(world.target.calls().is_empty());
}

#[tokio::test]
async fn what_is_resolved_within_its_delay_is_left_alone() {
    for (resolved_after, outcome, did) in [(299, Outcome::Subsided, 0), (301, Outcome::Recovered, 1)] {
        let mut world = helped();
        world.rules = vec![rule("load", "priority: \"high\"", HELPS)];
        let house = world.start().await;
        house.fire("load", "one").await;
        house.advance(seconds(resolved_after)).await;
        house.resolve("load", "one").await;
        house.advance(minutes(2)).await;
        let issue = house.only().await;
        assert_eq!((issue.phase, issue.outcome), (Phase::Closed, Some(outcome)), "{resolved_after}");
        assert_eq!(world.target.did().len(), did);
    }
}

#[tokio::test]
async fn priorities_wait_as_long_as_they_should() {
    for (priority, delay) in [("critical", 0), ("high", 300), ("medium", 900), ("low", 3600)] {
        let mut world = helped();
        world.rules = vec![rule("load", &format!("priority: \"{priority}\""), HELPS)];
        let house = world.start().await;
        house.fire("load", "one").await;
        if delay > 0 {
            house.advance(seconds(delay - 1)).await;
            assert!(world.target.calls().is_empty(), "{priority}");
        }
        // An issue's number spreads it over a second.
        house.advance(seconds(2)).await;
        assert_eq!(world.target.did(), ["set a=1"], "{priority}");
    }
}

#[tokio::test]
async fn the_same_alert_again_and_again_is_one_issue() {
    let world = helped();
    let house = world.start().await;
    let (began, later) = (house.now(), seconds(200));
    for _ in 0..3 {
        house.send(&[alert("load", "one", began, None)]).await.unwrap();
        house.advance(later).await;
    }
    assert_eq!(house.issues().await.len(), 1);
    house.send(&[alert("load", "one", began, Some(house.now()))]).await.unwrap();
    house.advance(minutes(2)).await;
    // Late and out of order.
    house.send(&[alert("load", "one", began, None)]).await.unwrap();
    assert_eq!(house.only().await.phase, Phase::Closed);
    house.fire("load", "one").await;
    assert_eq!(house.issues().await.len(), 2, "it began anew");
}

#[tokio::test]
async fn flapping_reuses_the_issue() {
    let world = helped();
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(10)).await;
    house.resolve("load", "one").await;
    house.advance(seconds(30)).await;
    house.fire("load", "one").await;
    assert_eq!(house.issues().await.len(), 1);
    assert!(house.only().await.resolved_at.is_none());
}

#[tokio::test]
async fn one_malformed_alert_drops_no_other() {
    let world = helped();
    let house = world.start().await;
    let good = alert("load", "one", house.now(), None);
    let bad = serde_json::json!({ "status": "sometimes", "labels": { "alertname": "load" } });
    let received = house.post(notification(&[bad, good], 0)).await.unwrap();
    assert_eq!((received.alerts, received.malformed), (1, 1));
    assert_eq!(house.outcome().await, Some(Outcome::Recovered));
}

#[tokio::test]
async fn the_most_urgent_rule_that_does_not_skip_decides() {
    let rules = [("b", "medium", "1"), ("c", "critical", "2"), ("a", "high", "3")];
    let mut world = World::new(Vec::new());
    for (name, priority, value) in rules {
        let plan = match name {
            "c" => "skip(\"not for me\")".to_owned(),
            _ => format!("double::set(\"a\", {value})"),
        };
        let file = rule("load", &format!("priority: \"{priority}\""), &plan);
        world.rules.push(selfheal_script::RuleFile::new(name, format!("rules/{name}.rhai"), file.text));
    }
    let house = world.start().await;
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert_eq!(world.target.did(), ["set a=3"]);
    assert_eq!(issue.rule.as_deref(), Some("a"));
    let story = house.story(issue.id).await;
    assert!(story.records[0].summary.contains("c: not for me"), "{:#?}", story.records);
}

/// What was done is not made undone by a later look that finds nothing to do.
#[tokio::test]
async fn what_was_healed_stays_so_when_later_looks_do_nothing() {
    let plan = r#"if is_known(seen.a) { skip("all is well") } else { double::set("a", 1).verify(double::read("a").below(2), "5s") }"#;
    let world = World::new(vec![observing("load", "", r#"a: double::read("a")"#, plan)]);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Recovered));
    let healed = house.only().await.why;
    house.advance(minutes(60)).await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Recovered));
    assert_eq!(issue.why, format!("{healed}; since then skipped: load: all is well"));
    let kinds = house.kinds(issue.id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "decided").count(), 2, "said once: {kinds:?}");
    house.engine.turn_switch(false, "ann", "enough").await.unwrap();
    house.engine.call([issue.id]).await.unwrap();
    house.advance(minutes(20)).await;
    house.resolve("load", "one").await;
    house.advance(minutes(5)).await;
    let issue = house.only().await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Closed, Some(Outcome::Recovered)));
    assert_eq!(world.sink.kinds().iter().filter(|kind| **kind == NewsKind::Outcome).count(), 1);
}

/// What an adapter panics at is waited for and told like what its target does not answer.
#[tokio::test]
async fn an_adapter_that_panics_when_it_is_asked_is_told_of() {
    // An action is assessed first when the rule names it.
    let cases = [
        ("read", "the adapter panicked", true),
        ("assess", "the engine failed: the double panics", false),
        ("related", "the adapter panicked", true),
        ("contest", "the adapter panicked", true),
    ];
    for (question, why, is_waited_for) in cases {
        let plan = r#"if is_known(seen.load) { double::set("a", 1) } else { skip("unknown") }"#;
        let world = World::new(vec![observing("load", "", r#"load: double::read("load")"#, plan)]);
        world.target.put("load", 90);
        world.target.panics(Some(question));
        let house = world.start().await;
        house.fire("load", "one").await;
        let issue = house.only().await;
        assert!(issue.why.contains(why), "{question}: {}", issue.why);
        let phase = if is_waited_for { Phase::Waiting } else { Phase::Rested };
        assert_eq!(issue.phase, phase, "{question}");
        house.advance(minutes(16)).await;
        let told = world.sink.got().iter().any(|news| news.outcome == Some(Outcome::Failed));
        assert!(told, "{question}: {:#?}", world.sink.got());
        world.target.panics(None);
        house.advance(minutes(10)).await;
        assert_eq!(world.target.did().first().map(String::as_str), Some("set a=1"), "{question}");
    }
    // Nobody decides by a preview.
    let world = World::with_plan(r#"double::set("a", 1).needs_approval("sure?")"#);
    world.target.panics(Some("preview"));
    let house = world.start().await;
    house.fire("load", "one").await;
    house.asked().await;
}

#[tokio::test]
async fn a_step_at_which_an_adapter_panics_did_not_happen() {
    let world = World::with_plan(
        r#"sequence([double::set("a", 1).verify(double::read("ready").above(5), "30s"), double::set("b", 2)])"#,
    );
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(5)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
    world.target.panics(Some("assess"));
    world.target.put("ready", 9);
    house.advance(minutes(1)).await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Unwound), "{}", issue.why);
    assert!(issue.why.contains("the adapter panicked"), "{}", issue.why);
}

#[tokio::test]
async fn an_alert_whose_end_comes_with_its_beginning_is_not_treated() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    let began = house.now();
    house.advance(seconds(5)).await;
    let both = [alert("load", "one", began, None), alert("load", "one", began, Some(house.now()))];
    house.send(&both).await.unwrap();
    house.advance(minutes(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Subsided));
    assert!(world.target.did().is_empty());
}

#[tokio::test]
async fn each_time_that_nothing_can_be_read_has_patience_of_its_own() {
    let plan = r#"if seen.load.value < 50 { skip("all is well") } else { double::set("a", 1) }"#;
    let world = World::new(vec![observing("load", "", r#"load: double::read("load")"#, plan)]);
    world.target.put("load", 10);
    world.target.fails_to_read(1);
    let house = world.start().await;
    house.fire("load", "one").await;
    assert!(house.only().await.why.starts_with("cannot observe"), "{}", house.only().await.why);
    house.advance(minutes(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Skipped));
    world.target.put("load", 90);
    world.target.fails_to_read(1);
    house.advance(minutes(20)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
    assert!(world.sink.got().iter().all(|news| news.outcome != Some(Outcome::Failed)));
}

#[tokio::test]
async fn what_nobody_has_rung_for_is_found_all_the_same() {
    let plan = r#"if seen.load.value < 50 { skip("all is well") } else { double::set("a", 1) }"#;
    let world = World::new(vec![observing("load", "", r#"load: double::read("load")"#, plan)]);
    world.target.put("load", 10);
    let house = world.start().await;
    house.fire("load", "one").await;
    assert_eq!(house.outcome().await, Some(Outcome::Skipped));
    world.target.put("load", 90);
    let (issue, at) = (house.only().await.id, house.now());
    house.engine.journal.commit(vec![Write::Wake { issue, at }]).await.unwrap();
    house.advance(seconds(31)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_reading_that_moves_is_no_news() {
    let plan = "skip(`the load is ${seen.load.value}`)";
    let world = World::new(vec![observing("load", "", r#"load: double::read("load")"#, plan)]);
    world.target.put("load", 7);
    let house = world.start().await;
    house.fire("load", "one").await;
    for load in [8, 90, 100] {
        house.advance(minutes(1)).await;
        world.target.put("load", load);
        house.advance(minutes(15)).await;
    }
    let issue = house.only().await;
    assert!(issue.why.ends_with("the load is 100"), "{}", issue.why);
    let kinds = house.kinds(issue.id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "decided").count(), 1, "{kinds:?}");
    assert_eq!(world.sink.kinds(), [NewsKind::Outcome]);
}
