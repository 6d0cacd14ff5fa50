//! The course of one check: from what it finds, round after round, to when its alert fires and when it is over. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// What one round found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// The condition does not hold: all is well.
    Well,
    /// The condition holds, with what was read.
    Ill(String),
    /// It cannot be told. That neither fires nor resolves, and neither counts nor breaks a row.
    Unclear(String),
    /// There was no answer in time, and nobody waited any longer.
    CutOff {
        /// How long that was.
        why: String,
        /// Whether the check looks for whether there is an answer: then it is as good as ill.
        ill: bool,
    },
}

impl Found {
    /// The name in the metric.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Ill(_) => "ill",
            Self::Unclear(_) => "inconclusive",
            Self::CutOff { .. } => "cut_off",
        }
    }

    /// What the round says of the check itself: ill is one that cannot judge.
    pub(crate) fn sight(&self) -> Self {
        match self {
            Self::Unclear(why) | Self::CutOff { why, ill: false } => Self::Ill(why.clone()),
            Self::Well | Self::Ill(_) | Self::CutOff { ill: true, .. } => Self::Well,
        }
    }
}

/// When an alert fires and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// So many rounds in a row must find it ill before it fires; from 1.
    pub failures: u32,
    /// And so long it must have been ill, from the first of those rounds to the last.
    pub lasting: Duration,
    /// So many rounds in a row must find it well before it is over; from 1.
    pub successes: u32,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turn {
    /// When the alert began to fire.
    pub(crate) since: Timestamp,
    /// When it was over, if it is.
    pub(crate) ended: Option<Timestamp>,
    /// What was read.
    pub(crate) what: String,
}

/// Where a check stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    patience: Patience,
    /// Since when the alert fires, if it does.
    firing: Option<Timestamp>,
    /// When the latest alert began: the next one must begin later, also when the clock was set back.
    latest: Option<Timestamp>,
    /// When the row of rounds that found it ill began, and how many there are.
    ill: Option<(Timestamp, u32)>,
    /// How many rounds in a row found it well while it fires.
    well: u32,
    /// What nobody has been told yet.
    untold: Option<Turn>,
}

impl Course {
    /// A course that begins now, with what the journal knows of an earlier one: when the latest alert began, and whether
    /// it still fires.
    pub(crate) fn new(patience: Patience, latest: Option<(Timestamp, bool)>) -> Self {
        let firing = latest.filter(|(_, fires)| *fires).map(|(since, _)| since);
        let latest = latest.map(|(since, _)| since);
        Self { patience, firing, latest, ill: None, well: 0, untold: None }
    }

    /// Whether the alert fires.
    pub(crate) fn fires(&self) -> bool {
        self.firing.is_some()
    }

    /// Takes in what a round found.
    pub(crate) fn see(&mut self, found: &Found, now: Timestamp) {
        match found {
            Found::Ill(what) | Found::CutOff { why: what, ill: true } => self.see_ill(what, now),
            Found::Well => self.see_well(now),
            Found::Unclear(_) | Found::CutOff { ill: false, .. } => {}
        }
    }

    /// What is to be told, until it was [`told`](Self::told). What has come since then takes its place.
    pub(crate) fn untold(&self) -> Option<&Turn> {
        self.untold.as_ref()
    }

    /// It is told.
    pub(crate) fn told(&mut self) {
        self.untold = None;
    }

    fn see_ill(&mut self, what: &str, now: Timestamp) {
        self.well = 0;
        if self.firing.is_some() {
            return;
        }
        let (since, before) = self.ill.unwrap_or((now, 0));
        let count = before.saturating_add(1);
        self.ill = Some((since, count));
        let lasted = now.duration_since(since)
            >= SignedDuration::try_from(self.patience.lasting).unwrap_or(SignedDuration::MAX);
        if count < self.patience.failures || !lasted {
            return;
        }
        // Starts are compared in milliseconds.
        let later =
            |latest: Timestamp| latest.saturating_add(SignedDuration::from_millis(1)).unwrap_or(latest);
        let since = self.latest.map_or(since, |latest| since.max(later(latest)));
        self.ill = None;
        self.firing = Some(since);
        self.latest = Some(since);
        self.untold = Some(Turn { since, ended: None, what: what.to_owned() });
    }

