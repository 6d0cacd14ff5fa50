//! Nobody sends an alert: a scheduled check sees that a page has stopped answering, an alert fires, its rule acts, and the
//! alert is over when the page answers again, also when the process that raised it has been killed meanwhile.

use selfheal_test_servers::{HttpStandIn, Reply, http, wait_until};
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal};

const RULE: &str = r#"
const RULE = #{ matchers: [`alertname="ShopDown"`], priority: "critical" };
fn plan(alert, seen) { log::write(`${alert.labels.check} in ${alert.labels.namespace} is down`) }
"#;

#[test]
fn a_page_that_stops_answering_is_noticed_by_selfheal_itself() {
    let shop = HttpStandIn::start().unwrap();
    shop.answer(Reply::status(200).body("all is ok"));
    let settings = json!({
        "policy": { "settle": "0s", "cooldown_min": "0s" },
        "adapters": { "health": { "targets": { "shop": { "http": shop.url(), "contains": "ok" } } } },
        "checks": { "interval": "1s", "timeout": "1s", "each": {
            "shop": { "http": "shop", "alert": "ShopDown", "severity": "critical", "labels": { "namespace": "retail" } },
        } },
    });
    let mut selfheal = Selfheal::prepare(settings, &[("shop", RULE)]);
    selfheal.start();
    let rounds = |selfheal: &Selfheal, result: &str| {
        let metrics = http::get(&selfheal.url("/metrics")).map(|answer| answer.body).unwrap_or_default();
        let name = format!("self_healing_scheduled_checks_total{{check=\"shop\",result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or_default()
    };
    wait_until("the check runs", PATIENCE, || rounds(&selfheal, "well") >= 2);

    shop.answer(Reply::status(200).body("sorry"));
    let is_applied = |issue: &Value| issue["outcome"] == "applied";
    let issue = selfheal.wait_for_issue("the rule has acted", is_applied);
    assert!(rounds(&selfheal, "ill") >= 3, "three rounds in a row");
    assert_eq!(issue["labels"]["namespace"], "retail");
    let id = issue["id"].as_str().unwrap().to_owned();
    let story = selfheal.api(&format!("/issues/{id}")).unwrap().to_string();
    assert!(story.contains("shop in retail is down") && story.contains("scheduled_checks"), "{story}");

    selfheal.kill();
    selfheal.start();
    wait_until("the check runs again", PATIENCE, || rounds(&selfheal, "ill") >= 4);
    assert_eq!(selfheal.api("/statistics").unwrap()["total_issues_detected"], 1, "it is the same episode");

    shop.answer(Reply::status(200).body("ok again"));
    let closed = selfheal.wait_for_issue("it is over", |issue| !issue["closed_at"].is_null());
    assert_eq!(closed["id"].as_str(), Some(id.as_str()));
}
