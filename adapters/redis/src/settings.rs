//! The adapter's section of the configuration: raw to checked, without touching a server.

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use selfheal_contract::settings::Section;
use selfheal_core::span::Span;

use crate::configuration::{self, SETTABLE_DEFAULT, Setting};
use crate::pattern::Pattern;

/// What the section says, checked.
pub(crate) struct Settings {
    pub(crate) targets: Vec<Target>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
}

/// One server.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
    /// PEM text of the authorities that may vouch for the server, instead of the system's.
    pub(crate) authorities: Option<String>,
    pub(crate) login: RedisConnectionInfo,
}

/// How long a server may take.
#[derive(Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Span,
    pub(crate) answer: Span,
}

/// What the operator lets actions touch.
pub(crate) struct Limits {
    pub(crate) settable: Vec<&'static Setting>,
    pub(crate) expirable: Vec<Pattern>,
    pub(crate) trimmable: Vec<Pattern>,
    /// The most entries that a trim may delete without a person's approval.
    pub(crate) trim_unasked_max: u64,
}

/// Reads the section; faults go to its collector.
pub(crate) fn check(section: &mut Section<'_>) -> Settings {
    let targets =
        section.map("targets").into_iter().filter_map(|(name, target)| self::target(name, target)).collect();
    let timeouts = Timeouts {
        connect: section.span_or(
            "connect_timeout",
            Span::from_secs(2),
            Span::from_millis(100)..=Span::from_secs(30),
        ),
        answer: section.span_or("timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_secs(60)),
    };
    let limits = Limits {
        settable: settable(section),
        expirable: patterns(section, "expirable"),
        trimmable: patterns(section, "trimmable"),
        trim_unasked_max: section.integer_or("trim_unasked_max", 10_000, 0..=i64::MAX).unsigned_abs(),
    };
    section.finish();
    Settings { targets, timeouts, limits }
}

fn target(name: &str, mut section: Section<'_>) -> Option<Target> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let problem = "a target's name is 1 to 64 letters, digits, dots, dashes or underscores";
        section.reject("url", format!("{problem}; found {name:?}"), None);
    }
    let url = section.secret_url("url", &["redis", "rediss"]);
    let user = section.optional_text("user");
    let password = section.optional_secret("password");
    let authorities = section.optional_text("ca");
    section.finish();
    if url.expose().is_empty() {
        return None;
    }

    // The driver's own words are left out: they may quote the address, and with it a password.
    let Ok(info) = url.expose().into_connection_info() else {
        section.reject("url", "cannot be read as an address", Some("expected redis://host:6379/0"));
        return None;
    };
    let mut login = info.redis_settings().clone();
    if password.is_some() && login.password().is_some() {
        section.reject("password", "the password is in the address too", Some("give it once"));
    }
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password.expose());
    }
    if login.username().is_some() && login.password().is_none() {
        section.reject("password", "a user needs a password", None);
    }
    let (host, port, tls) = match info.addr() {
        ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
        ConnectionAddr::TcpTls { host, port, insecure, .. } => {
            if *insecure {
                let help =
                    "take #insecure off, and put the server's own authority into ca: ${file:/path/to/ca.pem}";
                section.reject("url", "certificates are always verified", Some(help));
            }
            (host.clone(), *port, true)
        }
        _ => {
            section.reject(
                "url",
                "this kind of address cannot be used",
                Some("expected redis://host:6379/0"),
            );
            return None;
        }
    };
    if authorities.is_some() && !tls {
        section.reject(
            "ca",
            "says nothing for a connection without TLS",
            Some("begin the address with rediss://"),
        );
    }
    Some(Target { name: name.to_owned(), host, port, tls, authorities, login })
}

