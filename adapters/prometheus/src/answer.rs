//! What a server answered: is it an answer of the API at all, and if so which.
//!
//! Nothing is taken on trust: the status, the content type, the JSON and its completeness are checked in this order, so
//! that the text names the first thing that was wrong. Warnings mean that part of the data is missing (a store that was
//! down, a query cut short), so that no number of such an answer is used.

use std::collections::BTreeMap;

use selfheal_contract::Failure;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::caret;
use crate::freshness::Question;
use crate::text::shown;

/// Characters of a server's text that are shown.
const SHOWN_CHARS_MAX: usize = 400;

/// What came over the line.
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    /// Whether the server refused the question rather than the asking.
    pub(crate) fn is_about_the_expression(&self) -> bool {
        matches!(self.status, 400 | 422)
    }
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Complete data.
    Complete(Data),
    /// Data with warnings: why it is not complete.
    Partial(String),
}

/// The labels of a series.
pub(crate) type Labels = BTreeMap<String, String>;

/// The data of a query, by its result type.
#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(crate) enum Data {
    Scalar(Point),
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
    String(IgnoredAny),
}

/// One series with one value; a native histogram has none.
#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    #[serde(default)]
    pub(crate) metric: Labels,
    pub(crate) value: Option<Point>,
}

/// One series with its values over time; one of native histograms has none.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    #[serde(default)]
    pub(crate) metric: Labels,
    #[serde(default)]
    pub(crate) values: Vec<Point>,
}

/// A time in Unix seconds, and the value, which may be infinite or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "(f64, String)")]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) value: f64,
}

impl TryFrom<(f64, String)> for Point {
    type Error = String;

    fn try_from((at, text): (f64, String)) -> Result<Self, String> {
        let value = text.parse().map_err(|_| format!("{:?} is no number", shown(&text, 40)))?;
        Ok(Self { at, value })
    }
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Makes an answer of what came.
pub(crate) fn judge(raw: &Raw, question: &Question<'_>) -> Result<Answer, Failure> {
    let json = raw.content_type.as_deref().is_some_and(|kind| {
        kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    let envelope = if json { serde_json::from_slice::<Envelope>(&raw.body) } else { Ok(foreign()) };
    match (raw.status, envelope) {
        (200, Ok(envelope)) if json => complete(envelope, question),
        (200, Ok(_)) => Err(Failure::refused(format!(
            "what answered is not the API of Prometheus: expected application/json, got {}; check adapters.prometheus.url",
            raw.content_type.as_deref().unwrap_or("no content type")
        ))),
        (200, Err(fault)) => Err(malformed(&fault.to_string())),
        (status, envelope) => Err(failed(status, raw, envelope.ok().as_ref(), question)),
    }
}

/// Stands for what a server that is no Prometheus said.
fn foreign() -> Envelope {
    let empty = String::new;
    Envelope { status: empty(), data: None, error_type: empty(), error: empty(), warnings: Vec::new() }
}

fn malformed(what: &str) -> Failure {
    Failure::transient(format!(
        "Prometheus' answer cannot be used: {}; expected what /api/v1/query documents",
        shown(what, SHOWN_CHARS_MAX)
    ))
}

fn complete(envelope: Envelope, question: &Question<'_>) -> Result<Answer, Failure> {
    if envelope.status != "success" {
        return Err(failed_with(&envelope, question));
    }
    let Some(data) = envelope.data else { return Err(malformed("it reports success and has no data")) };
    // Some versions put hints on the expression's style among the warnings; they say nothing about the data.
    let warnings: Vec<&str> = envelope
        .warnings
        .iter()
        .map(String::as_str)
        .filter(|text| !text.starts_with("PromQL info:"))
        .collect();
    match warnings.as_slice() {
        [] => Ok(Answer::Complete(data)),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            let text = shown(first, SHOWN_CHARS_MAX);
            Ok(Answer::Partial(format!("Prometheus warns that its answer may be incomplete: {text}{more}")))
        }
    }
}

/// A failure for which the status decides what may be done.
fn failed(status: u16, raw: &Raw, envelope: Option<&Envelope>, question: &Question<'_>) -> Failure {
    let said = envelope.filter(|envelope| !envelope.error.is_empty());
    let said_text =
        said.map(|envelope| format!(": {}", shown(&envelope.error, SHOWN_CHARS_MAX))).unwrap_or_default();
    match status {
        300..=399 => {
            let to = raw.location.as_deref().unwrap_or("an address that it does not name");
            Failure::refused(format!(
                "Prometheus redirects (HTTP {status}) to {to}; redirects are not followed: set adapters.prometheus.url to \
                 the address that answers itself"
            ))
        }
        401 | 403 => Failure::refused(format!(
            "Prometheus, or a proxy before it, does not let us in (HTTP {status}){said_text}; check \
             adapters.prometheus.token, or user and password"
        )),
        400 | 422 if said.is_some() => failed_with(said.unwrap_or(&foreign()), question),
        408 | 425 | 429 | 500..=599 => {
            Failure::transient(format!("Prometheus cannot answer now (HTTP {status}){said_text}"))
        }
        _ => Failure::refused(format!(
            "Prometheus does not answer queries here (HTTP {status}){said_text}; check adapters.prometheus.url, which must \
             hold the path prefix, if there is one"
        )),
    }
}

/// A failure for which the API's own error type decides.
fn failed_with(envelope: &Envelope, question: &Question<'_>) -> Failure {
    let text = shown(&envelope.error, SHOWN_CHARS_MAX);
    match envelope.error_type.as_str() {
        "timeout" | "canceled" | "unavailable" | "internal" => {
            Failure::transient(format!("Prometheus cannot answer now ({}): {text}", envelope.error_type))
        }
        "" => malformed(&format!("its status is {:?}, without an error type", shown(&envelope.status, 40))),
        _ => Failure::refused(format!(
            "Prometheus refuses the expression: {}",
            pointed(&envelope.error, question)
        )),
    }
}

/// The server's text about an expression, its position turned into a caret.
fn pointed(error: &str, question: &Question<'_>) -> String {
    let (before, problem) = error.split_once(": parse error: ").unwrap_or(("", error));
    let problem = shown(problem, SHOWN_CHARS_MAX);
    let expression = question.expression;
    if !question.is_plain() {
        // The client asks again with the bare expression; what is wrong only here is what the expression gives.
        return format!(
            "{problem}; expected an expression that gives an instant vector\n  {}",
            shown(expression, 200)
        );
    }
    let position = before.rsplit(' ').next().unwrap_or_default().split_once(':');
    let offset = position
        .and_then(|(line, column)| caret::offset_of(expression, line.parse().ok()?, column.parse().ok()?));
    match offset {
        Some(offset) => format!("{problem}\n{}", caret::point(expression, offset)),
        None => format!("{problem}\n  {}", shown(expression, 200)),
    }
}
