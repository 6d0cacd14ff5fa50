//! Against a real Prometheus: values, what proves nothing, refusals with a caret, and a server that goes away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use selfheal_contract::{Adapter, FailureKind, conformance};
use selfheal_test_servers::{
    Exporter, Prometheus, PrometheusOptions, ScrapeTarget, poll, require, wait_until,
};
use serde_json::{Value, json};
use support::{adapter, number, params, probe, query, why};

/// Long enough for a busy machine; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// A label value that breaks out of its quotes wherever it is pasted in.
const HOSTILE: &str = r#"x"} or vector(0) #'`\ $1 .*"#;

/// A Prometheus that scrapes `metrics`, once it has.
fn scraped(metrics: &str) -> Result<(Prometheus, Exporter), selfheal_test_servers::Error> {
    let exporter = Exporter::start(metrics)?;
    let options = PrometheusOptions {
        targets: vec![ScrapeTarget::new("target", exporter.address())],
        scrape_interval: Duration::from_millis(200),
        ..PrometheusOptions::default()
    };
    let prometheus = Prometheus::start(&options)?;
    wait_until("the target has been scraped", DEADLINE, || {
        prometheus.query("up == 1").is_ok_and(|answer| answer.contains("\"target\""))
    });
    Ok((prometheus, exporter))
}

