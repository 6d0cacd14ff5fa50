//! Messages that wait to be delivered.

use jiff::Timestamp;
use selfheal_core::issue::IssueId;

use crate::ports::sink::{ESCALATION, News};

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

impl OutboxMessage {
    /// The issue whose messages for the sink are delivered in their order. What is to be told later waits for nothing but
    /// its time.
    pub fn subject(sink: &str, news: &News) -> Option<IssueId> {
        news.issue.filter(|_| sink != ESCALATION)
    }
}

/// The messages that wait for one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The sink.
    pub sink: String,
    /// How many.
    pub count: u64,
    /// The time of the news that was written first of them.
    pub oldest_at: Timestamp,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Delivered, or given up: it leaves the outbox.
    Finished,
    /// To be tried again at this time.
    Again(Timestamp),
}
