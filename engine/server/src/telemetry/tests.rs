//! What is logged and how, and that a collector gets our spans under our trace ids.

use std::collections::BTreeSet;

use selfheal_test_servers::{HttpStandIn, Reply, Request};
use tracing::{debug, info, info_span, warn};

use super::testing::{Lines, telemetry};
use super::*;
use crate::sinks::testing::{clock, install_tls};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// What the root's id is computed to be.
const ROOT: &str = "e837bda879bd0a90";

fn logged(settings: &TelemetrySettings, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let (dispatch, _guard) = telemetry(settings, &lines);
    tracing::dispatcher::with_default(&dispatch, log);
    String::from_utf8(lines.lock().unwrap().clone()).unwrap()
}

#[test]
fn a_line_stays_one_line() {
    let hostile = "a\nb\r\u{1b}[31m \"q\" \\ \u{7f}\u{9b}\u{2028}\u{202e} <!channel> ä=1";
    let error = std::io::Error::other("disk\nfull");
    let log = || warn!(label = hostile, count = 3, ratio = f64::NAN, level = true, %error, "said {hostile}");

    let json = logged(&TelemetrySettings::default(), log);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "timestamp": "2026-11-22T12:00:00.000000Z", "level": "WARN", "target": module_path!(),
        "message": format!("said {hostile}"), "label": hostile, "count": 3, "ratio": "NaN",
        "field_level": true, "error": "disk\nfull",
    });
    assert_eq!(line, expected, "{json}");

    let text = logged(&TelemetrySettings { format: LogFormat::Text, ..Default::default() }, log);
    let start =
        format!("2026-11-22T12:00:00.000000Z  WARN {}: said a\\nb\\r\\u001b[31m \"q\"", module_path!());
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with(" count=3 ratio=NaN level=true error=\"disk\\nfull\"\n"), "{text}");

    for line in [json, text] {
        let hidden = line.trim_end().chars().filter(|c| crate::outgoing::is_hidden(*c)).count();
        assert_eq!((hidden, line.matches('\n').count()), (0, 1), "{line:?}");
    }

    let long = logged(&TelemetrySettings::default(), || info!(label = "ä".repeat(100_000), "long"));
    assert!(long.len() < 17 * 1024 && long.contains('…'), "{} bytes", long.len());
}

#[test]
fn filters_decide_what_is_logged() {
    let cases = [
        ("info", &["info", "warn"][..]),
        ("warn", &["warn"]),
        ("off", &[]),
        ("selfheal=debug,warn", &["debug", "info", "warn"]),
        ("error,opentelemetry=info", &["otel"]),
        ("debug", &["debug", "info", "warn"]),
    ];
    for (filter, expected) in cases {
        let text = logged(&TelemetrySettings { filter: filter.into(), ..Default::default() }, || {
            debug!("debug");
            info!("info");
            warn!("warn");
            info!(target: "opentelemetry_sdk", "otel");
        });
        let messages: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().into()
            })
            .collect();
        assert_eq!(messages, expected, "{filter}");
    }
    let settings = TelemetrySettings { filter: "selfheal=loud".into(), ..Default::default() };
    let fault = set_up(&settings, clock(), std::io::sink).unwrap_err().to_string();
    assert!(fault.contains("selfheal=loud") && fault.contains("info"), "{fault}");
}

#[test]
fn without_a_collector_no_span_is_enabled() {
    logged(&TelemetrySettings { filter: "trace".into(), ..Default::default() }, || {
        let span = info_span!(target: "selfheal_runtime", "decide", trace = TRACE);
        assert!(span.is_disabled());
        adopt(&span, TRACE);
        begin(&span, TRACE, None);
    });
}

fn otlp(endpoint: String, sample_ratio: f64) -> TelemetrySettings {
    install_tls();
    let otlp = OtlpSettings { endpoint, sample_ratio, timeout: Duration::from_secs(5) };
    TelemetrySettings { otlp: Some(otlp), ..Default::default() }
}

