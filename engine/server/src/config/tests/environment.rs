//! Flags beat the environment, which beats the file; faults name the variable or the flag.

use super::*;

fn around<const N: usize>(environment: [(&'static str, &'static str); N]) -> Around {
    Around { environment: environment.to_vec(), ..Around::default() }
}

/// One value in force, by the names on the way to it.
fn value(text: Option<&str>, around: &Around, pointer: &str) -> String {
    in_force(text, around).pointer(pointer).map(Value::to_string).unwrap_or_default()
}

#[test]
fn each_variable_arrives() {
    let cases = [
        ("SELFHEAL_LISTEN", "127.0.0.1:9000", "/listen", r#""127.0.0.1:9000""#),
        ("SELFHEAL_DATA", "/var/lib/$x", "/data", r#""/var/lib/$x""#),
        ("SELFHEAL_RULES", "/etc/${x}", "/rules", r#""/etc/${x}""#),
        ("SELFHEAL_LOG", "info,selfheal=debug", "/telemetry/log/level", r#""info,selfheal=debug""#),
        ("SELFHEAL_LEDGER_URL", "redis://x", "/ledger/url", r#""***""#),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/", "/telemetry/otlp/endpoint", r#""http://c:4318""#),
        ("AUTO_REMEDIATION_ENABLED", "false", "/switch/enabled", "false"),
        ("DRY_RUN_MODE", "1", "/policy/mode", r#""shadow""#),
        ("DRY_RUN_MODE", "false", "/policy/mode", r#""auto""#),
        ("LEARNING_MODE", "no", "/learning", "false"),
        ("MAX_REMEDIATIONS_PER_HOUR", "50", "/policy/in_all_per_hour", "50"),
        ("MIN_REPLICAS", "2", "/policy/replicas_min", "2"),
        ("MAX_REPLICAS", "20", "/policy/replicas_max", "20"),
        ("KAFKA_LAG_THRESHOLD", "20000", "/settings/kafka_lag_threshold", "20000"),
        ("POSTGRES_CONN_THRESHOLD", "90", "/settings/postgres_conn_threshold", "0.9"),
        ("POSTGRES_CONN_THRESHOLD", "0.9", "/settings/postgres_conn_threshold", "0.9"),
        ("POSTGRES_CONN_THRESHOLD", "1", "/settings/postgres_conn_threshold", "1.0"),
        ("DISK_SPACE_THRESHOLD", "80", "/settings/disk_space_threshold", "0.8"),
        ("MEMORY_THRESHOLD", "80", "/settings/memory_threshold", "0.8"),
        (
            "ALERTMANAGER_URL",
            "http://a:9093/, http://b",
            "/alertmanager/urls",
            r#"["http://a:9093","http://b"]"#,
        ),
        ("SCAN_INTERVAL_SECONDS", "30", "/alertmanager/interval", r#""30s""#),
        ("CHECK_INTERVAL", "30", "/checks/interval", r#""30s""#),
        ("PROMETHEUS_URL", "http://p:9090", "/adapters/prometheus", r#""configured""#),
        ("REDIS_URL", "redis://r", "/adapters/redis", r#""configured""#),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-0:9092,kafka-1:9092", "/adapters/kafka", r#""configured""#),
        ("PROMETHEUS_URL", "", "/adapters/prometheus", r#""not configured""#),
    ];
    for (name, text, pointer, expected) in cases {
        let around = Around { environment: vec![(name, text)], ..Around::default() };
        assert_eq!(value(None, &around, pointer), expected, "{name}={text:?}");
    }
    let postgres = around([
        ("POSTGRES_HOST", "db"),
        ("POSTGRES_PORT", "tcp://10.0.0.1:5432"),
        ("POSTGRES_DB", "app"),
        ("POSTGRES_USER", "selfheal"),
        ("POSTGRES_PASSWORD", "012${x}"),
    ]);
    assert_eq!(value(None, &postgres, "/adapters/postgres"), r#""configured""#);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let file = "listen: ${NOT_SET}\nrules: a\ndata: a\npolicy: {mode: approve}\nalertmanager:\n";
    let around = Around {
        environment: vec![
            ("SELFHEAL_LISTEN", "127.0.0.1:2"),
            ("SELFHEAL_RULES", "b"),
            ("DRY_RUN_MODE", "false"),
            ("ALERTMANAGER_URL", "http://a"),
        ],
        overrides: Overrides { listen: Some("127.0.0.1:3".to_owned()), ..Overrides::default() },
        ..Around::default()
    };
    let cases = [
        ("/listen", r#""127.0.0.1:3""#),
        ("/rules", r#""b""#),
        ("/data", r#""a""#),
        ("/policy/mode", r#""approve""#),
        ("/alertmanager/urls", r#"["http://a"]"#),
    ];
    for (pointer, expected) in cases {
        assert_eq!(value(Some(file), &around, pointer), expected, "{pointer}");
    }
}

#[test]
fn faults_name_the_variable_or_the_flag() {
    let file = "policy:\n  replicas_min: 12\n  forbiden: []\n";
    let around = Around {
        environment: vec![
            ("MAX_REPLICAS", "11"),
            ("DRY_RUN_MODE", "perhaps"),
            ("ALERTMANAGER_URL", "http://u:hunter2@a"),
            ("POSTGRES_USER", "selfheal"),
            ("POSTGRES_PORT", "0"),
        ],
        overrides: Overrides {
            listen: Some("0.0.0.0:8400".to_owned()),
            data: Some(String::new()),
            ..Overrides::default()
        },
        ..Around::default()
    };
    let expected = "\
DRY_RUN_MODE in the environment: policy.mode: expected true or false, found \"perhaps\"

ALERTMANAGER_URL in the environment: alertmanager.urls: must not hold a user name or password
  = help: take them out of the address and give them in their own fields

POSTGRES_PORT in the environment: adapters.postgres.targets.main.host: required, but missing
  = help: set POSTGRES_HOST too, or take POSTGRES_PORT away

POSTGRES_PORT in the environment: adapters.postgres.targets.main.port: must be between 1 and 65535, found 0

--listen on the command line: listen: 0.0.0.0:8400 can be reached from other machines, so the webhook needs credentials
  = help: add intake.bearer_tokens: [\"${WEBHOOK_TOKEN}\"] or intake.basic, or listen on 127.0.0.1:8400

--listen on the command line: listen: 0.0.0.0:8400 can be reached from other machines, so the API needs tokens
  = help: add api.tokens: [{name: ops, token: \"${API_TOKEN}\", role: admin}], or listen on 127.0.0.1:8400

--data on the command line: data: must not be empty

selfheal.yaml:2:17: policy.replicas_min: 12 is more than replicas_max, which is 11
2 |   replicas_min: 12
  |                 ^
  = help: raise replicas_max, or lower replicas_min

selfheal.yaml:3:3: policy.forbiden: unknown key
3 |   forbiden: ...
  |   ^
  = help: did you mean \"forbidden\"?
";
    assert_eq!(page_around(Some(file), &around), expected);
}

#[test]
fn what_does_nothing_is_noted() {
    let around =
        around([("KAFKA_BOOTSTRAP_SERVERS", ""), ("KUBERNETES_URL", "http://k:6443"), ("POSTGRES_FOO", "x")]);
    let file = "settings: {kafka_lag_treshold: 5, my_own: 1}";
    let notes =
        check_around(Some(file), &around).map(|configuration| configuration.notes).unwrap_or_default();
    assert_eq!(
        notes,
        [
            "KUBERNETES_URL is set, but does nothing: there is no adapter kubernetes in this program",
            "settings.kafka_lag_treshold is no name that selfheal knows; did you mean kafka_lag_threshold?",
        ]
    );
}
