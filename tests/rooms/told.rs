//! What is told, and to whom when something needs a person and nobody takes it in hand.

use selfheal_core::issue::Phase;
use selfheal_runtime::escalation::{Escalation, Level};
use selfheal_runtime::intake::ALERTMANAGER;
use selfheal_runtime::ports::NewsKind;

use crate::double::Turn;
use crate::world::{Recorder, World, alert, minutes, notification, observing, rule, seconds};

const LEVELS: [(u64, &str); 3] = [(0, "first"), (15, "second"), (45, "third")];

/// A world whose action fails, and three levels of people.
fn world() -> (World, Vec<std::sync::Arc<Recorder>>) {
    let mut world = World::new(vec![rule("load", "", r#"throw "broken""#)]);
    let sinks: Vec<_> = LEVELS.iter().map(|(_, name)| Recorder::named(name, &[])).collect();
    world.more_sinks.clone_from(&sinks);
    let level = |(after, name): (u64, &str)| Level { after: minutes(after), sinks: vec![name.to_owned()] };
    // In any order.
    world.escalation = Escalation::new(LEVELS.into_iter().rev().map(level).collect());
    (world, sinks)
}

fn told(sinks: &[std::sync::Arc<Recorder>]) -> Vec<usize> {
    sinks.iter().map(|sink| sink.got().len()).collect()
}

#[tokio::test]
async fn level_by_level_until_the_last() {
    let (world, sinks) = world();
    let house = world.start().await;
    house.fire("load", "one").await;
    for (wait, expected) in [(0, [1, 0, 0]), (14, [1, 0, 0]), (1, [1, 1, 0]), (29, [1, 1, 0]), (1, [1, 1, 1])]
    {
        house.advance(minutes(wait)).await;
        assert_eq!(told(&sinks), expected);
    }
    let news = &sinks[2].got()[0];
    assert_eq!((news.kind, news.escalation), (NewsKind::Person, Some(3)));
    assert!(news.text.starts_with("nobody has taken it in hand since 2026-11-22T12:00:00Z"), "{}", news.text);
    let kinds = house.kinds(house.only().await.id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "escalated").count(), 2, "{kinds:?}");
    house.advance(minutes(600)).await;
    assert_eq!(told(&sinks), [1, 1, 1]);
}

#[tokio::test]
async fn nobody_else_when_it_is_in_hand_or_over() {
    for ends in ["acknowledged", "resolved", "restarted"] {
        let (world, sinks) = world();
        let house = world.start().await;
        house.fire("load", "one").await;
        house.advance(minutes(15)).await;
        assert_eq!(told(&sinks), [1, 1, 0]);
        let id = house.only().await.id;
        let house = match ends {
            "acknowledged" => {
                house.engine.acknowledge(id, "ann", "on it").await.unwrap();
                house
            }
            "resolved" => {
                house.resolve("load", "one").await;
                house
            }
            _ => {
                drop(house);
                world.start().await
            }
        };
        house.advance(minutes(31)).await;
        let expected = if ends == "restarted" { [1, 1, 1] } else { [1, 1, 0] };
        assert_eq!(told(&sinks), expected, "{ends}");
    }
}

#[tokio::test]
async fn an_answer_is_an_acknowledgement() {
    let (mut world, sinks) = world();
    world.rules = vec![rule("load", "", r#"double::set("a", 1).needs_approval("it is Sunday")"#)];
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(10)).await;
    assert_eq!(told(&sinks), [1, 0, 0]);
    assert_eq!(sinks[0].got()[0].approval.as_ref().unwrap().id, house.asked().await.id);
    let asked = house.asked().await;
    house.engine.answer(&asked.id, asked.plan_hash, false, "ann", "not today").await.unwrap();
    house.advance(minutes(60)).await;
    assert_eq!(told(&sinks), [1, 0, 0]);
}

/// A change for a time that cannot be taken back stays at the target when the alert is long over.
#[tokio::test]
async fn what_was_left_behind_is_told_on_though_the_alert_is_over() {
    for acknowledged in [false, true] {
        let (mut world, sinks) = world();
        world.rules = vec![rule("load", "", r#"double::set("a", 1).revert_after("30m")"#)];
        // Nobody is told at once.
        world.escalation = Escalation::new(world.escalation.levels()[1..].to_vec());
        world.target.undoes("a", &[Turn::Refused]);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.resolve("load", "one").await;
        house.advance(minutes(31)).await;
        let issue = house.only().await;
        assert_eq!((issue.phase, told(&sinks)), (Phase::Closed, vec![0, 0, 0]));
        house.advance(minutes(15)).await;
        assert_eq!(told(&sinks), [0, 1, 0]);
        if acknowledged {
            house.engine.acknowledge(issue.id, "ann", "on it").await.unwrap();
        }
        house.advance(minutes(30)).await;
        assert_eq!(told(&sinks), [0, 1, usize::from(!acknowledged)]);
    }
}

/// What was healed once is not healed for ever: an approval for the same issue is a question of its own.
#[tokio::test]
async fn a_question_after_a_success_or_an_acknowledgement_is_told_level_by_level() {
    let (mut world, sinks) = world();
    let plan =
        r#"if is_known(seen.a) { double::set("b", 1).needs_approval("twice") } else { double::set("a", 1) }"#;
    world.rules = vec![observing("load", r#"cooldown: "1m""#, r#"a: double::read("a")"#, plan)];
    world.policy.cooldown_min = minutes(1);
    world.policy.approval_ttl = minutes(600);
    let house = world.start().await;
    house.fire("load", "one").await;
    let id = house.only().await.id;
    house.engine.acknowledge(id, "ann", "I see").await.unwrap();
    house.advance(minutes(2)).await;
    assert_eq!(house.only().await.phase, Phase::AwaitingApproval);
    assert_eq!(told(&sinks), [1, 0, 0]);
    house.advance(minutes(60)).await;
    assert_eq!(told(&sinks), [1, 1, 1]);
}

/// Alertmanager's other receivers do not know of what selfheal has raised itself.
#[tokio::test]
async fn that_nothing_is_done_is_told_where_it_is_critical_or_nobody_else_knows() {
    for (severity, source, expected) in [
        ("critical", ALERTMANAGER, 1),
        ("warning", ALERTMANAGER, 0),
        ("warning", "double", 1),
        ("warning", "scheduled_checks", 1),
    ] {
        for (rule_for, said) in [("load", "skipped"), ("other", "unmatched")] {
            let world = World::new(vec![rule(rule_for, "", r#"skip("all is well")"#)]);
            let house = world.start().await;
            let mut alert = alert("load", "one", house.now(), None);
            alert["labels"]["severity"] = severity.into();
            let body = notification(&[alert], 0).to_string().into_bytes();
            house.engine.receive(body, source, None).await.unwrap();
            house.advance(minutes(40)).await;
            let told: Vec<String> = world.sink.got().iter().map(|news| news.title.clone()).collect();
            assert_eq!(told, vec![format!("load: {said}"); expected], "{severity} from {source}");
        }
    }
}

#[tokio::test]
async fn addresses_of_the_alert_go_with_what_is_told() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    let mut alert = alert("load", "one", house.now(), None);
    for (name, text) in [
        ("runbook_url", "https://example.org/load"),
        ("dashboard", "http://grafana/d/1"),
        ("owner", "https is spoken here"),
    ] {
        alert["annotations"][name] = text.into();
    }
    house.send(&[alert]).await.unwrap();
    let links = [("dashboard", "http://grafana/d/1"), ("runbook_url", "https://example.org/load")];
    let links = links.map(|(name, url)| (name.to_owned(), url.to_owned()));
    assert_eq!(world.sink.got()[0].links, links);
}
