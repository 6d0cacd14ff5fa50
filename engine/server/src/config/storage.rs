//! The sections `journal`, `retention`, `audit` and `ledger`: where the truth is kept, for how long, and how it is signed;
//! and where claims, cooldowns and rates are.

use std::path::{Component, PathBuf};

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::audit::Key;
use selfheal_core::span::Span;
use selfheal_store::{RedisAddress, RedisAddressFault};
use serde::Serialize;

use super::shown;

/// The journal: a SQLite database in the data directory, or a PostgreSQL database that replicas share.
#[derive(Debug, Clone, Serialize)]
pub struct Journal {
    /// The database's file, below the data directory; `journal.sqlite` by default.
    pub path: PathBuf,
    /// The PostgreSQL database, `postgres://`. Absent: SQLite, for one process alone.
    #[serde(serialize_with = "shown::optional_secret")]
    pub url: Option<Secret>,
    /// Certificates of the authorities to trust for PostgreSQL, in PEM form; those of the system, if absent.
    #[serde(serialize_with = "shown::optional_secret")]
    pub ca: Option<Secret>,
    /// How long connecting to PostgreSQL may take. 100 ms to 1 min; 3 s by default.
    pub connect_timeout: Span,
    /// How long one statement may take. 100 ms to 5 min; 5 s by default.
    pub statement_timeout: Span,
}

/// How long what is over is kept. Open issues, settings and totals are kept for ever.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Retention {
    /// Counts of failed tries, by which rules escalate; at least as long as the longest window of any rule. 1 min to a
    /// year; 1 h by default.
    pub failures: Span,
    /// Remediations, their intents and approvals, from when the issue was closed. 1 h to ten years; 7 d by default.
    pub actions: Span,
    /// Issues and their stories, from when the issue was closed. 1 h to ten years, no shorter than `actions`; 30 d by
    /// default.
    pub events: Span,
}

/// Signatures over the audit chain.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// What checkpoints are signed with, at least
    /// [`KEY_BYTES_MIN`](selfheal_core::audit::KEY_BYTES_MIN) characters. Absent: nothing is signed.
    #[serde(serialize_with = "shown::optional_secret")]
    pub key: Option<Secret>,
    /// Keys of before, at most [`OLD_KEYS_MAX`], with which nothing is signed any more, and what was signed counts.
    #[serde(serialize_with = "shown::secrets")]
    pub old_keys: Vec<Secret>,
}

/// How many keys of before there may be.
pub const OLD_KEYS_MAX: usize = 16;

/// The ledger.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// The Redis server (`redis://host:port`), the Sentinels of its master (`redis+sentinel://host:port,host:port/service`) or
    /// some nodes of a cluster (`redis-cluster://host:port,host:port`); `rediss` instead of `redis` for TLS. Absent: the ledger
    /// is embedded, for one process alone.
    #[serde(serialize_with = "shown::optional_secret")]
    pub url: Option<Secret>,
    /// What the names of all keys begin with, for several selfheals on one server. 1 to 64 letters, digits,
    /// `.`, `_`, `:` or `-`; `selfheal` by default.
    pub prefix: String,
    /// How long one operation may take before the ledger counts as down. 100 ms to 30 s; 2 s by default.
    pub timeout: Span,
}

/// Reads the section `journal`.
pub(super) fn journal(section: &mut Section<'_>) -> Journal {
    let path = PathBuf::from(section.optional_text("path").unwrap_or_else(|| "journal.sqlite".to_owned()));
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        let help = "write it relative to data and without `..`, and set data to choose the directory";
        section.reject("path", format!("{path:?} is not inside the data directory"), Some(help));
    }
    let url = section.optional_secret_url("url", &["postgres", "postgresql"]);
    let ca = section.optional_secret("ca");
    let connect_timeout =
        section.span_or("connect_timeout", Span::from_secs(3), Span::from_millis(100)..=Span::from_mins(1));
    let statement_timeout =
        section.span_or("statement_timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(5));
    section.finish();
    Journal { path, url, ca, connect_timeout, statement_timeout }
}

/// Reads the section `retention`.
pub(super) fn retention(section: &mut Section<'_>) -> Retention {
    const DAY: u64 = 24;
    let failures =
        section.span_or("failures", Span::from_hours(1), Span::from_mins(1)..=Span::from_hours(366 * DAY));
    let kept = Span::from_hours(1)..=Span::from_hours(3660 * DAY);
    let actions = section.span_or("actions", Span::from_hours(7 * DAY), kept.clone());
    let events = section.span_or("events", Span::from_hours(30 * DAY), kept);
    if events < actions {
        let problem = format!("{events} is shorter than actions, {actions}");
        section.reject(
            "events",
            problem,
            Some("an issue's story is kept at least as long as what was done about it"),
        );
    }
    section.finish();
    Retention { failures, actions, events }
}

/// Reads the section `audit`.
pub(super) fn audit(section: &mut Section<'_>) -> Audit {
    let (key, old_keys) = (section.optional_secret("key"), section.secrets("old_keys"));
    for (name, secrets) in [("key", key.as_slice()), ("old_keys", &old_keys)] {
        let short = secrets.iter().find_map(|secret| Key::new(secret.expose().as_bytes()).err());
        // An empty one was refused by the reader already.
        if let Some(short) = short.filter(|_| secrets.iter().all(|secret| !secret.expose().is_empty())) {
            section.reject(name, short.to_string(), Some("make one with: openssl rand -hex 32"));
        }
    }
    if old_keys.len() > OLD_KEYS_MAX {
        section.reject(
            "old_keys",
            format!("at most {OLD_KEYS_MAX} are possible, found {}", old_keys.len()),
            None,
        );
    }
    section.finish();
    Audit { key, old_keys }
}

impl Audit {
    /// The key to sign with.
    pub fn signing(&self) -> Option<Key> {
        self.key.as_ref().and_then(key)
    }

    /// All keys whose signatures count.
    pub fn verifying(&self) -> Vec<Key> {
        self.key.iter().chain(&self.old_keys).filter_map(key).collect()
    }
}

/// None for one that was refused.
fn key(secret: &Secret) -> Option<Key> {
    Key::new(secret.expose().as_bytes()).ok()
}

/// Reads the section `ledger`.
pub(super) fn ledger(section: &mut Section<'_>) -> Ledger {
    let url = section.optional_secret_url("url", &RedisAddress::SCHEMES);
    if let Some(Err(fault)) = url.as_ref().map(|url| RedisAddress::parse(url.expose())) {
        let help = format!("expected {}", RedisAddressFault::EXPECTED);
        section.reject("url", fault.problem, Some(&help));
    }
    let prefix = section.optional_text("prefix").unwrap_or_else(|| "selfheal".to_owned());
    // Braces would decide on which node of a cluster a key lives.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if prefix.len() > 64 || !prefix.chars().all(plain) {
        let problem = format!("a prefix is 1 to 64 letters, digits, `.`, `_`, `:` or `-`, found {prefix:?}");
        section.reject("prefix", problem, None);
    }
    let timeout =
        section.span_or("timeout", Span::from_secs(2), Span::from_millis(100)..=Span::from_secs(30));
    section.finish();
    Ledger { url, prefix, timeout }
}
