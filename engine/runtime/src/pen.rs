//! The pen: writes that belong together go to the journal in one transaction, no later than the next effect or wait.
//!
//! Until [`Pen::flush`] returns, nothing that was noted is durable, so an effect comes after a flush, always. What is
//! noted between two flushes costs one fsync together. Every transaction holds the issue anew, and fails when somebody
//! else has taken it: nothing is written, and nothing done, for an issue that another process is at work on.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::engine::Engine;
use crate::ports::journal::{HOLD, JournalFault, JournalFaultKind, Tenure, Write};

/// Writes that wait to be made durable.
pub(crate) struct Pen<'a> {
    engine: &'a Engine,
    tenure: Tenure,
    noted: Vec<Write>,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(engine: &'a Engine, tenure: Tenure) -> Self {
        Self { engine, tenure, noted: Vec::new() }
    }

    /// Adds a write to the next transaction.
    pub(crate) fn note(&mut self, write: Write) {
        self.noted.push(write);
    }

    /// Adds writes to the next transaction.
    pub(crate) fn note_all(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.noted.extend(writes);
    }

    /// Makes durable what was noted.
    pub(crate) async fn flush(&mut self) -> Result<(), JournalFault> {
        if self.noted.is_empty() { Ok(()) } else { self.write(HOLD).await }
    }

    /// Makes durable what was noted, and gives the issue back: the look is over.
    pub(crate) async fn finish(mut self) -> Result<(), JournalFault> {
        self.end().await
    }

    /// As [`Self::finish`], for a pen that belongs to something.
    pub(crate) async fn end(&mut self) -> Result<(), JournalFault> {
        // Not renewed from here on: a renewal that found it given back would end the look before its end.
        let held = self.engine.holds.take(self.tenure);
        let written = self.write(Duration::ZERO).await;
        if let (Err(_), Some(at)) = (&written, held) {
            self.engine.holds.add(self.tenure, at);
        }
        written
    }

    /// Makes sure, right before an effect, that nobody else can hold the issue.
    pub(crate) async fn stand(&mut self) -> Result<(), JournalFault> {
        if self.certain_for().is_none() {
            self.write(HOLD).await?;
        }
        self.certain_for().map(|_| ()).ok_or_else(|| self.lost())
    }

    /// Has an effect, for as long as nobody else can hold the issue. One that takes longer than that is given up: it may
    /// have happened, and is looked for by whoever takes the issue. A process that has the journal alone waits for it.
    pub(crate) async fn act<T>(&mut self, effect: impl Future<Output = T>) -> Result<T, JournalFault> {
        self.stand().await?;
        let _acting = self.engine.holds.acting(self.tenure);
        if !self.engine.shared {
            return Ok(effect.await);
        }
        let (mut effect, mut uncertain) = (pin!(effect), pin!(self.uncertain()));
        poll_fn(|context| {
            // Asked before each step: who was frozen meanwhile takes none.
            if self.certain_for().is_none() {
                return Poll::Ready(Err(self.lost()));
            }
            match effect.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                Poll::Pending => uncertain.as_mut().poll(context).map(|()| Err(self.lost())),
            }
        })
        .await
    }

    /// Waits until somebody else may hold the issue.
    async fn uncertain(&self) {
        while let Some(left) = self.certain_for() {
            self.engine.clock.sleep(left).await;
        }
    }

    fn certain_for(&self) -> Option<Duration> {
        self.engine.holds.certain_for(self.tenure, self.engine.clock.monotonic())
    }

    fn lost(&self) -> JournalFault {
        let what = format!("{} was held until a moment ago", self.tenure.issue);
        JournalFault { kind: JournalFaultKind::Fenced, what }
    }

    async fn write(&mut self, lease: Duration) -> Result<(), JournalFault> {
        let (began, at) = (self.engine.clock.monotonic(), self.engine.clock.now());
        let mut writes = Vec::with_capacity(self.noted.len() + 1);
        writes.push(Write::Hold { tenure: self.tenure, at, lease });
        writes.append(&mut self.noted);
        self.engine.journal.commit(writes).await?;
        self.engine.holds.confirm(self.tenure, began);
        Ok(())
    }
}
