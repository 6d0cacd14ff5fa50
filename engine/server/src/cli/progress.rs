//! A sign of life on the terminal while an answer takes its time.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// For so long nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_millis(200);
const SIGNS: [char; 4] = ['|', '/', '-', '\\'];

/// Waits for an answer; what is shown meanwhile on standard error is gone afterwards. Only a terminal gets any of it.
pub(super) async fn shown<T>(what: &str, answer: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return answer.await;
    }
    tokio::pin!(answer);
    let mut waited = Duration::ZERO;
    loop {
        tokio::select! {
            answer = &mut answer => {
                if waited > PATIENCE {
                    erase();
                }
                return answer;
            }
            () = tokio::time::sleep(BEAT) => {
                waited += BEAT;
                if waited > PATIENCE {
                    let sign = SIGNS[usize::try_from(waited.as_millis() / BEAT.as_millis()).unwrap_or(0) % SIGNS.len()];
                    // A terminal that has gone away needs no sign of life.
                    let _ = write!(std::io::stderr(), "\r{sign} {what}: {} s", waited.as_secs());
                }
            }
        }
    }
}

fn erase() {
    let _ = write!(std::io::stderr(), "\r\x1b[2K");
}
