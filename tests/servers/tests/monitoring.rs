//! Prometheus and Alertmanager: from a metric over a rule to a webhook and back, alone and as a pair.

use selfheal_test_servers::{
    Alertmanager, Credentials, Error, Exporter, HttpStandIn, Prometheus, PrometheusOptions, ScrapeTarget,
    WebhookRoute, http, require, wait_until,
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

const RULES: &str = "\
groups:
  - name: test
    rules:
      - alert: QueueLong
        expr: queue_length > 10
        labels: {severity: critical}
";

#[test]
fn a_metric_becomes_a_notification_and_is_resolved() {
    let exporter = Exporter::start("queue_length 3").unwrap();
    let webhook = HttpStandIn::start().unwrap();
    let route = WebhookRoute {
        credentials: Some(Credentials::Bearer("a \"secret\"".to_owned())),
        ..WebhookRoute::new(format!("{}/hook", webhook.url()))
    };
    let alertmanager = require!(Alertmanager::start(&route.to_yaml()));
    let prometheus = require!(Prometheus::start(&PrometheusOptions {
        targets: vec![ScrapeTarget::new("queue", exporter.address())],
        rule_files: vec![RULES.to_owned()],
        alertmanagers: vec![alertmanager.address()],
        scrape_interval: Duration::from_millis(200),
        evaluation_interval: Duration::from_millis(200),
        ..PrometheusOptions::default()
    }));
    wait_until("the metric is scraped", LIMIT, || {
        prometheus.query("queue_length").unwrap().contains("\"3\"")
    });
    assert_eq!(webhook.count(), 0);

    exporter.set("queue_length 30\n");
    let firing = webhook.wait_for(|request| request.text().contains("QueueLong"), LIMIT);
    assert_eq!((firing.method.as_str(), firing.path.as_str()), ("POST", "/hook"));
    assert_eq!(firing.header("authorization"), Some("Bearer a \"secret\""));
    assert!(firing.text().contains(r#""status":"firing""#), "{}", firing.text());

    exporter.set("queue_length 4");
    webhook.wait_for(
        |request| request.text().starts_with(r#"{"receiver":"webhook","status":"resolved""#),
        LIMIT,
    );
}

#[test]
fn prometheus_keeps_its_data_hangs_and_reloads() {
    let exporter = Exporter::start("a 1").unwrap();
    let options = PrometheusOptions {
        targets: vec![ScrapeTarget::new("a", exporter.address())],
        ..PrometheusOptions::default()
    };
    let prometheus = require!(Prometheus::start(&options));
    wait_until("it is scraped", LIMIT, || prometheus.query("a").unwrap().contains(r#"[{"metric""#));
    assert!(exporter.scrapes() > 0);
    exporter.stop();
    wait_until("the target is down", LIMIT, || {
        prometheus.query("up == 0").unwrap().contains(r#"[{"metric""#)
    });

    prometheus.restart().unwrap();
    assert!(prometheus.query("max_over_time(a[5m])").unwrap().contains("\"1\""));
    prometheus.pause();
    prometheus.resume();
    assert!(matches!(prometheus.query("a b"), Err(Error::Refused { .. })));
    prometheus.set_rules(0, RULES).unwrap();
    assert!(http::get(&format!("{}/api/v1/rules", prometheus.url())).unwrap().body.contains("QueueLong"));
    assert!(matches!(prometheus.set_rules(0, "nonsense"), Err(Error::Refused { .. })));
    prometheus.stop();
    assert!(prometheus.query("a").is_err());
}

#[test]
fn alertmanager_is_configured_anew_and_says_what_it_dislikes() {
    let webhook = HttpStandIn::start().unwrap();
    let alertmanager = require!(Alertmanager::start(&WebhookRoute::new("http://127.0.0.1:9/").to_yaml()));
    let basic = Credentials::Basic { username: "u".to_owned(), password: "p".to_owned() };
    let route = WebhookRoute { credentials: Some(basic), ..WebhookRoute::new(webhook.url()) };
    alertmanager.configure(&route.to_yaml()).unwrap();
    assert!(matches!(alertmanager.configure("nonsense"), Err(Error::Refused { .. })));
    alertmanager.post_alerts(r#"[{"labels": {"alertname": "A"}}]"#).unwrap();
    let request = webhook.wait_for_count(1, LIMIT).remove(0);
    assert_eq!(request.header("Authorization"), Some("Basic dTpw"));
    assert!(alertmanager.alerts().unwrap().contains("\"A\""));
    assert!(matches!(alertmanager.post_alerts("[{}]"), Err(Error::Refused { .. })));
    match Alertmanager::start("route: {}") {
        Err(Error::Failed { log, .. }) => assert!(log.contains("receiver"), "{log}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[test]
fn a_pair_knows_each_other_and_sends_once() {
    let webhook = HttpStandIn::start().unwrap();
    let pair = require!(Alertmanager::start_pair(&WebhookRoute::new(webhook.url()).to_yaml()));
    for one in &pair {
        one.post_alerts(r#"[{"labels": {"alertname": "A"}}]"#).unwrap();
    }
    webhook.wait_for_count(1, LIMIT);
    // The second waits 15 s for the first before it would send; what it has from the first is in its log.
    let status = http::get(&format!("{}/api/v2/status", pair[1].url())).unwrap().body;
    assert_eq!(status.matches(r#""address":"#).count(), 2, "{status}");
    assert_eq!(webhook.count(), 1);
}
