//! What a batch of sightings comes to, by the table of `core::sighting`: pure, on the latest issue of each fingerprint.
//!
//! An issue that is opened and changed by the same batch is written once, as it stands in the end; so is one that is
//! changed several times.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::labels::Fingerprint;
use selfheal_core::sighting::{LatestIssue, Meaning, kept, meaning};
use selfheal_runtime::ports::journal::{Sighted, Sighting};

use crate::nested::fingerprint_of_content;

/// The latest issue of a fingerprint, as the journal has it.
#[derive(Clone, Copy)]
pub(super) struct Latest {
    pub(super) id: IssueId,
    pub(super) known: LatestIssue,
    pub(super) seen: i64,
}

/// Where an issue is: in the journal, or among those that the batch opens.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Stored(IssueId),
    /// By its place among the opened ones.
    New(usize),
}

/// An issue that the batch opens.
pub(super) struct Opened<'a> {
    pub(super) sighting: &'a Sighting,
    pub(super) phase: Phase,
    pub(super) outcome: Option<Outcome>,
    pub(super) why: &'a str,
    pub(super) closed_at: Option<Timestamp>,
    pub(super) state: State<'a>,
    /// Whether a later sighting of the same batch calls for a look.
    pub(super) again: bool,
}

/// What a sighting changes about an issue.
#[derive(Clone)]
pub(super) struct State<'a> {
    pub(super) alert: Cow<'a, Alert>,
    pub(super) seen: i64,
    pub(super) resolved_at: Option<Timestamp>,
    /// When it is to be looked at because of it; nothing leaves that as it is.
    pub(super) wake_at: Option<Timestamp>,
}

impl<'a> State<'a> {
    /// A new issue's.
    fn of(alert: &'a Alert, resolved_at: Option<Timestamp>, wake_at: Option<Timestamp>) -> Self {
        Self { alert: Cow::Borrowed(alert), seen: fingerprint_of_content(alert), resolved_at, wake_at }
    }
}

/// A fact for an issue's story.
pub(super) struct Told {
    pub(super) place: Place,
    pub(super) at: Timestamp,
    pub(super) kind: &'static str,
    pub(super) summary: String,
}

/// What one sighting came to; new issues have no number yet.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    Opened(Place),
    Refired(Place),
    Resolved(Place),
    Known(Place),
    Stale,
}

/// Everything that a batch changes.
#[derive(Default)]
pub(super) struct Outcomes<'a> {
    pub(super) opened: Vec<Opened<'a>>,
    pub(super) changed: HashMap<IssueId, State<'a>>,
    pub(super) told: Vec<Told>,
    pub(super) seen: Vec<Seen>,
}

/// One fingerprint on its way through the batch.
struct Current {
    place: Place,
    known: LatestIssue,
    seen: i64,
}

/// Goes through the sightings in their order.
pub(super) fn outcomes<'a>(sightings: &'a [Sighting], latest: &HashMap<Fingerprint, Latest>) -> Outcomes<'a> {
    let stored =
        |latest: &Latest| Current { place: Place::Stored(latest.id), known: latest.known, seen: latest.seen };
    let mut current: HashMap<Fingerprint, Current> =
        latest.iter().map(|(fingerprint, latest)| (*fingerprint, stored(latest))).collect();
    let mut outcomes = Outcomes::default();
    for sighting in sightings {
        let now = current.get_mut(&sighting.alert.fingerprint);
        let (seen, opened) = outcomes.see(now, sighting);
        if let Some(opened) = opened {
            current.insert(sighting.alert.fingerprint, opened);
        }
        outcomes.seen.push(seen);
    }
    outcomes
}

