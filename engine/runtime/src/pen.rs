//! The pen: writes that belong together go to the journal in one transaction, no later than the next effect or wait.
//!
//! Until [`Pen::flush`] returns, nothing that was noted is durable, so an effect comes after a flush, always. What is
//! noted between two flushes costs one fsync together.

use crate::ports::journal::{Journal, JournalFault, Write};

/// Writes that wait to be made durable.
pub(crate) struct Pen<'a> {
    journal: &'a dyn Journal,
    noted: Vec<Write>,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(journal: &'a dyn Journal) -> Self {
        Self { journal, noted: Vec::new() }
    }

    /// Adds a write to the next transaction.
    pub(crate) fn note(&mut self, write: Write) {
        self.noted.push(write);
    }

    /// Makes durable what was noted.
    pub(crate) async fn flush(&mut self) -> Result<(), JournalFault> {
        if self.noted.is_empty() {
            return Ok(());
        }
        self.journal.commit(std::mem::take(&mut self.noted)).await
    }
}
