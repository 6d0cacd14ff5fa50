//! The dashboard's files: what a browser is told about each.

use actix_web::test::TestRequest;

use super::support::{House, Plan, tokens};

#[actix_web::test]
async fn the_page_needs_no_token_is_never_kept_and_loads_nothing_from_elsewhere() {
    let house = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    for path in ["/", "/index.html"] {
        let answer = house.ask(TestRequest::get().uri(path)).await;
        let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.starts_with("<!doctype html>"), "{path}");
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("x-content-type-options"), Some("nosniff"));
        assert!(header("content-security-policy").unwrap().starts_with("default-src 'self';"));
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
