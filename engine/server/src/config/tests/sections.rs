//! What sections become, and how the whole is shown.

use super::*;
use crate::config::{Receiver, Role};

const FULL: &str = r##"
listen: 0.0.0.0:8400
data: /var/lib/selfheal
external_url: https://selfheal.example.com/
intake:
  body_max: 1MiB
  in_flight_max: 4MiB
  bearer_tokens: [hunter2hunter2hunter2, hunter3hunter3hunter3]
  basic: [{user: am, password: hunter2hunter2hunter2}]
api:
  tokens:
  - {name: ops, token: hunter2hunter2hunter2, role: admin}
  - {name: wall, token: hunter4hunter4hunter4, role: viewer, expires: 2030-01-31T01:00:00+01:00}
policy:
  mode: approve
  rule_modes: {redis_memory: shadow}
  forbidden: [redis.*]
  delays: {low: 2h}
  maintenance:
  - {reason: patch day, matchers: ['namespace="shop", severity!="critical"'], days: [sat, sun, sat], at: 23:00, lasts: 3h, zone: Europe/Berlin}
  - {reason: move, from: 2030-03-01T20:00:00Z, until: 2030-03-02T06:00:00Z}
settings: {postgres_conn_threshold: 90, my_limit: 5, my_text: a, my_switch: true, my_nothing: }
ledger: {url: "rediss://:hunter2@r"}
alertmanager:
  urls: ["http://a:9093", "http://b:9093/am/"]
  user: u
  password: hunter2
sinks:
  alerts: {kind: slack, url: "https://hooks.slack.com/hunter2", channel: "#alerts", events: [person, approval, person]}
  tickets: {kind: webhook, url: "https://hunter2@t", secret: hunter2hunter2hunter2}
  ops: {kind: slack_app, token: xoxb-hunter2, channel: "#ops", channels: [{matchers: ['severity="critical"'], channel: "#page"}], report: true}
  pager: {kind: pagerduty, routing_key: hunter2}
  oncall: {kind: opsgenie, key: hunter2, url: "https://api.eu.opsgenie.com"}
  incidents: {kind: incidents, url: "https://hunter2@i/tickets", token: hunter2}
escalation: [{sinks: [ops]}, {after: 15m, sinks: [pager, oncall]}]
slack: {signing_secret: hunter2, users: [{id: U012, name: ann, role: approver}]}
telemetry: {log: {format: text}, otlp: {endpoint: "http://c:4318", sample_ratio: 0.25}}
adapters: {redis: {targets: {main: {url: "redis://:hunter2@r"}}}}
"##;

