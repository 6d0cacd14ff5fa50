//! Moments some time away: a span that leads out of time ends where time does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The moment some time after another, or the end of time.
pub fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// The moment some time before another, or the beginning of time.
pub fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}
