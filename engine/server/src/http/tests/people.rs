//! What people ask for by hand, and what is recorded of it.

use actix_web::test::TestRequest;
use futures::future::join_all;
use serde_json::{Value, json};

use super::support::{House, Plan, firing, token_of, tokens};

async fn records(house: &House, issue: &str) -> Vec<(String, String)> {
    let story = house.get(&format!("/issues/{issue}")).await.json();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = story["story"].as_array().unwrap();
    entries.iter().map(|entry| (text(entry, "kind"), text(entry, "actor"))).collect()
}

#[actix_web::test]
async fn a_remediation_by_hand_goes_past_every_guard() {
    let house = House::build(Plan::default()).await;
    house.post("/toggle-auto-remediation", &json!({ "enabled": false, "reason": "a release" })).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    let refused = house.post("/manual-remediate/issue-1", &json!({ "reason": "please" })).await;
    assert_eq!(refused.status, 200, "{refused:?}");
    let refused = refused.json();
    assert_eq!((&refused["status"], &refused["id"]), (&"refused".into(), &Value::Null), "{refused}");
    assert!(refused["why"].as_str().unwrap().contains("a release"), "{refused}");

    house.post("/toggle-auto-remediation", &json!({ "enabled": true })).await;
    house.rest().await;
    // The switch had it looked at again; now the cooldown of the target stands in the way.
    let held = house.post("/manual-remediate/1", &json!({})).await.json();
    assert_eq!((&held["status"], &held["by"]), (&"held".into(), &"local".into()), "{held}");
    assert!(held["why"].as_str().unwrap().contains("cooldown"), "{held}");
    let records = records(&house, "1").await;
    assert_eq!(records.iter().filter(|entry| **entry == ("asked".into(), "local".into())).count(), 2);

    assert_eq!(house.post("/manual-remediate/issue-9", &json!({})).await.status, 404);
    assert_eq!(house.post("/manual-remediate/x", &json!({})).await.status, 400);
    house.notify(firing("Delicate", "b").to_string()).await;
    house.rest().await;
    let waits = house.post("/manual-remediate/issue-2", &json!({})).await;
    assert_eq!(waits.status, 409, "{waits:?}");
    assert!(waits.text.contains("/api/self-healing/approvals"), "{waits:?}");
}

#[actix_web::test]
async fn a_remediation_by_hand_waits_for_no_time() {
    let house = House::build(Plan::default()).await;
    let window =
        json!({ "matchers": ["job=\"a\""], "until": "2099-01-01T00:00:00Z", "from": "2098-12-31T00:00:00Z" });
    assert_eq!(house.post("/maintenance", &window).await.status, 200);
    // No rule is for it until one is loaded, so it rests; the look that a person asks for finds the same.
    house.notify(firing("Unknown", "a").to_string()).await;
    house.rest().await;
    let asked = house.post("/manual-remediate/issue-1", &json!({ "reason": "try" })).await.json();
    assert_eq!((&asked["status"], &asked["phase"]), (&"unmatched".into(), &"rested".into()), "{asked}");
}

#[actix_web::test]
async fn a_rollback_takes_back_last_first_and_once() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Reversible", "a").to_string()).await;
    house.rest().await;
    assert_eq!(*house.marks.lock().unwrap(), ["set a", "set a-2"]);
    let path = "/remediations/remediation-1-1/rollback";
    let answers = {
        let why = json!({ "reason": "it was wrong" });
        join_all((0..10).map(|_| house.post(path, &why))).await
    };
    assert_eq!(*house.marks.lock().unwrap(), ["set a", "set a-2", "unset a-2", "unset a"]);
    let performed: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(super::support::Answer::json)
        .filter(|answer| answer["rollback_performed"] == true)
        .collect();
    assert_eq!(performed.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 409)), "{answers:?}");
    let answer = &performed[0];
    assert_eq!(answer["status"], "partly", "the note stays: {answer}");
    assert_eq!(answer["undone"][0], json!({ "action": "fake.mark", "said": "unmarked a-2" }));
    assert_eq!(answer["stays"], json!([{ "action": "fake.note", "said": "it cannot be undone" }]));

    let again = house.post(path, &json!({})).await.json();
    assert_eq!(again["undone"], json!([]), "{again}");
    assert_eq!(again["already_undone"], json!(["fake.mark", "fake.mark"]));
    let one = house.get("/remediations/remediation-1-1").await.json();
    assert_eq!(one["rollback_performed"], true);
    let records = records(&house, "1").await;
    let of =
        |kind: &str| records.iter().filter(|entry| **entry == (kind.to_owned(), "local".to_owned())).count();
    assert_eq!((of("rollback_asked"), of("rolled_back")), (1, 2), "{records:?}");

    assert_eq!(house.post("/remediations/remediation-9-1/rollback", &json!({})).await.status, 404);
    house.notify(firing("Reversible", "stuck").to_string()).await;
    house.rest().await;
    let failed = house.post("/remediations/remediation-2-1/rollback", &json!({})).await.json();
    assert_eq!(
        (&failed["status"], &failed["failed"]["said"]),
        (&"failed".into(), &"it is stuck".into()),
        "{failed}"
    );
    assert_eq!(failed["undone"], json!([]), "what came before a failed undo is left: {failed}");
}

