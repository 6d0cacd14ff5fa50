//! Every route with every role: the table of routes is the truth, and nothing is open by accident.

use actix_web::test::TestRequest;

use selfheal_contract::settings::Secret;

use super::support::{House, Plan, token_of, tokens};
use crate::config::{ApiToken, Role};
use crate::http::{ROUTES, Verb};

/// An admin's token whose time is over.
const EXPIRED: &str = "an-expired-token-0123456789";

/// An address that fits a route's path.
fn uri(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    format!("/api/self-healing{}", parts.collect::<Vec<_>>().join("/"))
}

fn request(verb: Verb, path: &str) -> TestRequest {
    let request = match verb {
        Verb::Get => TestRequest::get(),
        Verb::Post => TestRequest::post(),
        Verb::Delete => TestRequest::delete(),
    };
    request.uri(&uri(path)).insert_header(("host", "selfheal:8400"))
}

#[actix_web::test]
async fn each_role_may_do_what_the_table_says_and_no_more() {
    let mut tokens = tokens();
    tokens.push(ApiToken {
        name: "late".into(),
        token: Secret::new(EXPIRED),
        role: Role::Admin,
        expires: Some("2026-01-01T00:00:00Z".parse().unwrap()),
    });
    let house = House::build(Plan { tokens, ..Plan::default() }).await;
    for route in ROUTES {
        let what = format!("{} {}", route.verb, route.path);
        let wrong =
            ["Bearer nonsense-0123456789".to_owned(), "Basic eDp5".to_owned(), format!("Bearer {EXPIRED}")];
        for wrong in [None].into_iter().chain(wrong.map(Some)) {
            let mut request = request(route.verb, route.path);
            if let Some(authorization) = &wrong {
                request = request.insert_header(("authorization", authorization.as_str()));
            }
            let answer = house.ask(request).await;
            assert_eq!(answer.status, 401, "{what} with {wrong:?}");
            assert!(answer.headers.contains_key("www-authenticate"), "{what}");
            assert!(answer.json()["help"].as_str().unwrap().contains("api.tokens"), "{what}");
            assert!(!answer.text.contains(EXPIRED), "{what}: a token is never shown");
        }
        for (name, role) in Role::NAMES {
            let request = request(route.verb, route.path)
                .insert_header(("authorization", format!("Bearer {}", token_of(name))));
            let answer = house.ask(request).await;
            let is_admitted = !matches!(answer.status.as_u16(), 401 | 403);
            assert_eq!(is_admitted, *role >= route.role, "{what} as {name}: {answer:?}");
            assert!(answer.status.as_u16() < 500, "{what} as {name}: {answer:?}");
            assert_eq!(answer.headers.get("x-content-type-options").unwrap(), "nosniff", "{what}");
            assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store", "{what}");
        }
    }
}

#[actix_web::test]
async fn changing_routes_need_more_than_a_viewer() {
    for route in ROUTES {
        assert!(route.verb == Verb::Get || route.role > Role::Viewer, "{} {}", route.verb, route.path);
    }
}

#[actix_web::test]
async fn another_sites_page_changes_nothing_even_with_a_token() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    for route in ROUTES.iter().filter(|route| route.verb != Verb::Get) {
        let request = request(route.verb, route.path)
            .insert_header(("authorization", format!("Bearer {}", token_of("admin"))))
            .insert_header(("origin", "https://evil.example"));
        let answer = house.ask(request).await;
        assert_eq!(answer.status, 403, "{}", route.path);
        assert!(answer.json()["error"].as_str().unwrap().contains("another site"));
    }
}

#[actix_web::test]
async fn what_is_not_in_the_table_does_not_exist() {
    let house = House::build(Plan::default()).await;
    let cases = [
        (TestRequest::post(), "/", 404, None),
        (TestRequest::get(), "/Cargo.toml", 404, None),
        (TestRequest::get(), "/../Cargo.toml", 404, None),
        (TestRequest::get(), "/..%2fCargo.toml", 404, None),
        (TestRequest::get(), "//etc/passwd", 404, None),
        (TestRequest::get(), "/api", 404, None),
        (TestRequest::get(), "/api/self-healing", 404, None),
        (TestRequest::get(), "/api/self-healing/issues/1/2", 404, None),
        (TestRequest::get(), "/api/self-healing/secrets", 404, None),
        (TestRequest::get(), "/api/self-healing/../../etc/passwd", 404, None),
        (TestRequest::delete(), "/api/self-healing/issues/1", 405, Some("GET")),
        (TestRequest::put(), "/api/self-healing/approvals/1", 405, Some("GET, POST")),
        (TestRequest::get(), "/api/self-healing/toggle-auto-remediation", 405, Some("POST")),
        (TestRequest::post(), "/health", 405, Some("GET, HEAD")),
    ];
    for (request, path, status, allow) in cases {
        let answer = house.ask(request.uri(path).insert_header(("host", "localhost"))).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers.get("allow").map(|allow| allow.to_str().unwrap()), allow, "{path}");
        let body = answer.json();
        assert!(body["error"].is_string() && body["help"].is_string(), "{path}: {body}");
    }
}