#[test]
fn a_full_file_is_understood() {
    let configuration =
        check_around(Some(FULL), &Around::default()).unwrap_or_else(|refused| panic!("{refused}"));
    let shown = serde_json::to_value(&configuration).unwrap();
    let cases = [
        ("/external_url", r#""https://selfheal.example.com""#),
        ("/intake/bearer_tokens", r#"["***","***"]"#),
        ("/intake/basic", r#"[{"password":"***","user":"am"}]"#),
        ("/api/tokens/1/expires", r#""2030-01-31T00:00:00Z""#),
        ("/policy/rule_modes", r#"{"redis_memory":"shadow"}"#),
        ("/policy/delays", r#"{"critical":"0s","high":"5m","low":"2h","medium":"15m"}"#),
        (
            "/policy/maintenance/0",
            r#"{"at":"23:00:00","days":["sat","sun"],"lasts":"3h","matchers":["namespace=\"shop\"","severity!=\"critical\""],"reason":"patch day","zone":"Europe/Berlin"}"#,
        ),
        ("/settings/postgres_conn_threshold", "0.9"),
        ("/settings/my_limit", "5"),
        ("/settings/my_text", r#""a""#),
        ("/settings/my_switch", "true"),
        ("/settings/my_nothing", ""),
        ("/ledger/url", r#""***""#),
        ("/alertmanager/urls", r#"["http://a:9093","http://b:9093/am"]"#),
        ("/alertmanager/password", r#""***""#),
        (
            "/sinks/alerts",
            r##"{"channel":"#alerts","events":["person","approval"],"kind":"slack","timeout":"5s","url":"***"}"##,
        ),
        ("/sinks/tickets/secret", r#""***""#),
        ("/sinks/ops/token", r#""***""#),
        ("/sinks/ops/digest_over", "20"),
        ("/sinks/ops/channels", r##"[{"channel":"#page","matchers":["severity=\"critical\""]}]"##),
        (
            "/sinks/pager",
            r#"{"events":["person"],"kind":"pagerduty","routing_key":"***","timeout":"5s","url":"https://events.pagerduty.com"}"#,
        ),
        ("/sinks/oncall/url", r#""https://api.eu.opsgenie.com""#),
        ("/sinks/incidents/url", r#""***""#),
        ("/escalation", r#"[{"after":"0s","sinks":["ops"]},{"after":"15m","sinks":["pager","oncall"]}]"#),
        ("/slack", r#"{"signing_secret":"***","users":[{"id":"U012","name":"ann","role":"approver"}]}"#),
        ("/adapters/redis", r#""configured""#),
    ];
    for (pointer, expected) in cases {
        let found = shown.pointer(pointer).map(Value::to_string).unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }
    assert_eq!(configuration.journal_path().to_str(), Some("/var/lib/selfheal/journal.sqlite"));
    assert_eq!(configuration.api.tokens[0].role, Role::Admin);
    assert_eq!(configuration.intake.body_max.count(), 1 << 20);
    assert_eq!(configuration.policy.maintenance[0].matchers.len(), 2);
    let Receiver::Slack { url, .. } = &configuration.sinks["alerts"].receiver else { panic!("no Slack") };
    assert_eq!(url.expose(), "https://hooks.slack.com/hunter2");
    assert_eq!(configuration.adapters.into_checked().len(), ROSTER.len());
}

#[test]
fn a_summary_says_what_is_in_force_and_no_secret() {
    let summary = |text| check_around(text, &Around::default()).map(|configuration| configuration.summary());
    let expected = "\
listen        127.0.0.1:8400
data          ./data (journal journal.sqlite)
rules         ./rules
webhook       open to this machine; bodies up to 64MiB, backlog up to 200000 alerts
api           open to this machine, as admin local
switch        on
policy        mode auto; 10 an hour for a target, 100 in all, 10 at once; cooldown 5m; replicas 1 to 10; up to service; no maintenance window
learning      on
audit         not signed: audit.key is not set
ledger        embedded
alertmanager  not configured: alerts that no notification brings are missed
checks        none
adapters      postgres (nothing set), redis (nothing set), prometheus (nothing set), kafka (nothing set), health (nothing set)
sinks         log (log)
escalation    none: people are told once
log           info, as json
traces        not sent
";
    assert_eq!(summary(None).unwrap_or_default(), expected);
    let full = summary(Some(FULL)).unwrap_or_default();
    for part in [
        "2 bearer tokens and 1 basic user; bodies up to 1MiB",
        "ops (admin), wall (viewer)",
        "redis, keys selfheal:*",
        "http://a:9093, http://b:9093/am, every 1m",
        "alerts (slack), incidents (incidents), oncall (opsgenie), ops (slack_app), pager (pagerduty), tickets (webhook)",
        "ops after 0s; pager, oncall after 15m",
        "to http://c:4318, 25 % of them",
        "2 maintenance windows",
    ] {
        assert!(full.contains(part), "{part}\n{full}");
    }
    let shown = check_around(Some(FULL), &Around::default()).map(|all| serde_json::to_string(&all).unwrap());
    assert!(!full.contains("hunter") && !shown.unwrap_or_default().contains("hunter"), "{full}");
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let text = "policy: {maintenance: [{reason: a, days: [mon], at: '01:30', lasts: 2h}, {reason: b, from: 2030-03-01T20:00:00Z, until: 2030-03-02T06:00:00Z}]}";
    for text in [None, Some(text)] {
        let mut shown = in_force(text, &Around::default());
        // Adapters show only whether they are configured.
        shown.as_object_mut().unwrap().remove("adapters");
        let again = serde_json::to_string_pretty(&shown).unwrap();
        let mut back = in_force(Some(&again), &Around::default());
        back.as_object_mut().unwrap().remove("adapters");
        assert_eq!(back, shown);
    }
}
