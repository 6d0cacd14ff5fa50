//! How values are shown in the effective configuration: secrets never, durations as they are written.

use selfheal_contract::settings::Secret;
use serde::Serializer;
use serde::ser::SerializeSeq;

const HIDDEN: &str = "***";

/// A secret as `***`.
pub(super) fn secret<S: Serializer>(_: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(HIDDEN)
}

/// A secret as `***`, none as null.
pub(super) fn optional_secret<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_str(HIDDEN),
        None => serializer.serialize_none(),
    }
}

/// Each secret as `***`.
pub(super) fn secrets<S: Serializer>(secrets: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(secrets.len()))?;
    for _ in secrets {
        list.serialize_element(HIDDEN)?;
    }
    list.end()
}
