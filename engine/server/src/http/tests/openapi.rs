//! The OpenAPI document and the routes are one.

use std::collections::BTreeSet;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::support::{House, Plan, firing, tokens};
use crate::http::ROUTES;

async fn document(house: &House) -> Value {
    let answer = house.ask(TestRequest::get().uri("/api/openapi.json")).await;
    assert_eq!(answer.status, 200, "it needs no token");
    answer.json()
}

#[actix_web::test]
async fn every_route_is_in_the_document_and_nothing_else() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    let document = document(&house).await;
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            documented.insert(format!("{} {path}", verb.to_uppercase()));
            assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{verb} {path}");
            assert!(operation["operationId"].is_string(), "{verb} {path}");
        }
    }
    let mut routes: BTreeSet<String> =
        ROUTES.iter().map(|route| format!("{} /api/self-healing{}", route.verb, route.path)).collect();
    let others = [
        "GET /health",
        "GET /ready",
        "GET /metrics",
        "GET /api/openapi.json",
        "POST /webhook/alertmanager",
        "POST /slack/actions",
    ];
    routes.extend(others.map(str::to_owned));
    assert_eq!(documented, routes);
    let ids: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|operations| operations.as_object().unwrap().values())
        .map(|operation| &operation["operationId"])
        .collect();
    let unique: BTreeSet<&str> = ids.iter().filter_map(|id| id.as_str()).collect();
    assert_eq!(unique.len(), ids.len());
}

/// Every reference leads somewhere.
#[actix_web::test]
async fn nothing_is_spoken_of_that_is_not_there() {
    fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let house = House::build(Plan::default()).await;
    let document = document(&house).await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// Answers have just the members that the document names, where types stand in for others.
#[actix_web::test]
async fn answers_look_as_the_document_says() {
    let house = House::build(Plan::default()).await;
    for (alertname, job) in [("Broken", "a"), ("Delicate", "b"), ("Unknown", "c")] {
        house.notify(firing(alertname, job).to_string()).await;
    }
    house.rest().await;
    let document = document(&house).await;
    let names = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let story = house.get("/issues/issue-1").await.json();
    let cases = [
        ("Issue", house.get("/issues").await.json()[0].clone()),
        ("Story", story.clone()),
        ("Intent", story["intents"][0].clone()),
        ("Remediation", house.get("/remediations/remediation-1-1").await.json()),
        ("Approval", house.get("/approvals").await.json()[0].clone()),
        ("HealthScore", house.get("/health-score").await.json()),
        ("TrendSample", house.get("/health-score").await.json()["trend"][0].clone()),
        ("Statistics", house.get("/statistics").await.json()),
        ("StatisticsWindow", house.get("/statistics").await.json()["windows"]["7d"].clone()),
        ("Standing", house.get("/switch").await.json()),
        ("Switch", house.post("/toggle-auto-remediation", &json!({ "enabled": true })).await.json()),
        ("Session", house.get("/session").await.json()),
        ("Rule", house.get("/rules/heal").await.json()),
        ("RuleSet", house.get("/rules").await.json()),
        ("DryRun", house.post("/dry-run", &firing("Broken", "z")).await.json()),
        ("Fault", house.get("/issues/issue-99").await.json()),
        ("Acknowledged", house.post("/issues/1/acknowledge", &json!({})).await.json()),
        ("AskedRemediation", house.post("/manual-remediate/3", &json!({})).await.json()),
        ("RolledBack", house.post("/remediations/remediation-1-1/rollback", &json!({})).await.json()),
    ];
    for (shape, answer) in cases {
        let properties = &document["components"]["schemas"][shape]["properties"];
        assert!(properties.is_object(), "{shape} is not in the document");
        assert_eq!(names(&answer), names(properties), "{shape}: {answer}");
    }
}