fn settable(section: &mut Section<'_>) -> Vec<&'static Setting> {
    let named = section.texts("settable");
    let names = if section.has("settable") { named } else { SETTABLE_DEFAULT.map(str::to_owned).to_vec() };
    let mut found = Vec::new();
    for name in names {
        match configuration::find(&name) {
            Ok(setting) => found.push(setting),
            Err(help) => {
                section.reject("settable", format!("selfheal sets no parameter {name:?}"), Some(&help))
            }
        }
    }
    found
}

fn patterns(section: &mut Section<'_>, name: &str) -> Vec<Pattern> {
    let mut found = Vec::new();
    for text in section.texts(name) {
        match text.parse() {
            Ok(pattern) => found.push(pattern),
            Err(problem) => section.reject(name, format!("{text:?}: {problem}"), None),
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use selfheal_contract::settings::{Collector, Faults, Key, Location, Node, Value};

    use super::*;

    /// A section from JSON, every value standing at the file's start.
    pub(crate) fn node(json: &serde_json::Value) -> Node {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(value) => Value::Integer(value.as_i64().unwrap()),
            serde_json::Value::String(value) => Value::Text(value.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(node).collect()),
            serde_json::Value::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(name, value)| (Key { name: name.clone(), at: Location::START }, node(value)))
                    .collect(),
            ),
        };
        Node { value, at: Location::START }
    }

    pub(crate) fn settings(json: &serde_json::Value) -> Result<Settings, Faults> {
        let collector = Collector::default();
        let settings = check(&mut Section::root(&node(json), &collector));
        collector.accept(settings)
    }

    #[test]
    fn nothing_configured_is_no_fault() {
        let Ok(settings) = settings(&serde_json::json!({})) else { panic!("no fault was expected") };
        assert!(settings.targets.is_empty());
        let names: Vec<&str> = settings.limits.settable.iter().map(|setting| setting.name).collect();
        assert_eq!(names, SETTABLE_DEFAULT);
        assert!(settings.limits.expirable.is_empty() && settings.limits.trimmable.is_empty());
    }

    #[test]
    fn addresses_and_logins_are_read() {
        let json = serde_json::json!({ "targets": {
            "cache": { "url": "redis://cache.prod/3", "user": "heal", "password": "s3cret" },
            "queue": { "url": "rediss://:pw@queue:6380", "ca": "-----BEGIN" },
        }, "settable": [] });
        let Ok(settings) = settings(&json) else { panic!("no fault was expected") };
        let [cache, queue] = &settings.targets[..] else { panic!("two targets were expected") };
        assert_eq!(
            (cache.host.as_str(), cache.port, cache.tls, cache.login.db()),
            ("cache.prod", 6379, false, 3)
        );
        assert_eq!((cache.login.username(), cache.login.password()), (Some("heal"), Some("s3cret")));
        assert_eq!((queue.port, queue.tls, queue.login.password()), (6380, true, Some("pw")));
        assert!(settings.limits.settable.is_empty());
    }

    #[test]
    fn faults_name_the_value_and_show_no_secret() {
        let target = |fields: serde_json::Value| serde_json::json!({ "targets": { "cache": fields } });
        let cases = [
            (target(serde_json::json!({})), "targets.cache.url: required, but missing"),
            (target(serde_json::json!({ "url": "http://x" })), "begins with redis:// or rediss://"),
            (target(serde_json::json!({ "url": "redis://:hunter2@[" })), "cannot be read as an address"),
            (target(serde_json::json!({ "url": "redis://:hunter2@x/db" })), "cannot be read as an address"),
            (
                target(serde_json::json!({ "url": "rediss://x/#insecure" })),
                "certificates are always verified",
            ),
            (target(serde_json::json!({ "url": "redis://x", "ca": "y" })), "without TLS"),
            (target(serde_json::json!({ "url": "redis://x", "user": "y" })), "a user needs a password"),
            (
                target(serde_json::json!({ "url": "redis://:hunter2@x", "password": "hunter2" })),
                "give it once",
            ),
            (target(serde_json::json!({ "url": "redis://x", "passwrd": "y" })), "did you mean \"password\""),
            (serde_json::json!({ "targets": { "a/b": { "url": "redis://x" } } }), "found \"a/b\""),
            (serde_json::json!({ "settable": ["dir"] }), "sets no parameter \"dir\""),
            (serde_json::json!({ "settable": ["max-memory"] }), "did you mean \"maxmemory\"?"),
            (serde_json::json!({ "trimmable": ["q:[ab]"] }), "character classes"),
            (serde_json::json!({ "timeout": "1h" }), "timeout: must be between"),
            (serde_json::json!({ "trimable": [] }), "did you mean \"trimmable\"?"),
        ];
        for (json, expected) in cases {
            let Err(faults) = settings(&json) else { panic!("{json} was accepted") };
            let text = faults.to_string();
            assert!(text.contains(expected), "{json}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