#[actix_web::test]
async fn an_acknowledgement_has_a_name_and_is_said_once() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    for _ in 0..2 {
        let request = TestRequest::post()
            .uri("/api/self-healing/issues/issue-1/acknowledge")
            .insert_header(("authorization", format!("Bearer {}", token_of("operator"))))
            .set_payload(r#"{"reason": "<b>mine</b>"}"#);
        let answer = house.ask(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers.get("content-type").unwrap(), "application/json");
        let acknowledged = &answer.json()["acknowledged"];
        assert_eq!((&acknowledged["by"], &acknowledged["why"]), (&"operator".into(), &"<b>mine</b>".into()));
    }
    let story = house.engine.journal.story(selfheal_core::issue::IssueId(1)).await.unwrap().unwrap();
    assert_eq!(story.records.iter().filter(|record| record.kind == "acknowledged").count(), 1);
}

#[actix_web::test]
async fn maintenance_holds_what_it_covers_until_it_is_ended() {
    let house = House::build(Plan::default()).await;
    let wrong = [
        (json!({ "until": "2020-01-01T00:00:00Z" }), "expected a time after"),
        (json!({ "until": "2099-01-01T00:00:00Z" }), "31 days"),
        (json!({ "until": "soon" }), "cannot be used"),
        (
            json!({ "matchers": ["="], "from": "2098-12-31T00:00:00Z", "until": "2099-01-01T00:00:00Z" }),
            "matchers",
        ),
        (json!({ "until": "2099-01-01T00:00:00Z", "more": 1 }), "more"),
    ];
    for (body, part) in wrong {
        let answer = house.post("/maintenance", &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{body}: {answer:?}");
    }
    let until = house.engine.clock.after(std::time::Duration::from_secs(3600));
    let window = json!({ "matchers": ["job=\"a\""], "until": until, "reason": "an upgrade" });
    let added = house.post("/maintenance", &window).await.json();
    assert_eq!((&added["open"], &added["by"]), (&true.into(), &"local".into()), "{added}");
    for job in ["a", "b"] {
        house.notify(firing("Broken", job).to_string()).await;
    }
    house.rest().await;
    let held = house.get("/issues/1").await.json();
    assert_eq!(held["issue"]["phase"], "waiting", "{held}");
    assert!(held["issue"]["why"].as_str().unwrap().contains("an upgrade (local)"), "{held}");
    assert_eq!(house.get("/issues/2").await.json()["issue"]["outcome"], "applied");

    assert_eq!(house.get("/maintenance").await.json().as_array().unwrap().len(), 1);
    let id = added["id"].as_str().unwrap();
    assert_eq!(house.delete(&format!("/maintenance/{id}")).await.status, 200);
    assert_eq!(house.delete(&format!("/maintenance/{id}")).await.status, 404);
    house.rest().await;
    assert_eq!(house.get("/issues/1").await.json()["issue"]["outcome"], "applied", "its time has come");
    assert_eq!(house.get("/maintenance").await.json(), json!([]));
}

#[actix_web::test]
async fn a_hundred_answers_are_one_decision() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Delicate", "a").to_string()).await;
    house.rest().await;
    let approval = house.get("/approvals").await.json()[0].clone();
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let answers = join_all((0..100).map(|number| {
        let decision = if number % 2 == 0 { "grant" } else { "refuse" };
        let body =
            json!({ "decision": decision, "plan_hash": approval["plan_hash"], "reason": number.to_string() });
        let (house, path) = (&house, &path);
        async move { house.post(path, &body).await }
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 99);
    house.rest().await;
    let decided = house.get(&path).await.json();
    let won = answers.iter().find(|answer| answer.status == 200).unwrap().json();
    assert_eq!(decided["answer"], won["answer"]);
    let remediations = house.get("/remediations").await.json();
    let expected = usize::from(decided["answer"]["granted"] == true);
    assert_eq!(remediations.as_array().unwrap().len(), expected);
    // The same answer again, and one for a plan that was changed on the way.
    for hash in [approval["plan_hash"].clone(), "f".repeat(64).into()] {
        let body = json!({ "decision": "grant", "plan_hash": hash });
        assert_eq!(house.post(&path, &body).await.status, 409);
    }
}

#[actix_web::test]
async fn who_has_asked_does_not_approve() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    let ask = async |who: &str, path: &str, body: Value| {
        let request = TestRequest::post()
            .uri(&format!("/api/self-healing{path}"))
            .insert_header(("authorization", format!("Bearer {}", token_of(who))))
            .set_payload(body.to_string());
        house.ask(request).await
    };
    let switch = async |enabled: bool| {
        assert_eq!(
            ask("operator", "/toggle-auto-remediation", json!({ "enabled": enabled })).await.status,
            200
        );
    };
    switch(false).await;
    house.notify(firing("Delicate", "a").to_string()).await;
    house.rest().await;
    assert_eq!(ask("admin", "/manual-remediate/issue-1", json!({})).await.status, 200);
    switch(true).await;
    house.rest().await;
    let approval = house
        .engine
        .journal
        .approvals(selfheal_runtime::ports::journal::ApprovalFilter::open(1))
        .await
        .unwrap()
        .remove(0);
    let path = format!("/approvals/{}", approval.id);
    let answer = |decision: &str| json!({ "decision": decision, "plan_hash": approval.plan_hash });
    let refused = ask("admin", &path, answer("grant")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let said = refused.json();
    assert!(said["error"].as_str().unwrap().contains("whoever asks cannot approve"), "{said}");
    assert!(said["help"].as_str().unwrap().contains("somebody else"), "{said}");
    assert_eq!(ask("approver", &path, answer("grant")).await.status, 200);
    house.rest().await;
    assert_eq!(house.engine.journal.remediations(Default::default()).await.unwrap().len(), 1);
}
