//! Notifications as they were received, and how far they are expanded.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A notification's number, given by the journal in the order of receipt, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ReceiptId(pub i64);

/// A notification as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReceipt {
    /// When.
    pub received_at: Timestamp,
    /// Who sent it: `alertmanager`, `reconciler`, or the name of a watch.
    pub source: &'static str,
    /// The trace that it belongs to, 32 hexadecimal digits.
    pub trace: String,
    /// The body, LZ4 block with its size in front.
    pub body: Vec<u8>,
}

/// A notification that is not fully expanded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Its number.
    pub id: ReceiptId,
    /// When it was received.
    pub received_at: Timestamp,
    /// Who sent it: `alertmanager`, `reconciler`, or the name of a watch.
    pub source: String,
    /// Its trace.
    pub trace: String,
    /// The body, LZ4 block with its size in front.
    pub body: Vec<u8>,
    /// How many of its alerts are expanded already.
    pub expanded: u32,
}

/// How far a receipt has been expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The receipt.
    pub receipt: ReceiptId,
    /// Alerts expanded so far.
    pub expanded: u32,
    /// Whether that is all of them; the receipt is then no longer needed.
    pub finished: bool,
}
