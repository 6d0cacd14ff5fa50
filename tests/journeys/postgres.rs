//! PostgreSQL runs out of connections: from the metric to the closed issue.

use std::time::Duration;

use selfheal_test_servers::{
    Alertmanager, HttpStandIn, Postgres, PostgresOptions, Prometheus, PrometheusOptions, ScrapeTarget,
    require, wait_until,
};
use serde_json::json;

use crate::selfheal::{PATIENCE, Selfheal};
use crate::surroundings::{Exporter, Idle, ROLES, number};

const CONNECTIONS: usize = 100;

/// The share of connections in use, by what the exporter says.
const ALERT: &str = "\
groups:
  - name: postgres
    rules:
      - alert: PostgresTooManyConnections
        expr: sum by (instance) (pg_stat_activity_count) / on (instance) max by (instance) (pg_settings_max_connections) > 0.85
        labels: {severity: critical, selfheal_database: main}
        annotations: {summary: 'connections are at {{ $value | humanizePercentage }}', value: '{{ $value }}'}
";

#[test]
fn idle_connections_are_ended_and_the_alert_resolves() {
    let postgres =
        require!(Postgres::start_with(&PostgresOptions { max_connections: 110, ..Default::default() }));
    postgres.sql(ROLES).unwrap();
    let exporter = require!(Exporter::of_postgres(&postgres));
    let slack = HttpStandIn::start().unwrap();
    slack.answer(selfheal_test_servers::Reply::status(200).body("ok"));
    let mut selfheal = Selfheal::prepare(
        json!({
            "policy": { "settle": "1s" },
            "settings": { "idle_connection_age": "1s" },
            "sinks": { "slack": { "kind": "slack", "url": format!("{}/services/T/B/x", slack.url()) } },
            "adapters": { "postgres": { "targets": { "main": {
                "host": "127.0.0.1", "port": postgres.port(), "user": "selfheal", "database": "postgres",
                "tls": "disable",
            } } } },
        }),
        &[],
    );
    selfheal.start();
    let alertmanager = require!(Alertmanager::start(&selfheal.route().to_yaml()));
    let idle = Idle::open(&postgres, CONNECTIONS, Duration::from_secs(1));
    let _prometheus = require!(Prometheus::start(&PrometheusOptions {
        targets: vec![ScrapeTarget::new("postgres", exporter.address())],
        rule_files: vec![ALERT.to_owned()],
        alertmanagers: vec![alertmanager.address()],
        ..PrometheusOptions::default()
    }));

    wait_until("the idle connections are ended", PATIENCE, || idle.alive() == 0);
    let closed = selfheal.wait_for_issue("the issue is closed", |issue| issue["phase"] == "closed");
    assert_eq!(closed["outcome"], "recovered", "{closed:#}");
    assert_eq!(closed["rule"], "postgres_connections");
    assert_eq!(closed["severity"], "critical");
    assert!(closed["metrics"]["value"].as_f64().is_some_and(|share| share > 0.85), "{closed:#}");
    let story = selfheal.story(&closed);
    let expected =
        ["received", "matched", "decided", "applied", "verified", "ended", "resolved", "closed", "outcome"];
    assert_eq!(story, expected);
    assert_eq!(selfheal.issues().len(), 1);

    let message = slack.wait_for(|request| request.text().contains("recovered"), PATIENCE);
    assert!(message.text().contains("PostgresTooManyConnections"), "{}", message.text());
    assert_eq!(number(&postgres, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"), 0);
}
