//! The sections `journal` and `ledger`: where the truth is kept, and where claims, cooldowns and rates are.

use std::path::{Component, PathBuf};

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::span::Span;
use serde::Serialize;

use super::shown;

/// The journal: a SQLite database in the data directory.
#[derive(Debug, Clone, Serialize)]
pub struct Journal {
    /// The database's file, below the data directory; `journal.sqlite` by default.
    pub path: PathBuf,
}

/// The ledger.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    /// The Redis server, `redis://` or `rediss://`. Absent: the ledger is embedded, for one process alone.
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
    section.finish();
    Journal { path }
}

/// Reads the section `ledger`.
pub(super) fn ledger(section: &mut Section<'_>) -> Ledger {
    let url = section.optional_secret_url("url", &["redis", "rediss"]);
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
