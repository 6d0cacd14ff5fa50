//! A moment of the past, as people type it: how long ago, or when.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::span::Span;

/// `2h`, or `2026-11-22T03:34:39Z`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Since {
    Ago(Span),
    Moment(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment = || text.parse().ok().map(Self::Moment);
        let found = text.parse().ok().map(Self::Ago).or_else(moment);
        found.ok_or_else(|| {
            "expected how long ago, such as 2h, or a time such as 2026-11-22T03:34:39Z".to_owned()
        })
    }
}

impl Since {
    /// The moment that is meant.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.saturating_sub(Duration::from(span)).unwrap_or(Timestamp::MIN),
            Self::Moment(moment) => moment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_or_when() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2h", Some("2026-11-22T10:00:00Z")),
            ("1d12h", Some("2026-11-21T00:00:00Z")),
            ("2026-11-22T03:34:39Z", Some("2026-11-22T03:34:39Z")),
            ("yesterday", None),
            ("", None),
        ] {
            let found = text.parse::<Since>().ok().map(|since| since.before(now).to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
