//! From when on what is over is kept.

use jiff::Timestamp;

/// What ended before these times may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizons {
    /// Counts of failed tries.
    pub failures: Timestamp,
    /// Remediations, intents and approvals of issues that were closed before.
    pub actions: Timestamp,
    /// Issues that were closed before, with their stories; and facts that are about none.
    pub events: Timestamp,
    /// When it is forgotten: the time of the record that says so.
    pub now: Timestamp,
}
