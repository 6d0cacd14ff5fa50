//! Messages that wait to be delivered.

use jiff::Timestamp;

use crate::ports::sink::News;

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxMessage {
    /// Its number.
    pub id: i64,
    /// The sink.
    pub sink: String,
    /// The message.
    pub news: News,
    /// Failed tries so far.
    pub tries: u32,
    /// When it may be tried next.
    pub next_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Delivered, or given up: it leaves the outbox.
    Finished,
    /// To be tried again at this time.
    Again(Timestamp),
}
