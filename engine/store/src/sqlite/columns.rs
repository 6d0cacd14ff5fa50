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

/// A time's whole microseconds, and the nanoseconds (0 to 999) beyond them.
pub(super) fn split(time: Timestamp) -> (i64, i64) {
    let nanos = time.as_nanosecond();
    let micros = i64::try_from(nanos.div_euclid(1000)).expect("a timestamp's microseconds fit 64 bits");
    let rest = i64::try_from(nanos.rem_euclid(1000)).expect("a remainder by 1000 fits 64 bits");
    (micros, rest)
}

/// The inverse of [`split`].
pub(super) fn join(micros: i64, nanos: i64) -> FromSqlResult<Timestamp> {
    Timestamp::from_nanosecond(i128::from(micros) * 1000 + i128::from(nanos)).map_err(FromSqlError::other)
}

impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(split(self.0).0.into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        join(value.as_i64()?, 0).map(Self)
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
    fn times_split_and_join_exactly() {
        let cases = [
            Timestamp::UNIX_EPOCH,
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::constant(-1, -1),
            Timestamp::constant(1, 999_999_999),
        ];
        for time in cases {
            let (micros, nanos) = split(time);
            assert!((0..1000).contains(&nanos), "{time}");
            assert_eq!(join(micros, nanos).unwrap(), time);
        }
    }
}
