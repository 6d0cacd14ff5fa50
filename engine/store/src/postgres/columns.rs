//! How the domain's values stand in columns: times as microseconds, names as text, nested values as JSON; the same as
//! in SQLite, so that a journal can be moved column by column.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fault::Trouble;

/// A time's microseconds, the earlier one where it lies between two.
pub(super) fn micros(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1000)).expect("a timestamp's microseconds fit 64 bits")
}

/// The inverse of [`micros`].
pub(super) fn time(micros: i64) -> Result<Timestamp, Trouble> {
    Timestamp::from_nanosecond(i128::from(micros) * 1000).map_err(|fault| Trouble::Value(fault.to_string()))
}

/// A text as PostgreSQL takes it: all of Unicode but the character with the number 0, which is shown as a replacement.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A row's columns by name.
pub(super) trait Columns {
    /// A value as it is.
    fn value<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T, Trouble>;

    /// A whole number.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Trouble> {
        let number: i64 = self.value(column)?;
        T::try_from(number).map_err(|_| Trouble::Value(format!("{column}: {number} is out of range")))
    }

    /// A time.
    fn time(&self, column: &str) -> Result<Timestamp, Trouble> {
        time(self.value(column)?)
    }

    /// A time that may not be there.
    fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>, Trouble> {
        self.value::<Option<i64>>(column)?.map(time).transpose()
    }

    /// A value of one of the core's closed sets, by its name.
    fn name<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, Trouble> {
        named(self.value(column)?)
    }

    /// A name that may not be there.
    fn maybe_name<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, Trouble> {
        self.value::<Option<&str>>(column)?.map(named).transpose()
    }

    /// A nested value.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Trouble> {
        json(self.value(column)?)
    }

    /// A nested value that may not be there.
    fn maybe_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Trouble> {
        self.value::<Option<&str>>(column)?.map(json).transpose()
    }
}

impl Columns for Row {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T, Trouble> {
        self.try_get(column).map_err(Trouble::from)
    }
}

fn named<T: FromStr<Err: Display>>(text: &str) -> Result<T, Trouble> {
    text.parse().map_err(|fault: T::Err| Trouble::Value(format!("{text:?}: {fault}")))
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|fault| Trouble::Value(fault.to_string()))
}
