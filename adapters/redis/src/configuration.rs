//! The parameters of `CONFIG SET` that selfheal knows, with what each takes.
//!
//! Closed on purpose: what is not listed can be neither set nor read, even if an operator asks for it. `dir`, `dbfilename`,
//! `requirepass`, `aclfile`, `loadmodule` and their like take over a server or give away a secret. Knowing the kind of a value
//! is also what lets two spellings of one value (`100mb` and `104857600`) be recognised as the same.
//!
//! Names and ranges: Redis 7.0 `src/config.c`.

use selfheal_contract::settings::suggest;
use serde_json::Value;

/// A parameter of a server's configuration.
#[derive(Debug, PartialEq)]
pub(crate) struct Setting {
    /// Its name, as Redis has it.
    pub(crate) name: &'static str,
    kind: Kind,
}

/// What a parameter takes.
#[derive(Debug, PartialEq)]
enum Kind {
    /// An amount of memory: `104857600`, `100mb`.
    Bytes,
    /// A whole number between these.
    Integer(i64, i64),
    /// `yes` or `no`.
    Switch,
    /// One of these.
    Choice(&'static [&'static str]),
}

const POLICIES: &[&str] = &[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

const MANY: i64 = i32::MAX as i64;

const fn setting(name: &'static str, kind: Kind) -> Setting {
    Setting { name, kind }
}

/// All that is known, by name.
static SETTINGS: &[Setting] = &[
    setting("active-defrag-cycle-max", Kind::Integer(1, 99)),
    setting("active-defrag-cycle-min", Kind::Integer(1, 99)),
    setting("active-defrag-ignore-bytes", Kind::Bytes),
    setting("active-defrag-threshold-lower", Kind::Integer(0, 1000)),
    setting("active-defrag-threshold-upper", Kind::Integer(0, 1000)),
    setting("active-expire-effort", Kind::Integer(1, 10)),
    setting("activedefrag", Kind::Switch),
    setting("client-query-buffer-limit", Kind::Bytes),
    setting("dynamic-hz", Kind::Switch),
    setting("hz", Kind::Integer(1, 500)),
    setting("latency-monitor-threshold", Kind::Integer(0, i64::MAX)),
    setting("lazyfree-lazy-eviction", Kind::Switch),
    setting("lazyfree-lazy-expire", Kind::Switch),
    setting("lazyfree-lazy-server-del", Kind::Switch),
    setting("lazyfree-lazy-user-del", Kind::Switch),
    setting("lfu-decay-time", Kind::Integer(0, MANY)),
    setting("lfu-log-factor", Kind::Integer(0, MANY)),
    setting("maxclients", Kind::Integer(1, MANY)),
    setting("maxmemory", Kind::Bytes),
    setting("maxmemory-eviction-tenacity", Kind::Integer(0, 100)),
    setting("maxmemory-policy", Kind::Choice(POLICIES)),
    setting("maxmemory-samples", Kind::Integer(1, 64)),
    setting("repl-backlog-size", Kind::Bytes),
    setting("repl-backlog-ttl", Kind::Integer(0, i64::MAX)),
    setting("slowlog-log-slower-than", Kind::Integer(-1, i64::MAX)),
    setting("slowlog-max-len", Kind::Integer(0, i64::MAX)),
    setting("stop-writes-on-bgsave-error", Kind::Switch),
    setting("tcp-keepalive", Kind::Integer(0, MANY)),
    setting("timeout", Kind::Integer(0, MANY)),
];

/// What may be set when the operator names nothing.
pub(crate) const SETTABLE_DEFAULT: [&str; 4] =
    ["maxmemory", "maxmemory-policy", "maxmemory-samples", "timeout"];

/// The parameter of this name; the error says what is known.
pub(crate) fn find(name: &str) -> Result<&'static Setting, String> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let names = || SETTINGS.iter().map(|setting| setting.name);
        match suggest(name, names()) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
        }
    })
}

impl Setting {
    /// The one spelling of a value, the one in which Redis gives it back; the error says what is expected.
    pub(crate) fn canonical(&self, value: &str) -> Result<String, String> {
        match self.kind {
            Kind::Bytes => bytes(value)
                .map(|bytes| bytes.to_string())
                .ok_or_else(|| "expected an amount of memory, such as \"104857600\" or \"100mb\"".to_owned()),
            Kind::Integer(low, high) => match value.parse::<i64>() {
                Ok(number) if (low..=high).contains(&number) => Ok(number.to_string()),
                _ if high == i64::MAX => Err(format!("expected a whole number from {low}")),
                _ => Err(format!("expected a whole number between {low} and {high}")),
            },
            Kind::Switch => one_of(&["yes", "no"], value),
            Kind::Choice(choices) => one_of(choices, value),
        }
    }

    /// A canonical value as a reading has it: numbers as numbers.
    pub(crate) fn reading(&self, value: &str) -> Value {
        match self.kind {
            Kind::Bytes | Kind::Integer(..) => {
                value.parse::<i64>().map_or_else(|_| value.into(), Value::from)
            }
            Kind::Switch | Kind::Choice(_) => value.into(),
        }
    }
}

fn one_of(choices: &[&str], value: &str) -> Result<String, String> {
    let value = value.to_ascii_lowercase();
    if choices.contains(&value.as_str()) {
        Ok(value)
    } else {
        Err(format!("expected {}", choices.join(", ")))
    }
}

/// Redis' own reading of memory amounts (`memtoull` in `src/util.c`): `k` is 1000, `kb` 1024, case does not matter.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // Beyond this Redis reads a negative number.
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_spelling() {
        let cases = [
            ("maxmemory", "100mb", Some("104857600")),
            ("maxmemory", "1GB", Some("1073741824")),
            ("maxmemory", "5k", Some("5000")),
            ("maxmemory", "007", Some("7")),
            ("maxmemory", "0", Some("0")),
            ("maxmemory", "", None),
            ("maxmemory", "mb", None),
            ("maxmemory", "-1", None),
            ("maxmemory", "1.5gb", None),
            ("maxmemory", "1 gb", None),
            ("maxmemory", "99999999999gb", None),
            ("maxmemory", "1\r\nFLUSHALL", None),
            ("maxmemory-policy", "AllKeys-LRU", Some("allkeys-lru")),
            ("maxmemory-policy", "lru", None),
            ("maxmemory-samples", "10", Some("10")),
            ("maxmemory-samples", "0", None),
            ("maxmemory-samples", "65", None),
            ("slowlog-log-slower-than", "-1", Some("-1")),
            ("activedefrag", "yes", Some("yes")),
            ("activedefrag", "true", None),
        ];
        for (name, value, expected) in cases {
            let found = find(name).unwrap().canonical(value);
            assert_eq!(found.as_deref().ok(), expected, "{name} {value:?}: {found:?}");
        }
    }

    #[test]
    fn what_takes_over_a_server_is_not_known() {
        for name in
            ["dir", "dbfilename", "requirepass", "masterauth", "aclfile", "save", "*", "maxmemory*", ""]
        {
            assert!(find(name).is_err(), "{name}");
        }
        assert_eq!(find("max-memory").unwrap_err(), "did you mean \"maxmemory\"?");
    }

    #[test]
    fn what_may_be_set_by_default_is_known() {
        assert!(SETTABLE_DEFAULT.iter().all(|name| find(name).is_ok()));
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
    }
}