/// Everything that one process would record of a trace: its root and a child if it begins here, and later work.
async fn run(settings: &TelemetrySettings, begins: Option<Option<&Incoming>>) {
    let lines = Lines::default();
    let (dispatch, guard) = telemetry(settings, &lines);
    tracing::dispatcher::with_default(&dispatch, || {
        if let Some(incoming) = begins {
            let webhook = info_span!(target: "selfheal_server", "webhook", trace = TRACE);
            begin(&webhook, TRACE, incoming);
            let _entered = webhook.enter();
            info_span!(target: "selfheal_runtime", "expand").in_scope(|| info!("within"));
            info_span!(target: "hyper", "not ours").in_scope(|| ());
        }
        // Another trace's span around it must not matter.
        let around = info_span!(target: "selfheal_runtime", "around");
        adopt(&around, "0123456789abcdef0123456789abcdef");
        let _entered = around.enter();
        let decide = info_span!(target: "selfheal_runtime", "decide", trace = TRACE);
        adopt(&decide, TRACE);
        decide.in_scope(|| info_span!(target: "selfheal_runtime", "observe").in_scope(|| ()));
    });
    drop(dispatch);
    guard.shutdown(Duration::from_secs(10)).await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of an OTLP request: trace, span and parent, found by the tags and lengths of their fields
/// (opentelemetry-proto, `trace/v1/trace.proto`: trace_id = 1, span_id = 2, parent_span_id = 4).
fn spans(request: &Request) -> Vec<(String, String, Option<String>)> {
    let body = &request.body;
    let found = (0..body.len()).filter_map(|at| {
        let rest = body[at..].strip_prefix(&[0x0a, 16])?;
        let (trace, rest) = rest.split_at_checked(16)?;
        let (span, rest) = rest.strip_prefix(&[0x12, 8])?.split_at_checked(8)?;
        let parent = rest.strip_prefix(&[0x22, 8]).and_then(|rest| rest.get(..8));
        Some((hex(trace), hex(span), parent.map(hex)))
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_one_trace_before_and_after_a_restart() {
    let collector = HttpStandIn::start().unwrap();
    let incoming = Incoming::read(&format!("00-{TRACE}-00f067aa0ba902b7-00")).unwrap();
    let foreign = Incoming::read("00-ffffffffffffffffffffffffffffffff-00f067aa0ba902b7-01").unwrap();
    let cases = [
        (None, None),
        (Some(None), None),
        (Some(Some(&incoming)), Some("00f067aa0ba902b7")),
        (Some(Some(&foreign)), None),
    ];
    for (begins, parent_of_root) in cases {
        collector.forget();
        run(&otlp(collector.url(), 1.0), begins).await;
        let request = collector.wait_for_count(1, Duration::from_secs(10)).remove(0);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        for name in ["decide", "observe", "selfheal"] {
            assert!(request.body.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{name}");
        }
        assert!(!request.text().contains("not ours"));

        let spans = spans(&request);
        let ours: Vec<_> = spans.iter().filter(|(trace, ..)| trace == TRACE).collect();
        assert_eq!(spans.len() - ours.len(), 1, "only the one around is of another trace: {spans:?}");
        let root: Vec<_> = ours.iter().filter(|(_, span, _)| span == ROOT).collect();
        assert_eq!(root.len(), usize::from(begins.is_some()), "{spans:?}");
        assert_eq!(root.first().and_then(|(.., parent)| parent.as_deref()), parent_of_root, "{spans:?}");
        let under_root = ours.iter().filter(|(.., parent)| parent.as_deref() == Some(ROOT)).count();
        assert_eq!((ours.len(), under_root), if begins.is_some() { (4, 2) } else { (2, 1) }, "{spans:?}");
        let ids: BTreeSet<_> = spans.iter().map(|(_, span, _)| span).collect();
        assert_eq!(ids.len(), spans.len(), "an id is used twice: {spans:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sampling_goes_by_the_trace_alone() {
    let collector = HttpStandIn::start().unwrap();
    let sampled = Incoming::read(&format!("00-{TRACE}-00f067aa0ba902b7-01")).unwrap();
    run(&otlp(format!("{}/v1/traces/", collector.url()), 0.0), Some(Some(&sampled))).await;
    assert_eq!(collector.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_costs_nothing_but_the_spans() {
    let collector = HttpStandIn::start().unwrap();
    collector.answer(Reply::status(400));
    run(&otlp(collector.url(), 1.0), Some(None)).await;
    collector.stop();
    run(&otlp(collector.url(), 1.0), Some(None)).await;
    for endpoint in ["", "127.0.0.1:4318", "ftp://collector"] {
        let settings = otlp(endpoint.into(), 1.0);
        let fault = set_up(&settings, clock(), std::io::sink).unwrap_err().to_string();
        assert!(fault.contains("http://"), "{fault}");
    }
}
