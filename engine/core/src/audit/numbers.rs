//! Sets of numbers of records, as text: `1-57,60`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A set of numbers, as ranges in ascending order that do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<RangeInclusive<i64>>);

impl Numbers {
    /// The ranges, lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<i64>> {
        self.0.iter().cloned()
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |count: u64, range| {
            count.saturating_add(range.end().abs_diff(*range.start()).saturating_add(1))
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<i64> for Numbers {
    fn from_iter<T: IntoIterator<Item = i64>>(numbers: T) -> Self {
        let mut numbers: Vec<i64> = numbers.into_iter().collect();
        numbers.sort_unstable();
        let mut ranges: Vec<RangeInclusive<i64>> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(last) if *last.end() == number => {}
                Some(last) if last.end().checked_add(1) == Some(number) => *last = *last.start()..=number,
                _ => ranges.push(number..=number),
            }
        }
        Self(ranges)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (start, end) if start == end => write!(f, "{comma}{start}")?,
                (start, end) => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

/// A text that is no set of numbers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected numbers and ranges of them in ascending order, such as 1-57,60")]
pub struct NotNumbers;

impl FromStr for Numbers {
    type Err = NotNumbers;

    fn from_str(text: &str) -> Result<Self, NotNumbers> {
        let number = |text: &str| text.parse::<u64>().ok().and_then(|number| i64::try_from(number).ok());
        let mut ranges: Vec<RangeInclusive<i64>> = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (start, end) = part.split_once('-').unwrap_or((part, part));
            let (start, end) = (number(start).ok_or(NotNumbers)?, number(end).ok_or(NotNumbers)?);
            if start > end || ranges.last().is_some_and(|last| *last.end() >= start) {
                return Err(NotNumbers);
            }
            ranges.push(start..=end);
        }
        Ok(Self(ranges))
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_text() {
        let cases: [(&[i64], &str, u64); 5] = [
            (&[], "", 0),
            (&[7], "7", 1),
            (&[3, 1, 2, 2], "1-3", 3),
            (&[60, 1, 2, 9, 8], "1-2,8-9,60", 5),
            (&[i64::MAX, i64::MAX - 1], "9223372036854775806-9223372036854775807", 2),
        ];
        for (numbers, text, count) in cases {
            let set: Numbers = numbers.iter().copied().collect();
            assert_eq!((set.to_string().as_str(), set.count(), set.is_empty()), (text, count, count == 0));
            assert_eq!(text.parse(), Ok(set), "{text}");
        }
        for text in ["x", "1,", ",1", "3-1", "2,1", "1-3,3", "1--2", "-1"] {
            assert_eq!(text.parse::<Numbers>(), Err(NotNumbers), "{text}");
        }
    }
}
