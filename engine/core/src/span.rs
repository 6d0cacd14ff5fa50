//! Spans of time as operators write them, "5m" or "1h30m": the syntax of Prometheus and Alertmanager.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// The units, largest first, each with its milliseconds and whether it is only written when it divides the
/// whole, so that 36 h is "1d12h" but 30 d is not "4w2d". After `model.Duration` (prometheus/common, `model/time.go`).
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 86_400_000, true),
    ("w", 7 * 86_400_000, true),
    ("d", 86_400_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1000, false),
    ("ms", 1, false),
];

/// A span of time in whole milliseconds, from nothing to [`Span::MAX`].
///
/// It is written as numbers with units, largest unit first, each unit once: `y` (365 days), `w`, `d` (24 hours),
/// `h`, `m`, `s`, `ms`. What is written reads back as the same span.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// No time at all, "0s".
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The longest span, "100y": far beyond any use, and safe to add to any date of this era.
    pub const MAX: Self = Self(Duration::from_secs(100 * 365 * 86_400));

    /// A span of whole milliseconds, at most [`Span::MAX`].
    pub const fn from_millis(milliseconds: u64) -> Self {
        let duration = Duration::from_millis(milliseconds);
        if duration.as_secs() >= Self::MAX.0.as_secs() { Self::MAX } else { Self(duration) }
    }

    /// A span of whole seconds, at most [`Span::MAX`].
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// A span of whole minutes, at most [`Span::MAX`].
    pub const fn from_mins(minutes: u64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// A span of whole hours, at most [`Span::MAX`].
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_mins(hours.saturating_mul(60))
    }

    /// The span as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<Duration> for Span {
    /// Rounds up to whole milliseconds, so that no wait becomes none, and caps at [`Span::MAX`].
    fn from(duration: Duration) -> Self {
        let milliseconds = duration.as_nanos().div_ceil(1_000_000);
        Self::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

/// A text that is no span, with the place where it stops being one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no span of time: {problem} at byte {offset}; expected numbers with units, such as \"500ms\", \"5m\", \"1h30m\" or \"30d\""
)]
pub struct SpanFault {
    /// What was given; cut when it is long.
    pub text: Box<str>,
    /// The byte, from 0, where the problem is.
    pub offset: usize,
    /// What is wrong there.
    pub problem: SpanProblem,
}

/// What is wrong with a text that should be a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpanProblem {
    /// Nothing was written.
    #[error("it is empty")]
    Empty,
    /// Something other than a digit where a number should begin; also signs and spaces.
    #[error("expected a whole number")]
    NoNumber,
    /// A number without a unit; only "0" may have none.
    #[error("expected a unit (ms, s, m, h, d, w or y)")]
    NoUnit,
    /// A fraction, which a smaller unit expresses.
    #[error("a fraction is not allowed, use a smaller unit")]
    Fraction,
    /// A unit that is none of those known.
    #[error("unknown unit, expected one of ms, s, m, h, d, w, y")]
    UnknownUnit,
    /// A unit that was there already, or that is larger than the one before.
    #[error("units go from the largest to the smallest, each once")]
    Order,
    /// More than [`Span::MAX`].
    #[error("it is longer than 100y")]
    TooLong,
}

impl FromStr for Span {
    type Err = SpanFault;

