//! What came and went while nobody listened, what was told to somebody else, what was cut off: it is found.

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
fn what_was_told_to_nobody_is_found() {
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
    // While it is down another one begins.
    let told = nobody.count();
    alertmanager.post_alerts(&posted(&["three"], None)).unwrap();
    nobody.wait_for_count(told + 1, PATIENCE);
    selfheal.start();
    selfheal.wait_for_issue("the new one is found", of("three"));
    assert_eq!(selfheal.issues().len(), 3);
}

#[test]
fn what_ends_while_it_is_down_is_closed() {
    let alertmanager = require!(Alertmanager::start(&WebhookRoute::new("http://127.0.0.1:9/").to_yaml()));
    let mut selfheal = asking(&alertmanager);
    selfheal.start();
    alertmanager.configure(&selfheal.route().to_yaml()).unwrap();
    alertmanager.post_alerts(&posted(&["one", "two"], None)).unwrap();
    selfheal.wait_for_issue("one is healed", of("one"));
    selfheal.wait_for_issue("so is the other", of("two"));

    selfheal.kill();
    let now = jiff::Timestamp::now().to_string();
    alertmanager.post_alerts(&posted(&["two"], Some(&now))).unwrap();
    wait_until("it has ended", PATIENCE, || !alertmanager.alerts().unwrap().contains("\"two\""));
    selfheal.start();
    // Alertmanager says so until somebody listens.
    selfheal.wait_for_issue("what ended is closed", |issue| {
        issue["labels"]["instance"] == "two" && issue["phase"] == "closed"
    });
    selfheal.wait_for_issue("what fires is open", |issue| {
        issue["labels"]["instance"] == "one" && issue["phase"] == "rested"
    });
    assert_eq!(selfheal.issues().len(), 2);
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
