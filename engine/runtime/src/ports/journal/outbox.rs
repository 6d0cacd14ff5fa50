//! Messages that wait to be delivered.

use jiff::Timestamp;
use selfheal_core::issue::IssueId;

use crate::ports::sink::{ESCALATION, News};

/// News for a sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The sink.
    pub sink: String,
    /// The message.
    pub news: Box<News>,
    /// When to try first.
    pub at: Timestamp,
}

impl Notice {
    /// The same about an issue, which had no number when it was written.
    pub fn about(&self, issue: IssueId) -> Self {
        let Self { sink, news, at } = self.clone();
        Self { sink, news: Box::new(News { issue: Some(issue), ..*news }), at }
    }

    /// The issue whose messages for the sink are delivered in their order. What is to be told later waits for nothing but
    /// its time.
    pub fn subject(&self) -> Option<IssueId> {
        subject(&self.sink, &self.news)
    }
}

fn subject(sink: &str, news: &News) -> Option<IssueId> {
    news.issue.filter(|_| sink != ESCALATION)
}

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
    /// As [`Notice::subject`].
    pub fn subject(&self) -> Option<IssueId> {
        subject(&self.sink, &self.news)
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
