//! What a receiver of news already has of an issue, kept in the journal: its message, its incident, its ticket. Without it
//! a restart would open everything a second time.

use std::sync::Arc;

use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::Write;
use selfheal_runtime::ports::{Journal, JournalFault, SinkFault};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One sink's memory.
pub(crate) struct Known {
    journal: Arc<dyn Journal>,
    sink: String,
}

impl Known {
    pub(crate) fn new(journal: Arc<dyn Journal>, sink: &str) -> Self {
        Self { journal, sink: sink.to_owned() }
    }

    /// What is known of an issue.
    pub(crate) async fn of_issue<T: DeserializeOwned>(&self, issue: IssueId) -> Result<Option<T>, SinkFault> {
        self.of(&issue.to_string()).await
    }

    /// Keeps what is known of an issue. It is durable when this returns.
    pub(crate) async fn keep_issue(&self, issue: IssueId, value: &impl Serialize) -> Result<(), SinkFault> {
        self.keep(&issue.to_string(), value).await
    }

    /// What is known under a name. What an older version kept in another form counts as nothing.
    pub(crate) async fn of<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SinkFault> {
        let value = self.journal.setting(&self.key(name)).await.map_err(again)?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// Keeps something under a name.
    pub(crate) async fn keep(&self, name: &str, value: &impl Serialize) -> Result<(), SinkFault> {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.journal.commit(vec![Write::Set { key: self.key(name), value }]).await.map_err(again)
    }

    /// The journal, for what the receiver wants to tell beyond the news.
    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    fn key(&self, name: &str) -> String {
        Self::key_of(&self.sink, name)
    }

    /// Under which key of the journal's settings a sink keeps something.
    pub(crate) fn key_of(sink: &str, name: &str) -> String {
        format!("{name}/sink/{sink}")
    }
}

/// The journal is away; the message waits.
fn again(fault: JournalFault) -> SinkFault {
    SinkFault { what: fault.to_string(), retry: true, after: None }
}
