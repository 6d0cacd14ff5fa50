//! The API, from a notification to its story.

use actix_web::test::TestRequest;
use selfheal_core::audit::Head;
use selfheal_core::policy::Policy;
use selfheal_runtime::ports::journal::verify;
use serde_json::{Value, json};

use super::support::{House, Plan, firing};

fn kinds(story: &Value) -> Vec<&str> {
    story["story"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn an_issues_story_goes_from_receipt_to_outcome() {
    let house = House::build(Plan::default()).await;
    assert_eq!(house.notify(firing("Broken", "a").to_string()).await.status, 200);
    house.rest().await;

    let issues = house.get("/issues").await.json();
    let issue = &issues[0];
    assert_eq!(issue["id"], "issue-1", "{issues}");
    assert_eq!((&issue["type"], &issue["severity"]), (&"Broken".into(), &"high".into()));
    assert_eq!(issue["description"], "it is broken");
    assert_eq!(issue["metrics"], json!({ "value": 92.5 }));
    assert_eq!((&issue["rule"], &issue["outcome"]), (&"heal".into(), &"applied".into()), "{issue}");

    let story = house.get("/issues/issue-1").await.json();
    let kinds = kinds(&story);
    assert_eq!(&kinds[..2], ["received", "matched"], "{story}");
    assert_eq!(kinds.last(), Some(&"outcome"));
    assert!(kinds.contains(&"decided") && kinds.contains(&"applied"), "{kinds:?}");
    let entries = story["story"].as_array().unwrap();
    assert!(
        entries.is_sorted_by_key(|entry| entry["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
    );
    assert_eq!(story["intents"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/issues/1").await.status, 200, "the number alone is a name, too");

    let remediations = house.get("/remediations?issue=issue-1&running=false").await.json();
    let remediation = &remediations[0];
    assert_eq!(remediation["id"], "remediation-1-1");
    assert_eq!(remediation["issue_id"], "issue-1");
    assert_eq!((&remediation["type"], &remediation["resource"]), (&"Broken".into(), &"job/a".into()));
    assert_eq!(
        (&remediation["action_type"], &remediation["status"]),
        (&"fake.note".into(), &"success".into())
    );
    assert_eq!((&remediation["success"], &remediation["rollback_performed"]), (&true.into(), &false.into()));
    let one = house.get("/remediations/remediation-1-1").await.json();
    assert_eq!(one["intents"][0]["state"], "done", "{one}");

    let statistics = house.get("/statistics").await.json();
    assert_eq!(statistics["total_issues_detected"], 1);
    assert_eq!(statistics["success_rate"], Value::Null, "nothing was verified: {statistics}");
    assert_eq!(statistics["unverified_remediations"], 1, "{statistics}");
    assert_eq!(statistics["by_outcome"], json!({ "applied": 1 }));

    let rules = house.get("/rules").await.json();
    assert_eq!(rules["refusal"], Value::Null);
    let heal = &rules["rules"][1];
    assert_eq!((&heal["name"], &heal["issues_since_start"]), (&"heal".into(), &1.into()), "{rules}");
    assert_eq!(heal["matchers"], json!(["alertname=\"Broken\""]));
    assert_eq!(heal["success"], json!([]), "nothing was verified: {heal}");
    let one = house.get("/rules/heal").await.json();
    assert!(one["text"].as_str().unwrap().contains("fake::note"));
}

#[actix_web::test]
async fn lists_have_pages_and_wrong_questions_are_named() {
    let house = House::build(Plan::default()).await;
    for job in ["a", "b", "c"] {
        house.notify(firing("Unknown", job).to_string()).await;
    }
    house.rest().await;
    let page = house.get("/issues?limit=2&outcome=unmatched").await;
    assert_eq!(page.json().as_array().unwrap().len(), 2);
    let link = page.headers.get("link").unwrap().to_str().unwrap().to_owned();
    assert_eq!(link, "</api/self-healing/issues?limit=2&outcome=unmatched&cursor=aXNzdWUtMg>; rel=\"next\"");
    let next = link.trim_start_matches("</api/self-healing").split('>').next().unwrap();
    let last = house.get(next).await;
    assert_eq!(last.json().as_array().unwrap().len(), 1);
    assert!(last.headers.get("link").is_none());

    let cases = [
        ("/issues?limit=0", 400, "limit"),
        ("/issues?open=perhaps", 400, "open"),
        ("/issues?phase=gone", 400, "awaiting_approval"),
        ("/issues?outcome=gone", 400, "recovered"),
        ("/issues?before=x", 400, "before"),
        ("/issues?sort=up", 400, "sort"),
        ("/issues/x", 400, "issue-<number>"),
        ("/issues/0", 400, "issue-<number>"),
        ("/issues/issue-99", 404, "there is no issue-99"),
        ("/remediations/x", 400, "remediation-<issue>-<ordinal>"),
        ("/remediations/remediation-9-9", 404, "there is no remediation-9-9"),
        ("/remediations?issue=x", 400, "issue-17"),
        ("/approvals?all=1", 400, "true or false"),
        ("/approvals/nothing", 404, "no such approval"),
        ("/rules/nothing", 404, "there is no rule"),
        ("/statistics?days=7", 400, "days"),
    ];
    for (path, status, part) in cases {
        let answer = house.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let fault = answer.json();
        assert!(fault["error"].as_str().unwrap().contains(part), "{path}: {fault}");
    }
}

#[actix_web::test]
async fn an_approval_is_for_one_plan_and_given_once() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Delicate", "a").to_string()).await;
    house.rest().await;
    let open = house.get("/approvals").await.json();
    let approval = &open[0];
    assert_eq!((&approval["state"], &approval["issue_id"]), (&"open".into(), &"issue-1".into()), "{open}");
    assert_eq!((&approval["type"], &approval["resource"]), (&"Delicate".into(), &"job/a".into()), "{open}");
    assert_eq!(approval["previews"][0]["preview"]["summary"], "would note a");
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let hash = &approval["plan_hash"];
    let answer = |decision: &str, hash: &Value| json!({ "decision": decision, "plan_hash": hash, "reason": "looks good" });

    let other = house.post(&path, &answer("grant", &"0".repeat(64).into())).await;
    assert_eq!(other.status, 409, "{other:?}");
    assert!(other.json()["error"].as_str().unwrap().contains("it is for plan"));
    let granted = house.post(&path, &answer("grant", hash)).await;
    assert_eq!((granted.status.as_u16(), &granted.json()["state"]), (200, &"granted".into()), "{granted:?}");
    assert_eq!(granted.json()["answer"]["by"], "local");
    for decision in ["grant", "refuse"] {
        let again = house.post(&path, &answer(decision, hash)).await;
        assert_eq!(again.status, 409, "{again:?}");
        assert!(again.json()["error"].as_str().unwrap().starts_with("local granted it already"), "{again:?}");
    }
    house.rest().await;
    let remediation = house.get("/remediations/remediation-1-1").await.json();
    assert_eq!(remediation["approved_by"], "local", "{remediation}");
    assert!(house.get("/approvals").await.json().as_array().unwrap().is_empty());
    assert_eq!(house.get("/approvals?all=true").await.json()[0]["state"], "granted");
    assert_eq!(house.post("/approvals/nothing", &answer("grant", hash)).await.status, 404);
}

#[actix_web::test]
async fn approvals_have_pages() {
    let house = House::build(Plan::default()).await;
    for job in ["a", "b", "c"] {
        house.notify(firing("Delicate", job).to_string()).await;
        house.rest().await;
    }
    let (mut found, mut next) = (Vec::new(), Some("/approvals?limit=2".to_owned()));
    while let Some(path) = next {
        let page = house.get(&path).await;
        let list = page.json();
        found.extend(list.as_array().unwrap().iter().map(|approval| approval["issue_id"].clone()));
        next = page.headers.get("link").map(|link| {
            let link = link.to_str().unwrap().trim_start_matches("</api/self-healing");
            link.split('>').next().unwrap().to_owned()
        });
    }
    assert_eq!(found, ["issue-3", "issue-2", "issue-1"]);
    assert_eq!(house.get("/approvals?cursor=aXNzdWUtNQ").await.status, 400, "a cursor of another list");
}

#[actix_web::test]
async fn the_switch_stops_and_says_who_and_why() {
    let house = House::build(Plan::default()).await;
    assert_eq!(house.get("/switch").await.json()["auto_remediation_enabled"], true);
    let off = house
        .post("/toggle-auto-remediation", &json!({ "enabled": false, "reason": "a release" }))
        .await
        .json();
    assert_eq!(off["message"], "Auto-remediation disabled");
    assert_eq!((&off["by"], &off["why"]), (&"local".into(), &"a release".into()));
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    let issue = house.get("/issues/1").await.json();
    assert_eq!(issue["issue"]["outcome"], "refused", "{issue}");
    assert!(issue["issue"]["why"].as_str().unwrap().contains("a release"));
    let on = house.post("/toggle-auto-remediation", &json!({ "enabled": true })).await.json();
    assert_eq!(
        (&on["auto_remediation_enabled"], &on["message"]),
        (&true.into(), &"Auto-remediation enabled".into())
    );
}

#[actix_web::test]
async fn a_dry_run_says_why_and_changes_nothing() {
    let house = House::build(Plan::default()).await;
    let answer = house.post("/dry-run", &firing("Broken", "a")).await.json();
    let alert = &answer["alerts"][0];
    assert_eq!(alert["decided_by"], "heal", "{answer}");
    let look = alert["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "heal").unwrap();
    assert_eq!(look["previews"][0]["preview"]["summary"], "would note a", "{look}");
    assert!(look["decision"]["plan_hash"].is_string());
    assert!(look["decision"]["verdicts"].as_array().unwrap().len() > 5);
    let text = super::support::HEAL.replace("fake::note(alert.labels.job)", "skip(\"not today\")");
    for rule in [json!({ "name": "heal", "text": text }), json!(text)] {
        let mut body = firing("Broken", "a");
        if rule.is_string() {
            body["rule_name"] = "heal".into();
        }
        body["rule"] = rule;
        let answer = house.post("/dry-run", &body).await.json();
        assert!(answer["alerts"][0]["summary"].as_str().unwrap().contains("not today"), "{answer}");
    }
    let mut body = firing("Broken", "a");
    body["rule"] = json!({ "name": "heal", "text": "const RULE = #{\n  matchers: 1\n};\nfn plan(alert, seen) { nothing() }" });
    let refused = house.post("/dry-run", &body).await;
    assert_eq!(refused.status, 400);
    let fault = refused.json();
    let diagnostic = &fault["diagnostics"][0];
    assert!(diagnostic["line"].as_u64().unwrap() >= 1 && diagnostic["message"].is_string(), "{fault}");
    assert!(fault["text"].as_str().unwrap().contains("--> heal.rhai:"), "{fault}");
    house.rest().await;
    assert_eq!(house.engine.journal.totals().await.unwrap().issues, 0);
}

#[actix_web::test]
async fn a_rule_in_a_storm_is_let_go_on_by_name() {
    let house = House::build(Plan::default()).await;
    let released = house.post("/rules/heal/release", &json!({})).await;
    assert_eq!((released.status.as_u16(), &released.json()["by"]), (200, &"local".into()), "{released:?}");
    assert_eq!(house.post("/rules/nothing/release", &json!({})).await.status, 404);
    assert_eq!(house.get("/breakers").await.json(), json!([]));
}

#[actix_web::test]
async fn what_holds_remediations_back_is_told() {
    let policy = Policy { storm_per_minute: 2, in_all_per_hour: 3, ..Policy::default() };
    let house = House::build(Plan { policy, ..Plan::default() }).await;
    let quiet = house.get("/switch").await.json();
    assert_eq!((&quiet["storms"], &quiet["hourly_limit"]), (&json!([]), &Value::Null), "{quiet}");
    let notify = async |alertname: &str, jobs: &[&str]| {
        let mut body = firing(alertname, "");
        let alert = body["alerts"][0].clone();
        let alerts = jobs.iter().map(|job| {
            let mut alert = alert.clone();
            alert["labels"]["job"] = json!(job);
            alert
        });
        body["alerts"] = alerts.collect();
        house.notify(body.to_string()).await;
        house.rest().await;
    };
    notify("Broken", &["a", "b", "c"]).await;
    house.app.insight.forget_held().await;
    let standing = house.get("/switch").await.json();
    let storm = &standing["storms"][0];
    assert_eq!((&storm["rule"], &storm["held"], &storm["most"]), (&"heal".into(), &true.into(), &2.into()));
    assert!(storm["new_issues"] == 3 && storm["since"].is_string(), "{standing}");
    let storm_of = async |name: &str| house.get(&format!("/rules/{name}")).await.json()["storm"].clone();
    assert_eq!((storm_of("heal").await["held"].clone(), storm_of("mark").await), (true.into(), Value::Null));
    assert_eq!(house.get("/session").await.json()["switch"], standing);

    house.post("/rules/heal/release", &json!({})).await;
    house.rest().await;
    let released = storm_of("heal").await;
    assert!(released["held"] == false && released["released_until"].is_string(), "{released}");
    // The three have run now, and that is all for this hour.
    let limit = house.get("/switch").await.json()["hourly_limit"].clone();
    assert_eq!(limit["most"], 3, "{limit}");
    assert!(limit["until"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap() > jiff::Timestamp::now());
}

#[actix_web::test]
async fn the_head_of_the_audit_chain_is_told_to_whoever_keeps_it() {
    let house = House::build(Plan::default()).await;
    let known = house.engine.journal.chain().await.unwrap().head;
    house.post("/toggle-auto-remediation", &json!({ "enabled": false, "reason": "x" })).await;
    let told = house.get("/audit/head").await.json();
    let head: Head = told["head"].as_str().unwrap().parse().unwrap();
    assert!(head.seq > known.seq && told["seq"] == json!(head.seq), "{told}");
    let verified = verify(&*house.engine.journal, vec![known, head], Vec::new()).await.unwrap();
    assert_eq!(verified.findings, []);
}

#[actix_web::test]
async fn without_tokens_a_renamed_loopback_is_not_local() {
    let house = House::build(Plan::default()).await;
    let request = TestRequest::get().uri("/api/self-healing/issues").insert_header(("host", "evil.example"));
    assert_eq!(house.ask(request).await.status, 403);
}

#[actix_web::test]
async fn what_is_most_urgent_comes_first_where_that_is_asked_for() {
    let house = House::build(Plan::default()).await;
    for (alertname, job) in [("Delicate", "a"), ("Broken", "b"), ("Unknown", "c")] {
        house.notify(firing(alertname, job).to_string()).await;
    }
    house.rest().await;
    let cases = [
        ("/issues", "issue-3"),
        ("/issues?sort=newest", "issue-3"),
        ("/issues?sort=urgency", "issue-1"),
        ("/issues?sort=urgency&limit=1", "issue-1"),
        ("/issues?sort=urgency&phase=rested", "issue-3"),
    ];
    for (path, first) in cases {
        let answer = house.get(path).await;
        assert_eq!(answer.json()[0]["id"], first, "{path}: {}", answer.text);
        assert!(!answer.headers.contains_key("link"), "{path}");
    }
    let rules = house.get("/rules").await.json();
    let last = |name: &str| {
        let rule = rules["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap();
        (rule["last_issue"].clone(), rule["last_fired_at"].is_string())
    };
    assert_eq!(last("heal"), ("issue-2".into(), true), "{rules}");
    assert_eq!(last("mark"), (Value::Null, false), "{rules}");
}
