//! What `INFO` says, as numbers and words.

use std::collections::HashMap;

use redis::{Pipeline, pipe};
use serde_json::Value;

/// The fields of an `INFO` answer.
pub(crate) struct Info(HashMap<String, String>);

/// Asks for everything that a plain `INFO` has.
pub(crate) fn question() -> Pipeline {
    let mut question = pipe();
    question.cmd("INFO");
    question
}

impl Info {
    /// Reads the text; lines that are no fields (section names, blank ones) are passed over.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let field = |line: &str| {
            let (name, value) = line.trim_end().split_once(':')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(field).collect())
    }

    /// A field as text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field as a whole number of at least 0.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A field as a number; never infinite or NaN.
    pub(crate) fn fraction(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A whole number for a reading; null when the server does not tell.
    pub(crate) fn number_or_null(&self, name: &str) -> Value {
        self.number(name).map_or(Value::Null, Value::from)
    }

    /// A text for a reading; null when the server does not tell.
    pub(crate) fn text_or_null(&self, name: &str) -> Value {
        self.text(name).map_or(Value::Null, Value::from)
    }

    /// Why the figures say nothing yet, if they do not.
    pub(crate) fn unsettled(&self) -> Option<String> {
        if self.0.is_empty() {
            return Some("the server's INFO is empty".to_owned());
        }
        (self.text("loading") == Some("1")).then(|| "the server is still loading its data".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_lies_are_not_numbers() {
        let info = Info::parse(
            b"# Memory\r\nused_memory:1024\r\nmem_fragmentation_ratio:nan\r\nratio:1.5\r\nbad:-3\r\n\r\nexe:/a:b\xff\r\n",
        );
        assert_eq!(info.number("used_memory"), Some(1024));
        assert_eq!(info.number("bad"), None);
        assert_eq!(info.fraction("mem_fragmentation_ratio"), None);
        assert_eq!(info.fraction("ratio"), Some(1.5));
        assert_eq!(info.text("exe"), Some("/a:b\u{fffd}"));
        assert_eq!(info.number_or_null("missing"), Value::Null);
        assert_eq!(info.unsettled(), None);
    }

    #[test]
    fn a_loading_or_silent_server_is_unsettled() {
        for text in ["", "# Server\r\n", "loading:1\r\nused_memory:5\r\n"] {
            assert!(Info::parse(text.as_bytes()).unsettled().is_some(), "{text:?}");
        }
    }
}