impl<'a> Outcomes<'a> {
    fn see(&mut self, now: Option<&mut Current>, sighting: &'a Sighting) -> (Seen, Option<Current>) {
        let meaning = meaning(now.as_ref().map(|now| now.known), &sighting.alert, sighting.received_at);
        let Some(now) = now.filter(|_| !matches!(meaning, Meaning::Open | Meaning::OpenResolved)) else {
            return match meaning {
                Meaning::Open => self.open(sighting),
                Meaning::OpenResolved => self.open_resolved(sighting),
                _ => (Seen::Stale, None),
            };
        };
        let place = now.place;
        let alert = kept(now.known.starts_at, &sighting.alert);
        let (starts_at, content) = (alert.starts_at, fingerprint_of_content(&alert));
        let state = |resolved_at, wake_at| State { alert, seen: content, resolved_at, wake_at };
        let seen = match meaning {
            Meaning::Refire => {
                let wake_at = sighting.opening.wake_at.unwrap_or(sighting.received_at);
                self.change(place, state(None, Some(wake_at)));
                self.tell(
                    place,
                    sighting,
                    "refired",
                    format!("the alert fires again since {}", sighting.alert.starts_at),
                );
                now.known.resolved_at = None;
                Seen::Refired(place)
            }
            Meaning::Resolve => {
                let resolved_at = resolved_at(sighting);
                self.change(place, state(Some(resolved_at), Some(sighting.received_at)));
                self.tell(place, sighting, "resolved", format!("the alert was resolved at {resolved_at}"));
                now.known.resolved_at = Some(resolved_at);
                Seen::Resolved(place)
            }
            Meaning::Known => {
                let no_older =
                    sighting.alert.starts_at.as_millisecond() >= now.known.starts_at.as_millisecond();
                if !no_older || now.seen == content {
                    return (Seen::Known(place), None);
                }
                self.change(place, state(now.known.resolved_at.map(|_| resolved_at(sighting)), None));
                Seen::Known(place)
            }
            _ => return (Seen::Stale, None),
        };
        (now.known.starts_at, now.seen) = (starts_at, content);
        (seen, None)
    }

    fn open(&mut self, sighting: &'a Sighting) -> (Seen, Option<Current>) {
        let opening = &sighting.opening;
        let phase = if opening.wake_at.is_some() { Phase::Waiting } else { Phase::Rested };
        let outcome = opening.outcome.as_ref().filter(|_| opening.wake_at.is_none());
        let (outcome, why) = outcome.map_or((None, ""), |(outcome, why)| (Some(*outcome), why.as_str()));
        let state = State::of(&sighting.alert, None, opening.wake_at);
        let current =
            self.add(Opened { sighting, phase, outcome, why, closed_at: None, state, again: false });
        (Seen::Opened(current.place), Some(current))
    }

    fn open_resolved(&mut self, sighting: &'a Sighting) -> (Seen, Option<Current>) {
        let resolved_at = Some(resolved_at(sighting));
        let current = self.add(Opened {
            sighting,
            phase: Phase::Closed,
            outcome: Some(Outcome::Subsided),
            why: "the alert was resolved before it was seen to fire",
            closed_at: Some(sighting.received_at),
            state: State::of(&sighting.alert, resolved_at, None),
            again: false,
        });
        (Seen::Stale, Some(current))
    }

    fn add(&mut self, opened: Opened<'a>) -> Current {
        let known = LatestIssue {
            open: opened.phase.is_open(),
            starts_at: opened.state.alert.starts_at,
            resolved_at: opened.state.resolved_at,
        };
        let current = Current { place: Place::New(self.opened.len()), known, seen: opened.state.seen };
        self.opened.push(opened);
        current
    }

    fn change(&mut self, place: Place, state: State<'a>) {
        let before = match place {
            Place::New(number) => {
                let opened = &mut self.opened[number];
                opened.again |= state.wake_at.is_some();
                Some(&mut opened.state)
            }
            Place::Stored(id) => self.changed.get_mut(&id),
        };
        match (before, place) {
            (Some(before), _) => *before = State { wake_at: state.wake_at.or(before.wake_at), ..state },
            (None, Place::Stored(id)) => drop(self.changed.insert(id, state)),
            (None, Place::New(_)) => {}
        }
    }

    fn tell(&mut self, place: Place, sighting: &Sighting, kind: &'static str, summary: String) {
        self.told.push(Told { place, at: sighting.received_at, kind, summary });
    }
}

fn resolved_at(sighting: &Sighting) -> Timestamp {
    sighting.alert.ends_at.unwrap_or(sighting.received_at)
}

impl Seen {
    /// The answer, by the numbers of the new issues.
    pub(super) fn answer(self, number: impl Fn(Place) -> IssueId) -> Sighted {
        match self {
            Self::Opened(place) => Sighted::Opened(number(place)),
            Self::Refired(place) => Sighted::Refired(number(place)),
            Self::Resolved(place) => Sighted::Resolved(number(place)),
            Self::Known(place) => Sighted::Known(number(place)),
            Self::Stale => Sighted::Stale,
        }
    }
}
