//! The end of a process that can rely on its journal no more, or must not work with it.

use tokio::sync::watch;

use crate::ports::JournalFault;

/// Says that the process must end, and why.
pub struct Stop(watch::Sender<Option<String>>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stop {
    /// The journal is broken: nothing may be acknowledged or done any more.
    pub(crate) fn broken(&self, fault: &JournalFault) {
        tracing::error!(%fault, "the journal is broken; the process ends");
        self.0.send_replace(Some(fault.to_string()));
    }

    /// The process must end, because.
    pub fn end(&self, why: &str) {
        tracing::error!(why, "the process ends");
        self.0.send_replace(Some(why.to_owned()));
    }

    /// Waits until the process must end; gives the reason.
    pub async fn wait(&self) -> String {
        let mut reason = self.0.subscribe();
        let found = reason.wait_for(Option::is_some).await.map(|reason| reason.clone());
        found.ok().flatten().unwrap_or_default()
    }
}
