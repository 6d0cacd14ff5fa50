//! Telemetry that a test can read.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;

use super::{TelemetryGuard, TelemetrySettings, set_up};
use crate::sinks::testing::clock;

/// What was logged.
pub(crate) type Lines = Arc<Mutex<Vec<u8>>>;

struct Writer(Lines);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics while it writes").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs and traces as set, into `lines`.
pub(crate) fn telemetry(settings: &TelemetrySettings, lines: &Lines) -> (Dispatch, TelemetryGuard) {
    let lines = Arc::clone(lines);
    set_up(settings, clock(), move || Writer(Arc::clone(&lines))).unwrap()
}

/// The usual log, into `lines`.
pub(crate) fn dispatch(lines: &Lines) -> Dispatch {
    telemetry(&TelemetrySettings::default(), lines).0
}
