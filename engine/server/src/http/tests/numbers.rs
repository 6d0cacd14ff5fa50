//! Scores, statistics, filters and pages, over a history made by alerts.

use serde_json::{Value, json};

use super::support::{House, Plan, firing};

#[actix_web::test]
async fn every_missing_point_has_a_name() {
    let house = House::build(Plan::default()).await;
    let empty = house.get("/health-score").await.json();
    assert_eq!((&empty["overall_score"], &empty["issues"]), (&json!(100), &json!([])), "{empty}");
    assert_eq!(empty["trend"].as_array().unwrap().len(), 97);

    let house = House::build(Plan::default()).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.notify(firing("Unknown", "b").to_string()).await;
    house.rest().await;
    let score = house.get("/health-score").await.json();
    assert_eq!((&score["compute_score"], &score["database_score"]), (&json!(85), &json!(100)), "{score}");
    // The rule names nothing that would show whether its note helped.
    assert_eq!((&score["issues_detected"], &score["auto_remediated"]), (&json!(2), &json!(0)), "{score}");
    let costs: Vec<(&Value, &Value, &Value)> = score["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cost| (&cost["id"], &cost["component"], &cost["points"]))
        .collect();
    let expected =
        [(&json!("issue-1"), &json!("compute"), &json!(15)), (&json!("issue-2"), &Value::Null, &json!(15))];
    assert_eq!(costs, expected, "{score}");
    let metrics = house.ask(actix_web::test::TestRequest::get().uri("/metrics")).await;
    assert!(metrics.text.contains("self_healing_health_score{component=\"compute\"} 85"), "{}", metrics.text);

    let statistics = house.get("/statistics").await.json();
    let day = &statistics["windows"]["24h"];
    assert_eq!(day["issues_detected"], 2, "{statistics}");
    assert_eq!(day["by_kind"].as_array().unwrap().len(), 2, "{statistics}");
    let counts = &day["remediations"];
    let expected = json!({
        "total": 1, "successful": 1, "verified": 0, "unverified": 1, "failed": 0, "success_rate": null,
        "by_outcome": { "applied": 1 },
    });
    assert_eq!(counts, &expected);
    assert!(day["times"]["decision"]["p99_seconds"].as_f64().unwrap() < 10.0, "{statistics}");
}

#[actix_web::test]
async fn lists_are_filtered_and_paged_without_a_gap() {
    let house = House::build(Plan::default()).await;
    for number in 0..25 {
        let mut body = firing(if number % 5 == 0 { "Broken" } else { "Unknown" }, &format!("job-{number}"));
        body["alerts"][0]["labels"]["namespace"] = json!(if number < 10 { "shop" } else { "pay" });
        body["alerts"][0]["labels"]["markup"] = json!("<script>alert(1)</script>");
        house.notify(body.to_string()).await;
    }
    house.rest().await;
    let count = async |path: &str| house.get(path).await.json().as_array().map(Vec::len);
    let cases = [
        ("/issues", 25),
        ("/issues?severity=high", 25),
        ("/issues?severity=low", 0),
        ("/issues?severity=medium", 0),
        ("/issues?severity=ERROR", 25),
        ("/issues?severity=purple", 0),
        ("/issues?resource=JOB-2", 6),
        ("/issues?namespace=shop", 10),
        ("/issues?namespace=shop&rule=heal", 2),
        ("/issues?component=compute", 5),
        ("/issues?text=JOB-24", 1),
        ("/issues?text=%3Cscript%3E", 25),
        ("/issues?since=2020-01-01T00:00:00Z&until=2099-01-01T00:00:00Z", 25),
        ("/issues?until=2020-01-01T00:00:00Z", 0),
        ("/issues?outcome=applied&open=true", 5),
        ("/remediations", 5),
        ("/remediations?status=success", 5),
        ("/remediations?status=failed", 0),
        ("/remediations?status=failed&outcome=applied", 0),
        ("/remediations?status=in_progress", 0),
        ("/remediations?rule=heal&outcome=applied", 5),
        ("/remediations?text=job-20", 1),
        ("/remediations?resource=job/job-2", 1),
        ("/remediations?resource=JOB-1", 2),
        ("/remediations?resource=elsewhere", 0),
    ];
    for (path, expected) in cases {
        assert_eq!(count(path).await, Some(expected), "{path}");
    }
    let answer = house.get("/issues?limit=1").await;
    assert_eq!(answer.headers.get("content-type").unwrap(), "application/json", "markup is never a page");

    let (mut found, mut next) = (Vec::new(), Some("/issues?limit=7&severity=high".to_owned()));
    while let Some(path) = next {
        let page = house.get(&path).await;
        found.extend(
            page.json().as_array().unwrap().iter().map(|issue| issue["id"].as_str().unwrap().to_owned()),
        );
        // What comes in meanwhile does not move the pages.
        house.notify(firing("Unknown", &format!("later-{}", found.len())).to_string()).await;
        house.rest().await;
        next = page.headers.get("link").map(|link| {
            let link = link.to_str().unwrap().trim_start_matches("</api/self-healing");
            link.split('>').next().unwrap().to_owned()
        });
    }
    let expected: Vec<String> = (1..=25).rev().map(|number| format!("issue-{number}")).collect();
    assert_eq!(found, expected);
    let foreign = house.get("/remediations?cursor=aXNzdWUtNQ").await;
    assert_eq!(foreign.status, 400, "a cursor of another list: {foreign:?}");
}
