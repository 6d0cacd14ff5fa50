//! Waiting for a condition, with a bound: the only way in which tests let time pass.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until there is an answer, or `None` when there was none within the time.
///
/// It asks at least once, and a last time when the time is up.
pub fn poll<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + within;
    loop {
        let last = Instant::now() >= end;
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if last {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until the condition holds.
///
/// # Panics
///
/// When it does not hold within the time; `what` completes the sentence "waited 5s until ...".
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    assert!(poll(within, || condition().then_some(())).is_some(), "waited {within:?} in vain until {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poll_asks_at_least_once_and_stops_at_the_first_answer() {
        for (answers_at, within, expected) in [
            (1, Duration::ZERO, Some(1)),
            (3, Duration::from_secs(5), Some(3)),
            (u32::MAX, Duration::from_millis(30), None),
        ] {
            let mut asked = 0;
            let answer = poll(within, || {
                asked += 1;
                (asked >= answers_at).then_some(asked)
            });
            assert_eq!(answer, expected);
            assert!(asked >= 1);
        }
    }

    #[test]
    #[should_panic(expected = "in vain until pigs fly")]
    fn wait_until_names_what_it_waited_for() {
        wait_until("pigs fly", Duration::ZERO, || false);
    }
}
