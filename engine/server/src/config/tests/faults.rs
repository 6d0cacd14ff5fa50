//! One fault a text: what the operator is told, without the line itself.

use super::*;

/// A token long enough.
const LONG: &str = "0123456789abcdef";

/// The faults as `line:column path: problem (help)`.
fn faults(text: &str) -> Vec<String> {
    let Err(refused) = check_around(Some(text), &Around::default()) else { return Vec::new() };
    let fault = |fault: &super::super::Refusal| {
        let (line, column) = (fault.line.unwrap_or(0), fault.column.unwrap_or(0));
        let help = fault.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{line}:{column} {}: {}{help}", fault.path, fault.problem)
    };
    refused.faults().iter().map(fault).collect()
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let found = faults(&text.replace("LONG", LONG)).join("\n");
        if found != *expected {
            wrong += &format!("{text}\nfound:\n{found}\nexpected:\n{expected}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn of_the_whole() {
    check(&[
        ("", ""),
        ("# only a remark\n", ""),
        ("[]", "1:1 : expected a map of settings, found a list"),
        ("listne: 127.0.0.1:80", "1:1 listne: unknown key (did you mean \"listen\"?)"),
        (
            "listen: localhost:8400",
            "1:9 listen: expected an IP address with a port, such as 127.0.0.1:8400, 0.0.0.0:8400 or [::1]:8400, \
             found the text \"localhost:8400\"",
        ),
        ("listen: '[::1]:8400'", ""),
        ("listen: '[::ffff:127.0.0.1]:8400'", ""),
        ("rules: ''", "1:8 rules: must not be empty"),
        ("learning: maybe", "1:11 learning: expected true or false, found the text \"maybe\""),
        ("switch: on", "1:9 switch: expected a map of settings, found the text \"on\""),
        ("a: [1\n", "1:4 a[0]: unclosed bracket '['"),
        (
            "adapters: {kafka: {clusters: {main: {bootstrap: h, settable: [a]}}}}",
            "1:52 adapters.kafka.clusters.main.settable: unknown key (it stands too deep: this is adapters.kafka.settable)",
        ),
        ("adapters: {postgre: {}}", "1:12 adapters.postgre: unknown key (did you mean \"postgres\"?)"),
        (
            "adapters: {postgres: {targets: {main: {host: a, usr: b}}}}",
            "1:33 adapters.postgres.targets.main.user: required, but missing\n\
             1:49 adapters.postgres.targets.main.usr: unknown key (did you mean \"user\"?)",
        ),
    ]);
}

#[test]
fn of_intake_and_api() {
    let short = "needs at least 16 characters (make one with: openssl rand -hex 32)";
    check(&[
        (
            "listen: 0.0.0.0:1\nintake: {bearer_tokens: [LONG]}\napi: {tokens: [{name: a, token: LONG, role: viewer}]}",
            "",
        ),
        (
            "listen: 0.0.0.0:1\nintake: {basic: [{user: a, password: LONG}]}\napi: {tokens: [{name: a, token: LONG, role: viewer}]}",
            "",
        ),
        (
            "listen: 0.0.0.0:1\nintake: {bearer_tokens: []}\napi: {tokens: [{name: a, token: \"${UNSET}\", role: viewer}]}",
            "1:9 listen: 0.0.0.0:1 can be reached from other machines, so the webhook needs credentials (add \
             intake.bearer_tokens: [\"${WEBHOOK_TOKEN}\"] or intake.basic, or listen on 127.0.0.1:8400)\n\
             3:33 api.tokens[0].token: the environment variable UNSET is not set (set it, or give a default: ${UNSET:-value})",
        ),
        ("intake: {bearer_tokens: [short]}", &format!("1:25 intake.bearer_tokens: a token {short}")),
        (
            "intake: {bearer_tokens: [LONG, LONG, LONG, LONG, LONG]}",
            "1:25 intake.bearer_tokens: at most 4 are possible, found 5",
        ),
        (
            "intake: {basic: [{user: 'a:b', password: short}]}",
            &format!(
                "1:25 intake.basic[0].user: must not hold a colon, which ends the name in basic authentication\n\
                 1:42 intake.basic[0].password: a password {short}"
            ),
        ),
        (
            "intake: {body_max: 256MiB}",
            "1:20 intake.body_max: 128MiB is less than body_max, which is 256MiB (a body as long as that could never be \
             taken: raise in_flight_max, or lower body_max)",
        ),
        ("intake: {body_max: 1048576}", ""),
        ("intake: {body_max: 10}", "1:20 intake.body_max: must be between 1024 and 1073741824, found 10"),
        ("intake: {body_max: 2GiB}", "1:20 intake.body_max: must be between 1KiB and 1GiB, found 2GiB"),
        (
            "intake: {body_max: 64MB}",
            "1:20 intake.body_max: expected an amount of memory such as 64MiB, 512KiB or a number of bytes, found the text \"64MB\"",
        ),
        ("intake: {backlog_max: 5}", "1:23 intake.backlog_max: must be between 100 and 100000000, found 5"),
        (
            "api: {tokens: [{name: a b, token: LONG}]}",
            "1:16 api.tokens[0].role: required, but missing (write one of viewer, operator, approver, admin)\n\
             1:23 api.tokens[0].name: a name is 1 to 64 letters, digits, - or _, found \"a b\"",
        ),
        (
            "api:\n  tokens:\n  - {name: a, token: LONG, role: admin}\n  - {name: a, token: LONG, role: amdin, expires: 2027-01-01}\n  \
             - {name: a, token: LONG, role: admin}",
            "4:46 api.tokens[1].role: expected one of viewer, operator, approver, admin, found the text \"amdin\" (did you mean \"admin\"?)\n\
             4:62 api.tokens[1].expires: expected a date and time with its offset, such as 2027-01-31T18:00:00Z or \
             2027-01-31T19:00:00+01:00, found the text \"2027-01-01\"\n\
             5:12 api.tokens[2].name: another token is called \"a\" too\n\
             5:22 api.tokens[2].token: another entry has the same token (make one with: openssl rand -hex 32)",
        ),
    ]);
}

#[test]
fn of_the_policy() {
    check(&[
        (
            "policy: {mode: dry}",
            "1:16 policy.mode: expected one of shadow, approve, auto, found the text \"dry\"",
        ),
        (
            "policy: {rule_modes: {a: aut, b: }}",
            "1:26 policy.rule_modes.a: expected one of shadow, approve, auto, found the text \"aut\" (did you mean \"auto\"?)\n\
             1:32 policy.rule_modes.b: a mode is required: shadow, approve or auto",
        ),
        ("policy: {delays: {hihg: 5m}}", "1:19 policy.delays.hihg: unknown key (did you mean \"high\"?)"),
        (
            "policy: {delays: {high: 5}}",
            "1:25 policy.delays.high: expected a duration, found the number 5 (add the unit: 500ms, 30s, 5m, 1h or 7d)",
        ),
        ("policy: {cooldown_min: 8d}", "1:24 policy.cooldown_min: must be between 0s and 1w, found 8d"),
        (
            "policy: {per_target_per_hour: 0}",
            "1:31 policy.per_target_per_hour: must be between 1 and 10000, found 0",
        ),
        (
            "policy: {failure_share_max: 30}",
            "1:29 policy.failure_share_max: must be between 0 and 1, found 30",
        ),
        (
            "policy: {breaker: {fails: 3}}",
            "1:20 policy.breaker.fails: unknown key (known here: failures, open)",
        ),
        (
            "policy: {replicas_max: 3, replicas_min: 4}",
            "1:41 policy.replicas_min: 4 is more than replicas_max, which is 3 (raise replicas_max, or lower replicas_min)",
        ),
        (
            "policy: {forbidden: [pg::vacuum, Pg.x, pg.*, pg.vacuum], needs_approval: ['*']}",
            "1:21 policy.forbidden: \"pg::vacuum\" names no action (did you mean \"pg.vacuum\"?)\n\
             1:21 policy.forbidden: \"Pg.x\" names no action (write one action as pg.terminate_idle, or all of an adapter as pg.*)\n\
             1:74 policy.needs_approval: \"*\" names no action (write one action as pg.terminate_idle, or all of an adapter as pg.*)",
        ),
        (
            "policy: {maintenance: [{reason: a}]}",
            "1:24 policy.maintenance[0].from: a window is either once (from, until) or every week (days, at, lasts, zone) (write one of the two)",
        ),
        (
            "policy: {maintenance: [{reason: a, from: 2030-01-02T00:00:00Z, until: 2030-01-01T00:00:00Z}]}",
            "1:71 policy.maintenance[0].until: 2030-01-01T00:00:00Z is not after from, which is 2030-01-02T00:00:00Z",
        ),
        (
            "policy:\n  maintenance:\n  - matchers: ['a=~\"(\"']\n    days: [saturday]\n    at: 24:00\n    zone: Europe/Berln",
            "3:5 policy.maintenance[0].reason: required, but missing\n\
             3:5 policy.maintenance[0].lasts: required, but missing (write how long the window is open, such as 2h)\n\
             3:15 policy.maintenance[0].matchers: \"a=~\\\"(\\\"\" is no matcher: the expression is malformed: unclosed group at byte 4; balance the parentheses, or write \\( for the character itself\n\
             4:11 policy.maintenance[0].days: expected only mon, tue, wed, thu, fri, sat, sun, found \"saturday\"\n\
             5:9 policy.maintenance[0].at: expected a time of day between 00:00 and 23:59, found the text \"24:00\"\n\
             6:11 policy.maintenance[0].zone: there is no time zone \"Europe/Berln\" (use a name of the IANA database, such as Europe/Berlin, or UTC)",
        ),
    ]);
}

#[test]
fn of_the_other_sections() {
    check(&[
        (
            "settings: {disk_space_threshold: 101}",
            "1:34 settings.disk_space_threshold: must be between 0 and 100, found 101",
        ),
        (
            "settings: {slow_query_age: 5}",
            "1:28 settings.slow_query_age: expected a duration, found the number 5 (add the unit: 500ms, 30s, 5m, 1h or 7d)",
        ),
        (
            "settings: {My-own: 1}",
            "1:12 settings.My-own: \"My-own\" cannot be a name in a rule (use small letters, digits and _, and begin with a letter)",
        ),
        (
            "settings: {own: [1]}",
            "1:17 settings.own: expected one value, found a list (a rule can use a number, a text, true or false; put a text in quotes)",
        ),
        (
            "settings: {own: .nan}",
            "1:17 settings.own: expected one value, found the number NaN (a rule can use a number, a text, true or false; put a text in quotes)",
        ),
        (
            "journal: {path: ../x}",
            "1:17 journal.path: \"../x\" is not inside the data directory (write it relative to data and without `..`, and set data to choose the directory)",
        ),
        (
            "journal: {path: /x}",
            "1:17 journal.path: \"/x\" is not inside the data directory (write it relative to data and without `..`, and set data to choose the directory)",
        ),
        (
            "ledger: {url: http://x}",
            "1:15 ledger.url: expected an address that begins with redis:// or rediss:// or redis+sentinel:// or rediss+sentinel:// or redis-cluster:// or rediss-cluster://",
        ),
        (
            "ledger: {url: 'redis-sentinel://a/main'}",
            "1:15 ledger.url: expected an address that begins with redis:// or rediss:// or redis+sentinel:// or rediss+sentinel:// or redis-cluster:// or rediss-cluster:// (did you mean redis+sentinel://?)",
        ),
        (
            "ledger: {url: 'redis+sentinel://:hunter2@a,b'}",
            "1:15 ledger.url: the service is missing, the name by which the Sentinels know the master (expected redis://[user:password@]host[:port][/database], redis+sentinel://[user:password@]host[:port],.../service[/database] or redis-cluster://[user:password@]host[:port],...; with TLS rediss instead of redis)",
        ),
        (
            "ledger: {prefix: 'a{b}'}",
            "1:18 ledger.prefix: a prefix is 1 to 64 letters, digits, `.`, `_`, `:` or `-`, found \"a{b}\"",
        ),
        (
            "alertmanager: {urls: http://a}",
            "1:22 alertmanager.urls: expected a list of texts, found the text \"http://a\"",
        ),
        (
            "alertmanager: {urls: [http://a, a:9093, 5, 'http://u:p@a', '${UNSET}']}",
            "1:33 alertmanager.urls[1]: expected an address that begins with http:// or https://\n\
             1:41 alertmanager.urls[2]: expected text, found the number 5 (put it in quotes)\n\
             1:44 alertmanager.urls[3]: must not hold a user name or password (take them out of the address and give them in their own fields)\n\
             1:60 alertmanager.urls[4]: the environment variable UNSET is not set (set it, or give a default: ${UNSET:-value})",
        ),
        (
            "alertmanager: {user: b}",
            "1:22 alertmanager.user: a password is missing (give both user and password)",
        ),
        (
            "alertmanager: {bearer_token: b, password: c}",
            "1:30 alertmanager.bearer_token: there is a user or password as well (keep either bearer_token, or user and password)",
        ),
        ("alertmanager: {interval: 1s}", "1:26 alertmanager.interval: must be between 5s and 1h, found 1s"),
        (
            "sinks: {a: {kind: slak, url: x}}",
            "1:19 sinks.a.kind: expected one of slack, slack_app, pagerduty, opsgenie, incidents, webhook, kafka, log, found the text \"slak\" (did you mean \"slack\"?)",
        ),
        (
            "sinks: {a: {url: x}}",
            "1:9 sinks.a.kind: required, but missing (write one of slack, slack_app, pagerduty, opsgenie, incidents, webhook, kafka, log)",
        ),
        (
            "sinks: {a: {kind: slack, secret: x}}",
            "1:9 sinks.a.url: required, but missing\n1:26 sinks.a.secret: unknown key (known here: channel, events, kind, timeout, url)",
        ),
        (
            "sinks: {a: {kind: log, events: []}}",
            "1:32 sinks.a.events: the sink would get nothing (leave the key out for all events)",
        ),
        (
            "sinks: {a: {kind: log, events: [person, aproval]}}",
            "1:32 sinks.a.events: expected only opened, plan, outcome, approval, person, switch, storm, acknowledged, answered, closed, found \"aproval\" (did you mean \"approval\"?)",
        ),
        (
            "sinks: {a: {kind: webhook, url: https://x, secret: short}}",
            "1:52 sinks.a.secret: a signing key needs at least 16 characters (make one with: openssl rand -hex 32)",
        ),
        (
            "sinks: {escalation: {kind: log}}",
            "1:8 sinks: no sink can be called escalation (choose another name)",
        ),
        (
            "sinks: {a: {kind: slack_app, channel: c, channels: [{channel: d}, {matchers: ['='], channel: e}]}}",
            "1:9 sinks.a.token: required, but missing\n\
             1:53 sinks.a.channels[0].matchers: required, but missing (write what must hold, such as ['severity=\"critical\"'])\n\
             1:78 sinks.a.channels[1].matchers: \"=\" is no matcher: expected a label name, found '=' at byte 0; a text with such characters must be quoted",
        ),
        (
            "sinks: {ops: {kind: log}}\nescalation: [{sinks: [ops, opss]}, {after: 0s, sinks: [ops]}, {after: 2h}]",
            "2:22 escalation[0].sinks: there is no sink \"opss\" (did you mean \"ops\"?)\n\
             2:44 escalation[1].after: must be later than the level before\n\
             2:55 escalation[1].sinks: \"ops\" is told at an earlier level already\n\
             2:63 escalation[2].sinks: required, but missing (name the sinks that are told, such as [ops])",
        ),
        (
            "slack: {signing_secret: x, users: [{id: U1, name: ann, role: approver}, {id: U1, name: 'a b', role: boss}]}",
            "1:25 slack.signing_secret: there is no sink whose buttons could be pressed (add a sink of kind slack_app, or leave the section out)\n\
             1:88 slack.users[1].name: a name is 1 to 64 letters, digits, - or _, found \"a b\"\n\
             1:101 slack.users[1].role: expected one of viewer, operator, approver, admin, found the text \"boss\"",
        ),
        (
            "telemetry: {log: {level: infoo}}",
            "1:26 telemetry.log.level: expected a level (off, error, warn, info, debug, trace) or parts with levels such as \
             info,selfheal=debug, found the text \"infoo\"",
        ),
        (
            "telemetry: {otlp: {sample_ratio: 2}}",
            "1:34 telemetry.otlp.sample_ratio: must be between 0 and 1, found 2",
        ),
    ]);
    let pattern = faults("alertmanager: {receiver: 'a('}");
    assert!(
        pattern.len() == 1
            && pattern[0].starts_with("1:26 alertmanager.receiver: \"a(\" is no regular expression: "),
        "{pattern:?}"
    );
}

#[test]
fn no_page_shows_a_secret() {
    let texts = [
        "intake: {bearer_tokens: [h133742]}",
        "intake: {bearer_tokens: h133742}",
        "intake:\n  bearer_tokens:\n  - h133742\n",
        "intake:\n  basic:\n  - user: a\n    password: h133742\n",
        "intake: {basic: [{user: a, pasword: h133742}]}",
        "api:\n  tokens:\n  - name: a\n    token: h133742\n",
        "api: {tokens: [{name: a, token: h133742, role: x}]}",
        "ledger:\n  url: http://:h133742@x\n",
        "ledger:\n  url: h133742\n",
        "sinks:\n  a: {kind: webhook, url: https://x, secret: h133742}\n",
        "sinks:\n  a:\n    kind: slack\n    url: h133742\n",
        "alertmanager:\n  urls: [\"http://a:h133742@b\"]\n",
        "alertmanager: {bearer_token: h133742, user: a}",
    ];
    for text in texts {
        let page = page(text);
        assert!(page.contains("selfheal.yaml:"), "{text}");
        assert!(!page.contains("133742"), "{page}");
    }
}
