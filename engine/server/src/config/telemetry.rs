//! The section `telemetry`: what is logged and how, and where traces go.

use std::fmt;
use std::str::FromStr;

use selfheal_contract::settings::Section;
use selfheal_core::span::Span;
use serde::{Serialize, Serializer};

/// Logs and traces.
#[derive(Debug, Clone, Serialize)]
pub struct Telemetry {
    /// The log, on standard error.
    pub log: Log,
    /// Traces.
    pub otlp: Otlp,
}

/// The log.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    /// `json` (the default) or `text`.
    pub format: LogFormat,
    /// What is logged; `info` by default.
    pub level: LogFilter,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading on a terminal.
    Text,
}

impl LogFormat {
    /// All formats with their names.
    pub const NAMES: &[(&str, Self)] = &[("json", Self::Json), ("text", Self::Text)];

    /// The name, as it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A level, or several parts with a level each: `info`, `info,selfheal=debug,rustls=warn`.
///
/// Stricter than the filter that it is for, which takes a mistyped level for the name of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for LogFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A text that is no filter.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a level (off, error, warn, info, debug, trace) or parts with levels such as info,selfheal=debug"
)]
pub struct NoFilter;

impl FromStr for LogFilter {
    type Err = NoFilter;

    fn from_str(text: &str) -> Result<Self, NoFilter> {
        let is_part = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
        };
        let directive = |directive: &str| match directive.trim().split_once('=') {
            Some((part, level)) => is_part(part) && is_level(level),
            None => is_level(directive.trim()),
        };
        text.split(',').all(directive).then(|| Self(text.to_owned())).ok_or(NoFilter)
    }
}

fn is_level(text: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text))
}

/// Where traces go.
#[derive(Debug, Clone, Serialize)]
pub struct Otlp {
    /// The collector's base address for OTLP over HTTP, to which `/v1/traces` is added where it is not
    /// there, without a slash at the end. Absent: no traces are sent.
    pub endpoint: Option<String>,
    /// The share of traces that are sent, 0 to 1; 1 by default.
    pub sample_ratio: f64,
    /// How long one try to send may take. 100 ms to 1 m; 5 s by default.
    pub timeout: Span,
}

/// Reads the section.
pub(super) fn check(section: &mut Section<'_>) -> Telemetry {
    let mut log = section.section("log");
    let format = log.one_of("format", LogFormat::NAMES, LogFormat::Json);
    let level = log.parsed_or("level", LogFilter("info".to_owned()));
    log.finish();
    let mut otlp = section.section("otlp");
    let endpoint = otlp.optional_url("endpoint", &["http", "https"]);
    let endpoint = endpoint.map(|url| url.trim_end_matches('/').to_owned());
    let sample_ratio = otlp.float_or("sample_ratio", 1.0, 0.0..=1.0);
    let timeout = otlp.span_or("timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(1));
    otlp.finish();
    section.finish();
    Telemetry { log: Log { format, level }, otlp: Otlp { endpoint, sample_ratio, timeout } }
}
