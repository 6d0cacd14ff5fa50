//! Writes an event as one line, in JSON or for people. Whatever a label brings, it stays one line and cannot rewrite a
//! terminal: controls, line separators and bidirectional marks are escaped in both forms, also beyond ASCII.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use selfheal_runtime::ports::Clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use crate::outgoing::is_hidden;

/// The most of one field that is written, in bytes before escaping; a cut one ends with an ellipsis.
const FIELD_BYTES_MAX: usize = 16 * 1024;

/// The form of a line.
pub(super) struct Line {
    format: LogFormat,
    clock: Arc<dyn Clock>,
}

impl Line {
    pub(super) fn new(format: LogFormat, clock: Arc<dyn Clock>) -> Self {
        Self { format, clock }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let (now, level, target) = (self.clock.now(), metadata.level().as_str(), metadata.target());
        let line = match self.format {
            LogFormat::Json => {
                let mut line = format!(r#"{{"timestamp":"{now:.6}","level":"{level}","target":"#);
                quote(target, &mut line);
                let mut fields = JsonFields(line);
                event.record(&mut fields);
                fields.0.push('}');
                fields.0
            }
            LogFormat::Text => {
                let mut fields = TextFields { message: String::new(), others: String::new() };
                event.record(&mut fields);
                format!("{now:.6} {level:>5} {target}: {}{}", fields.message, fields.others)
            }
        };
        writeln!(writer, "{line}")
    }
}

/// Appends `,"name":value` for each field.
struct JsonFields(String);

impl JsonFields {
    fn name(&mut self, field: &Field) {
        self.0.push(',');
        match field.name() {
            // Names that the line itself has.
            name @ ("timestamp" | "level" | "target") => quote(&format!("field_{name}"), &mut self.0),
            name => quote(name, &mut self.0),
        }
        self.0.push(':');
    }

    fn text(&mut self, field: &Field, text: &str) {
        self.name(field);
        quote(text, &mut self.0);
    }

    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.text(field, &value.to_string());
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// Collects the message, and ` name=value` for each other field.
struct TextFields {
    message: String,
    others: String,
}

impl TextFields {
    fn text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            escape(text, &mut self.message);
            return;
        }
        let _ = write!(self.others, " {}=", field.name());
        let bare = !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'\\'));
        if bare && text.len() <= FIELD_BYTES_MAX {
            self.others.push_str(text);
        } else {
            quote(text, &mut self.others);
        }
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}

/// Appends a JSON string.
fn quote(text: &str, line: &mut String) {
    line.push('"');
    for c in cut(text).chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            c => escape_char(c, line),
        }
    }
    if text.len() > FIELD_BYTES_MAX {
        line.push('…');
    }
    line.push('"');
}

/// Appends a text without quotes.
fn escape(text: &str, line: &mut String) {
    cut(text).chars().for_each(|c| escape_char(c, line));
    if text.len() > FIELD_BYTES_MAX {
        line.push('…');
    }
}

fn escape_char(c: char, line: &mut String) {
    match c {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        c if is_hidden(c) => {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        }
        c => line.push(c),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(FIELD_BYTES_MAX)]
}