    fn see_well(&mut self, now: Timestamp) {
        self.ill = None;
        let Some(since) = self.firing else { return };
        self.well = self.well.saturating_add(1);
        if self.well >= self.patience.successes {
            self.well = 0;
            self.firing = None;
            let what = "all is well again".to_owned();
            self.untold = Some(Turn { since, ended: Some(now.max(since)), what });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Goes through rounds ten seconds apart: `w` well, `i` ill, `?` inconclusive, `x` cut off, `X` cut off where an answer
    /// is what is looked for. Gives what was to be told
    /// after each: `F` fires since that round, `R` is over, `.` nothing; and `!` where it was told twice.
    fn go(patience: Patience, latest: Option<(Timestamp, bool)>, rounds: &str) -> String {
        let mut course = Course::new(patience, latest);
        let mut told = String::new();
        for (round, letter) in (0_i64..).zip(rounds.chars()) {
            let found = match letter {
                'w' => Found::Well,
                'i' => Found::Ill("x is 2".to_owned()),
                '?' => Found::Unclear("no data".to_owned()),
                cut_off => Found::CutOff { why: "no answer within 10s".to_owned(), ill: cut_off == 'X' },
            };
            course.see(&found, at(10 * round));
            told.push(match course.untold() {
                Some(Turn { ended: Some(_), .. }) => 'R',
                Some(Turn { ended: None, .. }) => 'F',
                None => '.',
            });
            course.told();
        }
        told
    }

    #[test]
    fn rows_decide() {
        let patience = |failures, lasting, successes| Patience {
            failures,
            lasting: Duration::from_secs(lasting),
            successes,
        };
        let cases = [
            (patience(3, 0, 1), "iii", "..F"),
            (patience(3, 0, 1), "iiwiii", ".....F"),
            (patience(3, 0, 1), "iiiiiiw", "..F...R"),
            (patience(3, 0, 1), "i?ixi", "....F"),
            (patience(1, 0, 1), "iwiw", "FRFR"),
            (patience(1, 0, 1), "????xx", "......"),
            (patience(3, 0, 1), "iXX?w", "..F.R"),
            (patience(1, 0, 2), "iwiw?w", "F....R"),
            (patience(1, 0, 3), "iwwiwww", "F.....R"),
            (patience(1, 30, 1), "iiii", "...F"),
            (patience(1, 30, 1), "iiiwiiii", ".......F"),
            (patience(3, 5, 1), "iii", "..F"),
        ];
        for (patience, rounds, expected) in cases {
            assert_eq!(go(patience, None, rounds), expected, "{patience:?} {rounds}");
        }
    }

    #[test]
    fn a_later_process_goes_on_where_an_earlier_one_stood() {
        let patience = Patience { failures: 2, lasting: Duration::ZERO, successes: 1 };
        for (latest, rounds, expected) in [
            (Some((at(-60), true)), "iii", "..."),
            (Some((at(-60), true)), "?w", ".R"),
            (Some((at(-60), false)), "wii", "..F"),
        ] {
            assert_eq!(go(patience, latest, rounds), expected, "{latest:?} {rounds}");
        }
        let mut course = Course::new(patience, Some((at(-60), true)));
        course.see(&Found::Well, at(0));
        assert_eq!(course.untold().map(|turn| (turn.since, turn.ended)), Some((at(-60), Some(at(0)))));
    }

    #[test]
    fn an_alert_begins_with_its_row_and_after_the_one_before() {
        let patience = Patience { failures: 2, lasting: Duration::ZERO, successes: 1 };
        let ill = || Found::Ill("x is 2".to_owned());
        let mut course = Course::new(patience, None);
        course.see(&ill(), at(10));
        course.see(&ill(), at(20));
        assert_eq!(course.untold().map(|turn| turn.since), Some(at(10)));
        course.see(&Found::Well, at(30));
        // The clock was set back.
        course.see(&ill(), at(0));
        course.see(&ill(), at(5));
        assert!(course.untold().is_some_and(|turn| turn.since > at(10) && turn.ended.is_none()));
        // And it ends no sooner than it began.
        course.see(&Found::Well, at(6));
        assert!(course.untold().is_some_and(|turn| turn.ended >= Some(turn.since)));
    }

    #[test]
    fn what_could_not_be_told_is_told_later() {
        let patience = Patience { failures: 1, lasting: Duration::ZERO, successes: 1 };
        let mut course = Course::new(patience, None);
        course.see(&Found::Ill("x is 2".to_owned()), at(0));
        course.see(&Found::Unclear("no data".to_owned()), at(10));
        assert!(course.untold().is_some_and(|turn| turn.ended.is_none()));
        course.see(&Found::Well, at(20));
        assert!(course.untold().is_some_and(|turn| turn.since == at(0) && turn.ended == Some(at(20))));
        course.told();
        assert_eq!(course.untold(), None);
    }
}