    fn from_str(text: &str) -> Result<Self, SpanFault> {
        parse(text).map_err(|(offset, problem)| SpanFault {
            text: text.chars().take(64).collect::<String>().into(),
            offset,
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Span, (usize, SpanProblem)> {
    match text {
        "" => return Err((0, SpanProblem::Empty)),
        "0" => return Ok(Span::ZERO),
        _ => {}
    }
    let run = |from: usize, belongs: fn(&u8) -> bool| {
        from + text.as_bytes()[from..].iter().take_while(|byte| belongs(byte)).count()
    };
    let (mut at, mut milliseconds, mut units_left) = (0, 0_u64, &UNITS[..]);
    while at < text.len() {
        let number_end = run(at, u8::is_ascii_digit);
        if number_end == at {
            return Err((at, SpanProblem::NoNumber));
        }
        let unit_end = run(number_end, u8::is_ascii_alphabetic);
        let unit = &text[number_end..unit_end];
        if unit.is_empty() {
            let fraction = text.as_bytes().get(number_end).is_some_and(|byte| matches!(byte, b'.' | b','));
            return Err((number_end, if fraction { SpanProblem::Fraction } else { SpanProblem::NoUnit }));
        }
        let Some(place) = units_left.iter().position(|(name, ..)| *name == unit) else {
            let known = UNITS.iter().any(|(name, ..)| *name == unit);
            return Err((number_end, if known { SpanProblem::Order } else { SpanProblem::UnknownUnit }));
        };
        let part = text[at..number_end].parse::<u64>().ok().and_then(|n| n.checked_mul(units_left[place].1));
        milliseconds = part
            .and_then(|part| part.checked_add(milliseconds))
            .filter(|total| u128::from(*total) <= Span::MAX.0.as_millis())
            .ok_or((at, SpanProblem::TooLong))?;
        units_left = &units_left[place + 1..];
        at = unit_end;
    }
    Ok(Span::from_millis(milliseconds))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.pad("0s");
        }
        let mut text = String::new();
        let mut left = u64::try_from(self.0.as_millis()).expect("a span is at most 100 years");
        for (unit, size, exact) in UNITS {
            if left >= size && (!exact || left.is_multiple_of(size)) {
                text.push_str(&(left / size).to_string());
                text.push_str(unit);
                left %= size;
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({self})")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span of time such as \"5m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_as_prometheus_does() {
        let cases = [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("0w", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("1500ms", 1500, "1s500ms"),
            ("5m", 300_000, "5m"),
            ("90m", 5_400_000, "1h30m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("30d", 30 * 86_400_000, "30d"),
            ("2w", 14 * 86_400_000, "2w"),
            ("14d", 14 * 86_400_000, "2w"),
            ("36h", 129_600_000, "1d12h"),
            ("1y", 365 * 86_400_000, "1y"),
            ("1w1ms", 604_800_001, "7d1ms"),
            ("100y", 100 * 365 * 86_400_000, "100y"),
            ("1d1h1m1s1ms", 90_061_001, "1d1h1m1s1ms"),
        ];
        for (text, milliseconds, written) in cases {
            let span: Span = text.parse().unwrap();
            assert_eq!(span, Span::from_millis(milliseconds), "{text}");
            assert_eq!(span.to_string(), written, "{text}");
            assert_eq!(written.parse::<Span>().unwrap(), span, "{text}");
            assert_eq!(serde_json::to_string(&span).unwrap(), format!("\"{written}\""));
            assert_eq!(serde_json::from_str::<Span>(&format!("\"{text}\"")).unwrap(), span);
        }
    }

    #[test]
    fn refuses_what_is_no_span_and_says_where() {
        use SpanProblem::*;
        let cases = [
            ("", 0, Empty),
            (" 5m", 0, NoNumber),
            ("-5m", 0, NoNumber),
            ("m", 0, NoNumber),
            ("5m ", 2, NoNumber),
            ("5 m", 1, NoUnit),
            ("5", 1, NoUnit),
            ("1h30", 4, NoUnit),
            ("0.5s", 1, Fraction),
            ("5min", 1, UnknownUnit),
            ("5M", 1, UnknownUnit),
            ("5us", 1, UnknownUnit),
            ("5ä", 1, NoUnit),
            ("1m1h", 3, Order),
            ("1m2m", 3, Order),
            ("101y", 0, TooLong),
            ("99999999999999999999s", 0, TooLong),
            ("100y1ms", 4, TooLong),
        ];
        for (text, offset, problem) in cases {
            let fault = text.parse::<Span>().unwrap_err();
            assert_eq!((fault.offset, fault.problem), (offset, problem), "{text:?}: {fault}");
        }
        let fault = "5 min".parse::<Span>().unwrap_err().to_string();
        assert!(fault.starts_with("\"5 min\" is no span of time: expected a unit (ms, s,"), "{fault}");
    }

    #[test]
    fn comes_from_durations_rounded_up_and_capped() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1500), 2),
            (Duration::from_secs(60), 60_000),
            (Duration::MAX, 100 * 365 * 86_400_000),
        ];
        for (duration, milliseconds) in cases {
            assert_eq!(Span::from(duration), Span::from_millis(milliseconds), "{duration:?}");
        }
        assert_eq!(Span::from_hours(u64::MAX), Span::MAX);
        assert_eq!(Span::from_mins(2).duration(), Duration::from_secs(120));
    }
}
