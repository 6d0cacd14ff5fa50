//! Skipping a test whose server is not installed, loudly, and never where all servers are expected.

use crate::Missing;
use std::io::{self, Write};

/// The server, or the end of this test.
///
/// When the server's program is missing, says so and returns from the calling function; a test that returns something
/// else than `()` gives that as the second argument. Panics when the server is there and does not start, and, with
/// `SELFHEAL_REQUIRE_SERVERS=1`, when it is missing.
#[macro_export]
macro_rules! require {
    ($start:expr) => {
        $crate::require!($start, ())
    };
    ($start:expr, $skipped:expr) => {
        match $start {
            Ok(server) => server,
            Err($crate::Error::Missing(missing)) => {
                $crate::skip(&missing);
                return $skipped;
            }
            Err(error) => panic!("{error}"),
        }
    };
}

/// Whether a missing server is a failure: `SELFHEAL_REQUIRE_SERVERS=1` is set.
#[must_use]
pub fn servers_required() -> bool {
    std::env::var("SELFHEAL_REQUIRE_SERVERS").is_ok_and(|value| value == "1")
}

/// Says that a test is skipped because of a missing program; [`require!`](crate::require!) calls it.
///
/// # Panics
///
/// When [`servers_required`].
#[track_caller]
pub fn skip(missing: &Missing) {
    assert!(!servers_required(), "{missing}, and SELFHEAL_REQUIRE_SERVERS=1 forbids to skip");
    // The test harness swallows what `eprintln!` writes in a test that passes; a skipped test must be seen. Nothing is
    // lost when there is no standard error to write to.
    let _ = writeln!(io::stderr(), "SKIPPED: {missing}");
}