/// The server's clock, in Unix seconds.
fn server_time(prometheus: &Prometheus) -> f64 {
    let answer: Value = serde_json::from_str(&prometheus.query("time()").unwrap()).unwrap();
    answer["data"]["result"][0].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fresh_number_is_known_and_everything_else_is_told_apart() {
    let escaped = HOSTILE.replace('\\', "\\\\").replace('"', "\\\"");
    let (prometheus, _exporter) = require!(scraped(&format!(
        "queue{{name=\"a\"}} 7\nqueue{{name=\"b\"}} 8\nqueue{{name=\"{escaped}\"}} 9\nratio NaN\nendless +Inf\n"
    )));
    let adapter = adapter(&[("url", &prometheus.url())]);

    for (expr, expected) in [
        ("up", 1.0),
        ("  up\n", 1.0),
        ("queue{name='a'}", 7.0),
        ("sum(queue)", 24.0),
        ("max(\n  queue\n)", 9.0),
        ("1 + 1", 2.0),
        ("scalar(queue{name=\"b\"})", 8.0),
        ("absent(nowhere)", 1.0),
        ("queue{name=\"a\"} offset 1ms", 7.0),
    ] {
        assert_eq!(number(query(&adapter, expr).await, "value"), expected, "{expr}");
    }
    for (expr, expected) in [
        ("nowhere", "no data: the expression has no value now, and had none within the last 1h"),
        ("sum(nowhere)", "no data"),
        ("up > 1", "no data"),
        ("ratio", "the value is NaN"),
        ("0 / 0", "the value is NaN"),
        ("endless", "the value is inf"),
        ("queue", "3 series answer"),
        ("{job=\"target\"}", "series answer"),
    ] {
        let found = why(query(&adapter, expr).await);
        assert!(found.contains(expected), "{expr}: {found}");
    }

    let reading = query(&adapter, "queue{name=\"a\"}").await.unwrap();
    assert_eq!(reading.field("labels.name").unwrap(), "a");
    assert_eq!(reading.field("labels.job").unwrap(), "target");
    assert_eq!(reading.field("samples").unwrap(), 1);
    let age = server_time(&prometheus) - reading.field("at").unwrap().as_f64().unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");

    let bound = |expr: &str, value: &str| {
        let params = params(json!({ "expr": expr, "bind": [value] }));
        let probe = probe(&adapter, "query");
        async move { probe.read(&params).await }
    };
    for expr in
        ["queue{name=\"$1\"}", "queue{name='$1'}", "queue{name=~\"$1\"}", "sum(queue{name=~'.|$1'}) - 15"]
    {
        assert_eq!(number(bound(expr, HOSTILE).await, "value"), 9.0, "{expr}");
    }
    assert!(why(bound("queue{name=~\"$1\"}", ".*").await).contains("no data"));
    assert!(why(bound("queue{name=\"$1\"}", "line\nand\0nul\u{7f}").await).contains("no data"));
    assert_eq!(number(bound("sum(queue{name!~\"$1\"})", HOSTILE).await, "value"), 15.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_samples_prove_nothing() {
    let (prometheus, exporter) = require!(scraped("fresh 1\n"));
    // A target that gives the time of its samples keeps on showing an old one: a batch job's, for example.
    let sampled_at = (server_time(&prometheus) - 60.0).floor();
    exporter.set(format!("fresh 1\nold 5 {}\n", sampled_at * 1000.0));
    let patient = adapter(&[("url", &prometheus.url()), ("stale_after", "30m")]);
    let strict = adapter(&[("url", &prometheus.url()), ("stale_after", "30s")]);

    wait_until("the old sample is there", DEADLINE, || prometheus.query("old").unwrap().contains("\"5\""));
    assert_eq!(number(query(&patient, "old").await, "at"), sampled_at);
    let range = params(json!({ "expr": "old", "over": "20s", "step": "5s" }));
    assert_eq!(number(probe(&patient, "query_range").read(&range).await, "last"), 5.0);
    for found in [query(&strict, "old").await, probe(&strict, "query_range").read(&range).await] {
        let found = why(found);
        assert!(found.starts_with("stale: the "), "{found}");
    }
    assert_eq!(number(query(&strict, "fresh").await, "value"), 1.0);

    // A target that is gone leaves no value at once, and one that was seen.
    exporter.stop();
    wait_until("the target is down", DEADLINE, || {
        prometheus.query("fresh").unwrap().contains("\"result\":[]")
    });
    let found = why(query(&patient, "fresh").await);
    assert!(found.starts_with("stale") || found.starts_with("no data"), "{found}");
    assert_eq!(number(query(&patient, "up").await, "value"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_summed_up() {
    let (prometheus, _exporter) = require!(scraped("queue{name=\"a\"} 7\nqueue{name=\"b\"} 8\n"));
    let adapter = adapter(&[("url", &prometheus.url()), ("stale_after", "10s")]);
    let range = async |expr: &str| {
        let params = params(json!({ "expr": expr, "over": "1m", "step": "5s" }));
        probe(&adapter, "query_range").read(&params).await
    };

    let climbing = range("vector(time())").await.unwrap();
    let field = |name: &str| climbing.field(name).unwrap().as_f64().unwrap();
    assert!((field("slope_per_second") - 1.0).abs() < 1e-6, "{climbing:?}");
    assert_eq!(field("missing"), 0.0);
    assert!((12.0..=13.0).contains(&field("samples")), "{climbing:?}");
    assert_eq!(field("last"), field("max"));
    assert_eq!(field("last"), field("at"));
    assert_eq!(field("first"), field("min"));
    assert_eq!(field("last") - field("first"), 5.0 * (field("samples") - 1.0));
    assert!((field("avg") - (field("first") + field("last")) / 2.0).abs() < 1e-3);

    let now = server_time(&prometheus);
    let gap = format!("vector(time()) < {} or vector(time()) > {}", now - 30.0, now - 15.0);
    assert_eq!(number(range(&gap).await, "missing"), 3.0);

    for (expr, expected) in [
        ("nowhere".to_owned(), "no data"),
        ("vector(0) / vector(0)".to_owned(), "no numbers that can be compared (the first is NaN)"),
        (format!("vector(time()) < {}", now - 20.0), "stale: the last step has no value"),
        ("count_values('v', vector(time()))".to_owned(), "series answer, where one"),
        ("label_replace(vector(1), 'a', '1', '', '') or vector(2)".to_owned(), "2 series answer"),
    ] {
        let found = why(range(&expr).await);
        assert!(found.contains(expected), "{expr}: {found}");
    }
    wait_until("two steps have a value", DEADLINE, || {
        prometheus.query("count_over_time(queue{name=\"a\"}[20s:1s]) > 2").unwrap().contains("\"target\"")
    });
    let params = params(json!({ "expr": "queue{name=\"$1\"}", "over": "20s", "step": "1s", "bind": ["a"] }));
    let scraped = probe(&adapter, "query_range").read(&params).await;
    assert_eq!(number(scraped.clone(), "last"), 7.0);
    assert_eq!(number(scraped, "slope_per_second"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unusual_and_what_will_be_is_told() {
    let prometheus = require!(Prometheus::start(&PrometheusOptions::default()));
    let adapter = adapter(&[("url", &prometheus.url())]);
    let read = async |name: &str, given: Value| probe(&adapter, name).read(&params(given)).await;

    let ahead = read("forecast", json!({ "expr": "vector(time())", "window": "1m", "horizon": "30s" })).await;
    let field = |name: &str| number(ahead.clone(), name);
    assert!((field("value") - field("at") - 30.0).abs() < 1e-3, "{ahead:?}");
    assert!(field("high") - field("low") < 1e-3 && field("fit") > 0.999, "{ahead:?}");
    assert!((field("slope_per_second") - 1.0).abs() < 1e-6, "{ahead:?}");
    assert!(field("samples") >= 60.0, "{ahead:?}");

    // 0 to 4 over and over, and 1000 since just now.
    let usual = "vector(time() % 5)";
    let now = server_time(&prometheus);
    let jumped = format!("(vector(time()) > {}) * 0 + 1000 or {usual}", now - 5.0);
    let given = |expr: &str| json!({ "expr": expr, "window": "2m", "step": "1s" });
    assert!(number(read("anomaly", given(&jumped)).await, "score") > 100.0);
    assert!(number(read("anomaly", given(usual)).await, "distance") < 3.0);
    assert_eq!(number(read("anomaly", given(usual)).await, "median"), 2.0);

    let short = read("anomaly", json!({ "expr": usual, "window": "10s" })).await;
    assert!(why(short).contains("at least 31 are needed"));
    let short = read("forecast", json!({ "expr": usual, "window": "5s", "horizon": "5s" })).await;
    assert!(why(short).contains("at least 10 are needed"));
    for (name, given) in [
        ("anomaly", json!({ "expr": "nowhere", "window": "1h" })),
        ("forecast", json!({ "expr": "nowhere", "window": "1h", "horizon": "1h" })),
    ] {
        assert!(why(read(name, given).await).contains("no data"), "{name}");
    }
    let far = read("forecast", json!({ "expr": usual, "window": "1h", "horizon": "2h" })).await.unwrap_err();
    assert_eq!(far.kind, FailureKind::Refused);
    assert!(far.what.contains("horizon is 2h, expected at most window, which is 1h"), "{far}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_show_the_place_in_the_rule_s_own_expression() {
    let prometheus = require!(Prometheus::start(&PrometheusOptions::default()));
    let adapter = adapter(&[("url", &prometheus.url())]);
    let range = probe(&adapter, "query_range");
    let cases = [
        ("sum(up) by", "unexpected end of input", "\n  sum(up) by\n"),
        ("up +* up", "unexpected", "\n  up +* up\n      ^"),
        ("1 +\n  sum(up) up", "unexpected identifier", "\n    sum(up) up\n            ^"),
        ("nofunction(up)", "unknown function", "\n  nofunction(up)\n  ^"),
        ("up{a=~\"(\"}", "error parsing regexp", "^"),
        ("\"text\"", "", ""),
    ];
    for (expr, problem, place) in cases {
        for found in [
            query(&adapter, expr).await,
            range.read(&params(json!({ "expr": expr, "over": "1m", "step": "5s" }))).await,
        ] {
            let failure = found.expect_err(expr);
            assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
            assert!(failure.what.contains(problem) && failure.what.contains(place), "{expr}: {failure}");
        }
    }
    for (expr, expected) in [("up[5m]", "apply rate()"), ("'text'", "gives a text")] {
        let failure = query(&adapter, expr).await.expect_err(expr);
        assert!(failure.what.contains(expected), "{expr}: {failure}");
    }
    let failure = range.read(&params(json!({ "expr": "1", "over": "1m", "step": "5s" }))).await.unwrap_err();
    assert!(failure.what.contains("expected an expression that gives an instant vector"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_a_passing_fault() {
    let prometheus = require!(Prometheus::start(&PrometheusOptions::default()));
    let adapter = adapter(&[("url", &prometheus.url()), ("timeout", "500ms")]);
    let failure = async |expected: &str| {
        let failure = query(&adapter, "vector(1)").await.expect_err(expected);
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        assert!(failure.what.contains(expected), "{failure}");
    };
    assert_eq!(number(settled(&adapter), "value"), 1.0);
    prometheus.pause();
    failure("did not answer within 500ms").await;
    prometheus.resume();
    assert_eq!(number(settled(&adapter), "value"), 1.0);
    prometheus.kill();
    failure("cannot be reached").await;
    require!(prometheus.restart());
    assert_eq!(number(settled(&adapter), "value"), 1.0);
}

/// The reading of a server that has just come back, as soon as it answers in time.
fn settled(adapter: &Adapter) -> Result<selfheal_contract::Reading, selfheal_contract::Failure> {
    let handle = tokio::runtime::Handle::current();
    let read = || handle.block_on(query(adapter, "vector(1)")).ok();
    Ok(tokio::task::block_in_place(|| poll(DEADLINE, read)).expect("the server answers"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let (prometheus, _exporter) = require!(scraped("queue{name=\"a\"} 7\n"));
    let adapter = adapter(&[("url", &prometheus.url())]);
    assert_eq!(conformance::describe(&adapter), Vec::<String>::new());
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
        Box::pin(async { json!(prometheus.query("count(queue)").unwrap().contains("\"1\"")) })
    };
    for (name, given) in [
        ("query", json!({ "expr": "queue{name=\"$1\"}", "bind": ["a"] })),
        ("query_range", json!({ "expr": "vector(time())", "over": "1m", "step": "5s" })),
        ("anomaly", json!({ "expr": "vector(time())", "window": "1m" })),
        ("forecast", json!({ "expr": "vector(time())", "window": "1m", "horizon": "30s" })),
    ] {
        conformance::try_probe(&*probe(&adapter, name), &params(given), &observe).await.unwrap();
    }
}
