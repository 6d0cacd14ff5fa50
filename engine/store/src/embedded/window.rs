//! A sliding window: who was granted something, and when, oldest first.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::elapsed::Instant;

/// The grants of one target, or of all, within a window. What it costs to count one does not grow with their number.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Oldest first.
    grants: VecDeque<(Instant, String)>,
    by_holder: HashMap<String, Instant>,
}

impl Window {
    /// Counts a grant once for each holder. Grants may be told in any order.
    pub(super) fn count(&mut self, holder: &str, at: Instant) {
        if self.by_holder.contains_key(holder) {
            return;
        }
        self.by_holder.insert(holder.to_owned(), at);
        let place = self.grants.partition_point(|(known, _)| *known <= at);
        self.grants.insert(place, (at, holder.to_owned()));
    }

    /// When there is room for another grant than the holder's own, if there is none now.
    pub(super) fn full_until(
        &self,
        holder: &str,
        most: u32,
        length: Duration,
        now: Instant,
    ) -> Option<Instant> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if most == 0 {
            return Some(now.after(length));
        }
        let gone = self.grants.partition_point(|(at, _)| at.after(length) <= now);
        let own = self.by_holder.get(holder).is_some_and(|at| at.after(length) > now);
        if self.grants.len() - gone - usize::from(own) < most {
            return None;
        }
        // There is room again when only fewer than `most` of the others are left, the latest of them.
        let mut others = self.grants.iter().rev().filter(|(_, known)| known != holder);
        others.nth(most - 1).map(|(at, _)| at.after(length))
    }

    /// Drops what is older than the window; false when nothing is left.
    pub(super) fn trim(&mut self, length: Duration, now: Instant) -> bool {
        while self.grants.front().is_some_and(|(at, _)| at.after(length) <= now) {
            if let Some((_, holder)) = self.grants.pop_front() {
                self.by_holder.remove(&holder);
            }
        }
        !self.grants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_when_enough_have_left() {
        let (zero, seconds) = (Instant::default(), Duration::from_secs);
        let mut window = Window::default();
        for (holder, at) in [("b", 20), ("a", 10), ("c", 30), ("a", 40)] {
            window.count(holder, zero.after(seconds(at)));
        }
        // Who asks, how many may be, when, and when there is room: by a window of 60 seconds.
        let cases = [
            ("d", 4, 35, None),
            ("d", 3, 35, Some(70)),
            ("d", 2, 35, Some(80)),
            ("d", 1, 35, Some(90)),
            ("d", 0, 35, Some(95)),
            ("c", 3, 35, None),
            ("c", 2, 35, Some(70)),
            ("d", 3, 70, None),
            ("d", 2, 70, Some(80)),
        ];
        for (holder, most, now, room) in cases {
            let found = window.full_until(holder, most, seconds(60), zero.after(seconds(now)));
            assert_eq!(found, room.map(|at| zero.after(seconds(at))), "{holder} {most} {now}");
        }
        assert!(window.trim(seconds(60), zero.after(seconds(89))));
        assert!(!window.trim(seconds(60), zero.after(seconds(90))));
    }
}
