//! The dashboard's page: that it is whole, and what a browser is told of it.

use actix_web::test::TestRequest;

use super::support::{House, Plan, tokens};

#[actix_web::test]
async fn the_page_is_whole_needs_no_token_and_loads_nothing_from_elsewhere() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    for path in ["/", "/index.html"] {
        let answer = house.ask(TestRequest::get().uri(path)).await;
        let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(answer.text.starts_with("<!doctype html>"), "{path}");
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        let policy = header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains("; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        // Whatever else it named would be one more thing to wait for.
        let asks: Vec<&str> = answer.text.matches("<link ").chain(answer.text.matches(" src=\"")).collect();
        assert_eq!(asks, ["<link "], "the icon alone");
        for part in [".standing {", "const $js_views_issue_js = (() => {", "function start() {"] {
            assert!(answer.text.contains(part), "{part}");
        }
    }
    assert_eq!(house.ask(TestRequest::get().uri("/icon.svg")).await.status, 200);
    assert_eq!(house.ask(TestRequest::get().uri("/js/app.js")).await.status, 404);
}

#[actix_web::test]
async fn a_browser_asks_each_time_and_hears_that_nothing_is_new() {
    let house = House::build(Plan::default()).await;
    let first = house.ask(TestRequest::get().uri("/")).await;
    assert_eq!(first.headers.get("cache-control").unwrap(), "no-cache");
    let etag = first.headers.get("etag").unwrap().clone();
    for (known, status) in [(etag.to_str().unwrap(), 304), ("\"of another version\"", 200)] {
        let again = house.ask(TestRequest::get().uri("/").insert_header(("if-none-match", known))).await;
        assert_eq!(again.status, status, "{known}");
        assert_eq!(again.text.is_empty(), status == 304, "{known}");
    }
}

#[actix_web::test]
async fn it_is_packed_for_those_who_take_it_so() {
    let house = House::build(Plan::default()).await;
    let cases = [
        (None, false),
        (Some("gzip"), true),
        (Some("br;q=1.0, gzip;q=0.8"), true),
        (Some("*"), true),
        (Some("gzip;q=0"), false),
        (Some("br"), false),
    ];
    for (accepted, packed) in cases {
        let mut request = TestRequest::get().uri("/");
        if let Some(accepted) = accepted {
            request = request.insert_header(("accept-encoding", accepted));
        }
        let (headers, body) = house.ask_for_bytes(request).await;
        assert_eq!(headers.contains_key("content-encoding"), packed, "{accepted:?}");
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), packed, "{accepted:?}");
    }
    // What the API says is packed when it is long, and its stream never.
    for (path, packed) in [("rules/heal", false), ("session", true), ("stream", false)] {
        let request = TestRequest::get().uri(&format!("/api/self-healing/{path}"));
        let request =
            request.insert_header(("host", "localhost:8400")).insert_header(("accept-encoding", "gzip"));
        let (headers, body) = house.ask_for_bytes(request).await;
        assert_eq!(headers.contains_key("content-encoding"), packed, "{path}");
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), packed, "{path}");
    }
}
