//! The backlog: what the intake has taken and nobody has expanded yet. How much of it there may be is decided before a
//! notification is stored; beyond that, the sender is told to come again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::sighting::LATE_MAX;
use tokio::sync::{mpsc, oneshot};

use crate::known::{Known, Place};
use crate::ports::journal::{Receipt, ReceiptId};

/// A notification that is to be expanded.
pub(crate) enum Work {
    /// With its alerts. It may still be on its way to the disk: both go on at the same time, for an alert that was expanded
    /// and then not acknowledged is only sent once more. Its number comes when it is there.
    Alerts {
        receipt: oneshot::Receiver<ReceiptId>,
        received_at: Timestamp,
        trace: String,
        alerts: Vec<Alert>,
        admitted: Admitted,
    },
    /// As it was stored.
    Stored { receipt: Receipt, admitted: Admitted },
}

/// Alerts for which there is room, until this is dropped: when they are expanded, or will not come.
pub(crate) struct Admitted {
    alerts: usize,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.alerts, Ordering::Relaxed);
    }
}

/// What intake and expansion share.
pub(crate) struct Backlog {
    pub(crate) known: Known,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    /// The place of the last that was handed on.
    work: Mutex<(Place, mpsc::UnboundedSender<(Place, Work)>)>,
}

impl Backlog {
    /// At most `backlog_max` alerts wait; the channel is bounded by that count. Where others expand alerts as well, what is
    /// known is trusted for less time than after which an alert may fire again with the start of before.
    pub(crate) fn new(backlog_max: usize, shared: bool) -> (Self, mpsc::UnboundedReceiver<(Place, Work)>) {
        let (work, receiver) = mpsc::unbounded_channel();
        let backlog = Self {
            known: Known::new(if shared { LATE_MAX } else { Duration::MAX }),
            waiting: Arc::default(),
            // Back-pressure begins at 80 % of what there is room for.
            waiting_max: backlog_max / 5 * 4,
            work: Mutex::new((Place::default(), work)),
        };
        (backlog, receiver)
    }

    /// Makes room for alerts, or says how many wait and how many may.
    pub(crate) fn admit(&self, alerts: usize, elsewhere: usize) -> Result<Admitted, (usize, usize)> {
        let before = self.waiting.fetch_add(alerts, Ordering::Relaxed);
        let admitted = Admitted { alerts, waiting: Arc::clone(&self.waiting) };
        // One notification always fits into an empty queue, however large it is.
        if before + elsewhere == 0 || before + elsewhere + alerts <= self.waiting_max {
            return Ok(admitted);
        }
        Err((before + elsewhere, self.waiting_max))
    }

    /// How many alerts may wait.
    pub(crate) fn most(&self) -> usize {
        self.waiting_max
    }

    /// Alerts that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands a notification on, which is expanded after all that were handed on before; gives its place.
    pub(crate) fn hand_on(&self, work: Work) -> Place {
        let mut handed = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let (Place(last), sender) = &mut *handed;
        *last += 1;
        // The receiver lives as long as the rooms; without them, the journal has the notification.
        let _ = sender.send((Place(*last), work));
        Place(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handed_on_leaves_nothing_waiting() {
        let (backlog, _work) = Backlog::new(10, false);
        let first = backlog.admit(6, 0).ok().unwrap();
        assert_eq!(backlog.admit(3, 0).err(), Some((6, 8)));
        assert_eq!(backlog.waiting(), 6, "what was refused does not wait");
        drop(first);
        assert_eq!(backlog.waiting(), 0);
    }
}
