//! What notifications do not bring is asked for: alerts whose notification was lost, alerts that ended while nobody
//! listened, alerts that were cut off.

use selfheal_test_servers::{Alertmanager, HttpStandIn, WebhookRoute, require, wait_until};
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal};

const RULE: &str = r#"
const RULE = #{ matchers: [`alertname="Missed"`], priority: "critical", cooldown: "1h" };
fn plan(alert, seen) { log::write(`heal ${alert.labels.instance}`) }
"#;

fn posted(instances: &[&str], ends_at: Option<&str>) -> String {
    let alert = |instance: &&str| {
        let mut alert = json!({ "labels": { "alertname": "Missed", "instance": instance } });
        if let Some(ends_at) = ends_at {
            alert["endsAt"] = json!(ends_at);
        }
        alert
    };
    Value::Array(instances.iter().map(alert).collect()).to_string()
}

fn asking(alertmanager: &Alertmanager) -> Selfheal {
    let settings = json!({
        "policy": { "settle": "1s" },
        "alertmanager": { "urls": [alertmanager.url()], "interval": "5s" },
    });
    Selfheal::prepare(settings, &[("missed", RULE)])
}

fn of(instance: &str) -> impl Fn(&Value) -> bool {
    move |issue| issue["labels"]["instance"] == instance && issue["outcome"] == "applied"
}

#[test]
fn what_was_told_to_nobody_is_found_and_what_went_away_unheard_is_closed() {
    // Whoever listens takes every notification and does nothing with it.
    let nobody = HttpStandIn::start().unwrap();
    let alertmanager = require!(Alertmanager::start(&WebhookRoute::new(nobody.url()).to_yaml()));
    alertmanager.post_alerts(&posted(&["one", "two"], None)).unwrap();
    nobody.wait_for_count(1, PATIENCE);
    let mut selfheal = asking(&alertmanager);
    selfheal.start();
    selfheal.wait_for_issue("it is found at start", of("one"));
    selfheal.wait_for_issue("so is the other", of("two"));

    selfheal.kill();
    // While it is down, one ends and another begins, and nobody says so.
    let told = nobody.count();
    let now = jiff::Timestamp::now().to_string();
    alertmanager.post_alerts(&posted(&["two"], Some(&now))).unwrap();
    wait_until("one has ended", PATIENCE, || !alertmanager.alerts().unwrap().contains("\"two\""));
    alertmanager.post_alerts(&posted(&["three"], None)).unwrap();
    nobody.wait_for_count(told + 1, PATIENCE);
    selfheal.start();
    selfheal.wait_for_issue("the new one is found", of("three"));
    selfheal.wait_for_issue("the one that ended is closed", |issue| {
        issue["labels"]["instance"] == "two" && issue["phase"] == "closed"
    });
    selfheal.wait_for_issue("the first one still fires", |issue| {
        issue["labels"]["instance"] == "one" && issue["phase"] == "rested"
    });
    assert_eq!(selfheal.issues().len(), 3);
}

#[test]
fn what_was_cut_off_is_fetched() {
    let nobody = HttpStandIn::start().unwrap();
    let alertmanager = require!(Alertmanager::start(&WebhookRoute::new(nobody.url()).to_yaml()));
    let mut selfheal = asking(&alertmanager);
    selfheal.start();
    let route = WebhookRoute { max_alerts: 2, ..selfheal.route() };
    alertmanager.configure(&route.to_yaml()).unwrap();
    let instances = ["a", "b", "c", "d", "e"];
    alertmanager.post_alerts(&posted(&instances, None)).unwrap();
    for instance in instances {
        selfheal.wait_for_issue("it is healed", of(instance));
    }
    assert_eq!(selfheal.issues().len(), instances.len());
}
