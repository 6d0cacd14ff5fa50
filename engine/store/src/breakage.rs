//! A journal that cannot say any more what is on the disk: told once, to all of its threads and callers.

use std::sync::{Arc, OnceLock};

use selfheal_runtime::ports::{JournalFault, JournalFaultKind};

/// Why every later call fails, once that is so.
pub(crate) type Breakage = Arc<OnceLock<String>>;

/// A fault once the journal is broken.
pub(crate) fn unbroken(breakage: &Breakage) -> Result<(), JournalFault> {
    breakage.get().map_or(Ok(()), |why| Err(broken(why.clone())))
}

/// The fault for when it is not known what is on disk.
pub(crate) fn broken(what: impl Into<String>) -> JournalFault {
    JournalFault { kind: JournalFaultKind::Broken, what: what.into() }
}

/// Whoever waits for a writer that panicked finds the journal broken: its last transaction is of unknown fate.
pub(crate) struct BreakOnPanic(pub(crate) Breakage);

impl Drop for BreakOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ =
                self.0.set("the writer failed; its last transaction may or may not be on disk".to_owned());
        }
    }
}
