//! Where rule scripts run: on threads of their own, so that a greedy script delays other scripts at most, never the
//! rooms that receive, execute and verify.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait for one thread before callers wait too.
const QUEUE_MAX: usize = 1024;

/// The stack of one thread; scripts may use a quarter of it.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// The threads. Without any, scripts run where they are called, which makes a simulation deterministic.
pub struct Scripts {
    lanes: Vec<SyncSender<Job>>,
    next: AtomicUsize,
}

/// A script's thread ended without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the script's thread ended without an answer")]
pub(crate) struct LaneLost;

impl Scripts {
    /// Starts this many threads; 0 runs scripts in place.
    ///
    /// # Errors
    /// The operating system refuses a thread.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let start = |number| {
            let (sender, jobs) = sync_channel::<Job>(QUEUE_MAX);
            std::thread::Builder::new().name(format!("rules-{number}")).stack_size(STACK_BYTES).spawn(
                move || {
                    for job in jobs {
                        // The one who asked sees that no answer comes; the thread goes on.
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                    }
                },
            )?;
            Ok(sender)
        };
        Ok(Self {
            lanes: (0..threads).map(start).collect::<std::io::Result<_>>()?,
            next: AtomicUsize::new(0),
        })
    }

    /// Runs a script and waits for its answer.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        script: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneLost> {
        if self.lanes.is_empty() {
            return Ok(script());
        }
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked may have gone away meanwhile.
            let _ = answer.send(script());
        });
        let lane = &self.lanes[self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len()];
        if let Err(std::sync::mpsc::TrySendError::Full(job)) = lane.try_send(job) {
            let lane = lane.clone();
            let sent = tokio::task::spawn_blocking(move || lane.send(job).is_ok()).await;
            if !sent.unwrap_or(false) {
                return Err(LaneLost);
            }
        }
        answered.await.map_err(|_| LaneLost)
    }
}
