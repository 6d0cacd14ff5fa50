//! `/session`: what a page is told about who looks at it.

use actix_web::test::TestRequest;
use serde_json::Value;

use super::support::{House, Plan, token_of, tokens};

#[actix_web::test]
async fn a_session_says_what_its_role_may_do() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    let allowed = |session: &Value, route: &str| {
        let routes = session["routes"].as_array().unwrap();
        let found = routes.iter().find(|found| found["route"] == route);
        found.unwrap_or_else(|| panic!("{route} is listed: {session}"))["allowed"] == true
    };
    // Role, then whether it may read, turn the switch, answer for plans.
    let cases = [
        ("viewer", true, false, false),
        ("operator", true, true, false),
        ("approver", true, true, true),
        ("admin", true, true, true),
    ];
    for (role, reads, switches, approves) in cases {
        let authorization = format!("Bearer {}", token_of(role));
        let request = TestRequest::get().uri("/api/self-healing/session");
        let answer = house.ask(request.insert_header(("authorization", authorization))).await;
        let session = answer.json();
        assert_eq!((&session["role"], &session["mode"]), (&role.into(), &"auto".into()), "{session}");
        let found = [
            allowed(&session, "GET /issues"),
            allowed(&session, "POST /toggle-auto-remediation"),
            allowed(&session, "POST /approvals/{id}"),
        ];
        assert_eq!(found, [reads, switches, approves], "{role}");
    }
}
