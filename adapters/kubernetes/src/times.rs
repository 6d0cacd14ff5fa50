//! Times as objects have them.

use jiff::Timestamp;
use serde_json::Value;

/// A time of an object.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A time in seconds since 1970, or null.
pub(crate) fn seconds(value: &Value) -> Value {
    time(value).map_or(Value::Null, |time| time.as_second().into())
}
