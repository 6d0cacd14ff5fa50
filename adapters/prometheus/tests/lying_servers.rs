//! Against servers that are no Prometheus, or one that lies: every answer is judged, bounded, and told in words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use selfheal_contract::FailureKind::{self, Refused, Transient};
use selfheal_test_servers::{HttpStandIn, Reply};
use serde_json::json;
use support::{adapter, number, params, probe, query, why};

fn success(result_type: &str, result: &str) -> Reply {
    let data = format!(r#"{{"resultType":"{result_type}","result":{result}}}"#);
    Reply::status(200).json(format!(r#"{{"status":"success","data":{data}}}"#))
}

fn error(status: u16, kind: &str, text: &str) -> Reply {
    let body = json!({ "status": "error", "errorType": kind, "error": text });
    Reply::status(status).json(body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_fail_with_what_to_do() {
    let server = HttpStandIn::start().unwrap();
    let adapter = adapter(&[("url", &server.url())]);
    let html = "<html>log in, please</html>";
    let json = |body: &str| Reply::status(200).json(body);
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = vec![b' '; 5 * 1024 * 1024];
    let cases: Vec<(Reply, FailureKind, &str)> = vec![
        (Reply::status(200).header("content-type", "text/html").body(html), Refused, "got text/html"),
        (Reply::status(200).body("{}"), Refused, "got no content type"),
        (json(html), Transient, "cannot be used"),
        (json(""), Transient, "cannot be used"),
        (json("[]"), Transient, "cannot be used"),
        (json("null"), Transient, "cannot be used"),
        (json(&nested), Transient, "cannot be used"),
        (json("{\"status\":\"success\"}"), Transient, "has no data"),
        (json("{\"status\":\"success\",\"data\":null}"), Transient, "has no data"),
        (json("{\"status\":\"success\",\"data\":{}}"), Transient, "cannot be used"),
        (json("{\"status\":\"perhaps\"}"), Transient, "its status is \"perhaps\""),
        (success("vector", "7"), Transient, "cannot be used"),
        (success("poem", "[]"), Transient, "cannot be used"),
        (success("vector", "[{\"metric\":{},\"value\":[1,\"seven\"]}]"), Transient, "\"seven\" is no number"),
        (success("vector", "[{\"metric\":{},\"value\":[1,7]}]"), Transient, "cannot be used"),
        (success("matrix", "[]"), Refused, "gives a range"),
        (
            Reply::status(200).header("content-type", "application/json").body(huge),
            Refused,
            "more than 4 MiB",
        ),
        (Reply::status(302).header("location", "http://127.0.0.1:1/"), Refused, "to http://127.0.0.1:1/"),
        (Reply::status(307), Refused, "that it does not name"),
        (Reply::status(401).body("who?"), Refused, "adapters.prometheus.token"),
        (Reply::status(403), Refused, "does not let us in (HTTP 403)"),
        (Reply::status(404), Refused, "path prefix"),
        (Reply::status(405), Refused, "does not answer queries here (HTTP 405)"),
        (Reply::status(400), Refused, "HTTP 400"),
        (Reply::status(429), Transient, "HTTP 429"),
        (Reply::status(500).body(html), Transient, "HTTP 500"),
        (Reply::status(502).header("content-type", "text/html").body(html), Transient, "HTTP 502"),
        (error(503, "timeout", "query timed out"), Transient, "query timed out"),
        (error(400, "bad_data", "no such thing"), Refused, "no such thing\n  up"),
        (error(400, "bad_data", "99:99: parse error: odd"), Refused, "odd"),
        (error(422, "execution", "too many samples"), Refused, "too many samples"),
        (error(422, "timeout", "too slow"), Transient, "too slow"),
        (error(200, "internal", "lied about the status"), Transient, "lied about the status"),
        (Reply::hang_up(), Transient, "broke off"),
    ];
    for (reply, kind, expected) in cases {
        let shown = format!("{reply:.300?}");
        server.answer(reply);
        let failure = query(&adapter, "up").await.expect_err(expected);
        assert_eq!(failure.kind, kind, "{failure}\n{shown}");
        assert!(failure.what.contains(expected), "{failure}\nwanted {expected}");
        assert!(failure.what.len() < 1500, "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_prove_nothing_are_inconclusive() {
    let server = HttpStandIn::start().unwrap();
    let adapter = adapter(&[("url", &server.url())]);
    let partial = r#"{"status":"success","warnings":["a store is down","another"],
        "data":{"resultType":"vector","result":[{"metric":{},"value":[10,"7"]}]}}"#;
    let beside = |at: f64| {
        format!(
            r#"[{{"metric":{{"__name__":"up"}},"value":[1000,"7"]}},
                {{"metric":{{"__selfheal_beside__":"sample_time"}},"value":[1000,"{at}"]}}]"#
        )
    };
    let cases = [
        (Reply::status(200).json(partial), "may be incomplete: a store is down (and 1 more)"),
        (success("vector", r#"[{"metric":{},"histogram":[10,{"count":"1"}]}]"#), "native histogram"),
        (success("vector", r#"[{"metric":{},"value":[10,"-Inf"]}]"#), "the value is -inf"),
        (success("scalar", r#"[10,"NaN"]"#), "the value is NaN"),
        (success("vector", &beside(1000.0 - 301.0)), "stale: the sample is 5m1s old"),
        (success("vector", "[]"), "no data"),
    ];
    for (reply, expected) in cases {
        server.answer(reply);
        let found = why(query(&adapter, "up").await);
        assert!(found.contains(expected), "{found}");
    }
    let hint = r#"{"status":"success","warnings":["PromQL info: metric might not be a counter"],
        "data":{"resultType":"vector","result":[{"value":[10,"7"]}]}}"#;
    server.answer(Reply::status(200).json(hint));
    assert_eq!(number(query(&adapter, "up").await, "value"), 7.0);
    server.answer(success("vector", &beside(1000.0 - 299.0)));
    assert_eq!(number(query(&adapter, "up").await, "at"), 701.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_are_none_fail() {
    let server = HttpStandIn::start().unwrap();
    let adapter = adapter(&[("url", &server.url())]);
    let steps = r#"{"metric":{"__selfheal_beside__":"steps"},"values":[[1,"0"],[2,"0"]]}"#;
    let cases = [
        (success("vector", "[]"), "no range of values"),
        (success("matrix", "[]"), "that shows the steps is missing"),
        (
            success("matrix", r#"[{"metric":{},"values":[[1,"1"],[2,"2"]]}]"#),
            "that shows the steps is missing",
        ),
        (
            success("matrix", &format!(r#"[{steps},{{"metric":{{}},"values":[[2,"1"],[1,"2"]]}}]"#)),
            "not in order",
        ),
    ];
    let params = params(json!({ "expr": "up", "over": "1m", "step": "5s" }));
    for (reply, expected) in cases {
        server.answer(reply);
        let failure = probe(&adapter, "query_range").read(&params).await.expect_err(expected);
        assert_eq!(failure.kind, Transient);
        assert!(failure.what.contains(expected), "{failure}");
    }
    server.answer(success("matrix", &format!(r#"[{steps},{{"metric":{{}},"histograms":[]}}]"#)));
    assert!(why(probe(&adapter, "query_range").read(&params).await).contains("native histogram"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_are_cut_off() {
    let slow = HttpStandIn::start().unwrap();
    slow.answer(Reply::status(200).after(Duration::from_secs(60)));
    let impatient = adapter(&[("url", &slow.url()), ("timeout", "200ms")]);
    let failure = query(&impatient, "up").await.unwrap_err();
    assert_eq!(failure.kind, Transient);
    assert!(failure.what.contains("did not answer within 200ms"), "{failure}");

    // A body that promises an end and drips, and one that is sent as fast as it is read.
    for (chunk, kind, expected) in [
        (vec![b' '; 1], Transient, "did not answer within 500ms"),
        (vec![b' '; 64 * 1024], Refused, "more than 4 MiB"),
    ] {
        let drip = chunk.len() == 1;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n").unwrap();
            // Until the client has gone: a drip now and then, or all at once.
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            while stream.write_all(&chunk).is_ok() {
                if drip && matches!(stream.read(&mut request), Ok(0)) {
                    break;
                }
            }
        });
        let timeout = if drip { "500ms" } else { "30s" };
        let adapter = adapter(&[("url", &format!("http://{address}")), ("timeout", timeout)]);
        let failure = query(&adapter, "up").await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.what.contains(expected), "{failure}");
        server.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_was_configured() {
    let server = HttpStandIn::start().unwrap();
    server.answer(success("scalar", r#"[10,"7"]"#));
    let url = format!("{}/prefix/", server.url());
    let settings = [
        (vec![("url", url.as_str())], None),
        (vec![("url", &url), ("token", "hunter2")], Some("Bearer hunter2")),
        (vec![("url", &url), ("user", "me"), ("password", "hunter2")], Some("Basic bWU6aHVudGVyMg==")),
    ];
    for (settings, authorization) in settings {
        server.forget();
        let adapter = adapter(&settings);
        let given = params(json!({ "expr": "sum(up{a=\"$1\"})", "bind": ["ä&=+% "] }));
        assert_eq!(number(probe(&adapter, "query").read(&given).await, "value"), 7.0);
        let request = server.requests().remove(0);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/prefix/api/v1/query"));
        assert_eq!(request.header("authorization"), authorization);
        assert_eq!(
            request.text(),
            "query=sum%28up%7Ba%3D%22%C3%A4%26%3D%2B%25+%22%7D%29&timeout=2s&lookback_delta=5m"
        );
        server.script([Reply::status(401)]);
        let failure = probe(&adapter, "query").read(&given).await.unwrap_err();
        assert!(!failure.what.contains("hunter2"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_rules_are_checked_and_readings_refused() {
    let adapter = adapter(&[]);
    let query = probe(&adapter, "query");
    let good = params(json!({ "expr": "up" }));
    query.check(&good).unwrap();
    let failure = query.read(&good).await.unwrap_err();
    assert_eq!(failure.kind, Refused);
    assert!(
        failure.what.contains("adapters.prometheus.url") && failure.what.contains("PROMETHEUS_URL"),
        "{failure}"
    );

    let range = json!({ "expr": "up", "over": "1m", "step": "1ms" });
    for (name, given, expected) in [
        ("query", json!({ "expr": "up{a=\"b}" }), "has no end"),
        ("query", json!({ "expr": "up", "bind": ["a"] }), "is not used"),
        ("query", json!({ "expr": "up", "bind": [null] }), "invalid type: null"),
        ("query", json!({ "expr": "up", "extra": 1 }), "unknown field"),
        ("query", json!({}), "missing field"),
        ("query_range", range, "at least 1s"),
        ("query_range", json!({ "expr": "up)", "over": "1m", "step": "1s" }), "closes nothing"),
    ] {
        let failure = probe(&adapter, name).check(&params(given)).expect_err(expected);
        assert_eq!(failure.kind, Refused);
        assert!(failure.what.contains(expected), "{failure}");
    }
}
