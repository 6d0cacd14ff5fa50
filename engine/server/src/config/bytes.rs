//! Amounts of memory as operators write them: `64MiB`, `512KiB`, or a number of bytes.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use selfheal_contract::settings::{Section, Value};
use serde::{Serialize, Serializer};

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// An amount of memory in bytes. What it displays reads back as the same amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

impl Bytes {
    /// An amount of mebibytes.
    pub const fn mebibytes(amount: u64) -> Self {
        Self(amount << 20)
    }

    /// An amount of kibibytes.
    pub const fn kibibytes(amount: u64) -> Self {
        Self(amount << 10)
    }

    /// The number of bytes, at most the largest `usize`.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size));
        let (unit, size) = whole.unwrap_or(&("B", 1));
        f.pad(&format!("{}{unit}", self.0 / size))
    }
}

/// A text that is no amount of memory.
#[derive(Debug, thiserror::Error)]
#[error("expected an amount of memory such as 64MiB, 512KiB or a number of bytes")]
pub struct NoAmount;

impl FromStr for Bytes {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let (number, size) = UNITS
            .iter()
            .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)))
            .unwrap_or((text, 1));
        // `parse` would take a sign as well.
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let amount = digits.then(|| number.parse::<u64>().ok()?.checked_mul(size)).flatten();
        amount.map(Self).ok_or(NoAmount)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The amount under `name` within `range`, or `default`.
pub(super) fn bytes_or(
    section: &mut Section<'_>,
    name: &str,
    default: Bytes,
    range: RangeInclusive<Bytes>,
) -> Bytes {
    let plain = section.node(name).is_some_and(|node| matches!(*node.value.settled(), Value::Integer(_)));
    if plain {
        return Bytes(section.integer_or(name, default.0, range.start().0..=range.end().0));
    }
    let amount = section.parsed_or(name, default);
    if !range.contains(&amount) {
        let problem = format!("must be between {} and {}, found {amount}", range.start(), range.end());
        section.reject(name, problem, None);
        return default;
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_write() {
        let cases = [
            ("64MiB", Some((64 << 20, "64MiB"))),
            ("1024KiB", Some((1 << 20, "1MiB"))),
            ("1536KiB", Some((1536 << 10, "1536KiB"))),
            ("2GiB", Some((2 << 30, "2GiB"))),
            ("100", Some((100, "100B"))),
            ("100B", Some((100, "100B"))),
            ("0", Some((0, "0B"))),
            ("", None),
            ("MiB", None),
            ("-1MiB", None),
            ("+1MiB", None),
            ("1.5MiB", None),
            ("1 MiB", None),
            ("64MB", None),
            ("99999999999GiB", None),
        ];
        for (text, expected) in cases {
            let found = text.parse::<Bytes>().ok();
            assert_eq!(
                found.map(|bytes| (bytes.0, bytes.to_string())),
                expected.map(|(n, t)| (n, t.to_owned())),
                "{text:?}"
            );
        }
    }
}
