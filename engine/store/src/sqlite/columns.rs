//! How the domain's values stand in columns: times as microseconds, names as text, nested values as JSON.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use selfheal_core::labels::Fingerprint;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A time, in whole microseconds since 1970: what is finer is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

/// A time's microseconds, the earlier one where it lies between two.
pub(super) fn micros(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1000)).expect("a timestamp's microseconds fit 64 bits")
}

/// The inverse of [`micros`]. By way of nanoseconds: jiff takes no microseconds of the very last second.
fn time(micros: i64) -> Result<Timestamp, jiff::Error> {
    Timestamp::from_nanosecond(i128::from(micros) * 1000)
}

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(micros(self.0).into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        time(value.as_i64()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A value of one of the core's closed sets, by its name.
pub(super) struct Name<T>(pub(super) T);

impl<T: FromStr<Err: Display>> FromSql for Name<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        text.parse()
            .map(Self)
            .map_err(|fault: T::Err| FromSqlError::Other(format!("{text:?}: {fault}").into()))
    }
}

/// A nested value, as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text = serde_json::to_string(&self.0)
            .map_err(|fault| rusqlite::Error::ToSqlConversionFailure(Box::new(fault)))?;
        Ok(text.into())
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A fingerprint's 64 bits as SQLite's signed number.
pub(super) struct Print(pub(super) Fingerprint);

impl ToSql for Print {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.0.cast_signed().into())
    }
}

impl FromSql for Print {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(Fingerprint(value.as_i64()?.cast_unsigned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_off_to_the_earlier_microsecond() {
        let cases = [
            (Timestamp::UNIX_EPOCH, 0),
            (Timestamp::constant(1, 999_999_999), 1_999_999),
            (Timestamp::constant(-1, -1), -1_000_001),
            (Timestamp::MAX, Timestamp::MAX.as_microsecond()),
            (Timestamp::MIN, Timestamp::MIN.as_microsecond()),
        ];
        for (time, expected) in cases {
            assert_eq!(micros(time), expected, "{time}");
            assert_eq!(micros(super::time(expected).unwrap()), expected);
        }
    }
}
