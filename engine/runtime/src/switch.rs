//! The switch: one hand stops all automatic remediation. Its position survives restarts.
//!
//! It also turns itself off when too many remediations fail. Who turns it off stops this process at once, whether the
//! journal can be told or not; what it could not be told is written as soon as it answers, and so heard by the others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::moment::{earlier, later};
use selfheal_core::policy::{Policy, RATE_WINDOW};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::feed::Change;
use crate::news;
use crate::ports::journal::{IssueFilter, Record, Write};
use crate::ports::{JournalFault, JournalFaultKind};

/// The journal's name for the switch.
pub(crate) const SETTING: &str = "switch";

/// How long after one count of failures the next comes at the earliest.
const JUDGE_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait until the journal is told again that the switch was turned off, when it could not be.
const RETRY: Duration = Duration::from_secs(1);
/// The grain in which results are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// Where the switch stands, since when, and who said so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Whether automatic remediation is on.
    pub on: bool,
    /// Who turned it.
    pub by: String,
    /// When; [`Timestamp::MIN`] where nobody ever turned it. See [`Position::turned_at`].
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl Position {
    /// Where it stands until somebody turns it.
    pub(crate) fn configured(on: bool) -> Self {
        let (by, why) = ("configuration".to_owned(), "as configured".to_owned());
        Self { on, by, at: Timestamp::MIN, why }
    }

    /// When it was turned; `None` where it stands as configured.
    pub fn turned_at(&self) -> Option<Timestamp> {
        (self.at > Timestamp::MIN).then_some(self.at)
    }
}

/// The position that the journal has. One that cannot be read is off: to do nothing is the safer mistake.
pub(crate) fn stored(value: serde_json::Value, now: Timestamp) -> Position {
    serde_json::from_value(value).unwrap_or_else(|fault| Position {
        on: false,
        by: "selfheal".to_owned(),
        at: now,
        why: format!("where it stands cannot be read from the journal ({fault}); turn it on again"),
    })
}

/// The switch, with what it knows of the last hour's remediations.
pub struct Switch {
    position: ArcSwap<Position>,
    results: Mutex<Results>,
    /// One turn at a time.
    pub(crate) turning: tokio::sync::Mutex<()>,
    offs: Mutex<Offs>,
    /// Rung when it was turned off here, for whoever sees to it that the journal has it.
    off_here: Notify,
}

/// The turns to off in this process.
#[derive(Default)]
struct Offs {
    /// How many there were.
    count: u64,
    /// The last one, while it is not known to be in the journal.
    unwritten: Option<Position>,
}

impl Switch {
    pub(crate) fn new(position: Position) -> Self {
        Self {
            position: ArcSwap::from_pointee(position),
            results: Mutex::default(),
            turning: tokio::sync::Mutex::default(),
            offs: Mutex::default(),
            off_here: Notify::new(),
        }
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        Position::clone(&self.position.load())
    }

    /// Why nothing may be done, while it is off.
    pub(crate) fn off(&self) -> Option<String> {
        let position = self.position.load();
        (!position.on).then(|| match position.turned_at() {
            Some(at) => format!("{} turned it off at {at}: {}", position.by, position.why),
            None => "it is off by the configuration".to_owned(),
        })
    }

    /// Turns it off in this process, whatever is under way elsewhere.
    fn turn_off(&self, position: Position) {
        let mut offs = self.offs();
        offs.count += 1;
        offs.unwritten = Some(position.clone());
        self.position.store(position.into());
        drop(offs);
        self.off_here.notify_one();
    }

    /// The turn to off that the journal does not have yet.
    fn unwritten(&self) -> Option<Position> {
        self.offs().unwritten.clone()
    }

    /// The journal has this position.
    fn written(&self, position: &Position) {
        let mut offs = self.offs();
        offs.unwritten = offs.unwritten.take().filter(|unwritten| unwritten != position);
    }

    /// How often it was turned off here.
    pub(crate) fn turned_off(&self) -> u64 {
        self.offs().count
    }

    /// Turns it in this process as the journal has it; not on, if somebody has turned it off here since it was counted how
    /// often that was done. Says whether it was turned.
    pub(crate) fn turn(&self, position: Position, turned_off: u64) -> bool {
        let mut offs = self.offs();
        if position.on {
            if offs.count != turned_off {
                return false;
            }
            offs.unwritten = None;
            // What failed before a person turned it on again does not turn it off once more.
            self.results.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.position.store(position.into());
        true
    }

    fn offs(&self) -> MutexGuard<'_, Offs> {
        self.offs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Share of successes within the last hour, 0 to 1; 1 when there was none to count.
    pub(crate) fn success_rate(&self) -> f64 {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if results.all == 0 { 1.0 } else { 1.0 - f64::from(results.failed) / f64::from(results.all) }
    }

    /// Counts a remediation; gives the reason to turn the switch off, if there is one now.
    pub(crate) fn count(&self, success: bool, now: Timestamp, policy: &Policy) -> Option<String> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.add(success, now);
        let Results { all, failed, .. } = *results;
        self.judge(all, failed, policy)
    }

    /// The reason to turn the switch off, if so many of the last hour's remediations failed.
    pub(crate) fn judge(&self, all: u32, failed: u32, policy: &Policy) -> Option<String> {
        let share = f64::from(failed) / f64::from(all);
        (all >= policy.failure_sample_min && share > policy.failure_share_max && self.position.load().on)
            .then(|| {
                let most = policy.failure_share_max * 100.0;
                format!("{failed} of {all} remediations in the last hour failed, more than {most:.0} %")
            })
    }
}

/// The remediations of the last hour, counted by the minute, so that neither time nor memory grows with their number.
#[derive(Default)]
struct Results {
    /// Minutes, oldest first: when each began, how many ended in it, how many of those failed.
    minutes: VecDeque<(Timestamp, u32, u32)>,
    all: u32,
    failed: u32,
}

impl Results {
    fn add(&mut self, success: bool, now: Timestamp) {
        while let Some((began, all, failed)) = self.minutes.front().copied() {
            if later(began, RATE_WINDOW) > now {
                break;
            }
            self.minutes.pop_front();
            self.all -= all;
            self.failed -= failed;
        }
        // What lies in the future by more than disorder was counted before the clock was set back.
        while let Some((began, all, failed)) = self.minutes.back().copied() {
            if began <= later(now, MINUTE) {
                break;
            }
            self.minutes.pop_back();
            self.all -= all;
            self.failed -= failed;
        }
        if self.minutes.back().is_none_or(|(began, ..)| later(*began, MINUTE) <= now) {
            self.minutes.push_back((now, 0, 0));
        }
        let failed = u32::from(!success);
        if let Some((_, all_of_minute, failed_of_minute)) = self.minutes.back_mut() {
            *all_of_minute += 1;
            *failed_of_minute += failed;
        }
        self.all += 1;
        self.failed += failed;
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Engine {
    /// Turns the switch. It is durable when this returns, and goes on to its end even when nobody waits for it: what the journal
    /// has must hold in this process, too.
    ///
    /// # Errors
    /// The journal cannot be written; the switch stays where it was, unless it was to be turned off: then it is off in
    /// this process all the same, and for all as soon as the journal answers, if this process lasts until then.
    pub async fn turn_switch(
        self: &Arc<Self>,
        on: bool,
        by: &str,
        why: &str,
    ) -> Result<Position, JournalFault> {
        let at = self.clock.now();
        let position = Position { on, by: by.to_owned(), at, why: why.to_owned() };
        if !on {
            self.switch.turn_off(position.clone());
            self.metrics.switch_on.set(0);
        }
        let turned_off = self.switch.turned_off();
        let engine = Arc::clone(self);
        let turning = tokio::spawn(async move { engine.turn_everywhere(position, turned_off).await });
        turning.await.unwrap_or_else(|panic| {
            let what = format!("turning the switch ended without an answer: {panic}");
            Err(JournalFault { kind: JournalFaultKind::Unavailable, what })
        })
    }

    /// Turns the switch in the journal, and here where that is not done. It had been turned off here so often when this was
    /// asked for.
    async fn turn_everywhere(&self, position: Position, turned_off: u64) -> Result<Position, JournalFault> {
        let on = position.on;
        let turning = self.switch.turning.lock().await;
        // A turn to off may have been journalled by who sees to that.
        if on || self.switch.unwritten().is_some() {
            self.write_position(&position).await?;
        }
        // Whoever turned it off meanwhile has the last word: in this process already, in the journal in a moment.
        let stands = on && self.switch.turn(position.clone(), turned_off);
        if stands {
            self.metrics.switch_on.set(1);
        }
        drop(turning);
        if stands {
            self.look_at_refused().await?;
        }
        tracing::warn!(on, by = position.by, why = position.why, "the switch was turned");
        Ok(position)
    }

    /// Journals a turn, with the record and the news of it.
    async fn write_position(&self, position: &Position) -> Result<(), JournalFault> {
        let stands = if position.on { "on" } else { "off" };
        let mut writes = vec![
            Write::Set { key: SETTING.to_owned(), value: json(position) },
            Write::Record(Record {
                issue: None,
                remediation: None,
                at: position.at,
                kind: "switch".to_owned(),
                actor: position.by.clone(),
                summary: format!("turned automatic remediation {stands}: {}", position.why),
                facts: serde_json::Value::Null,
            }),
        ];
        writes.extend(news::switch(self, position));
        self.journal.commit(writes).await?;
        self.switch.written(position);
        Ok(())
    }

    /// Journals the turn to off that the journal does not have, if there is one. It counts though somebody may have turned
    /// the switch on elsewhere since: nobody there knew of it, and to do nothing is the safer mistake.
    async fn write_unwritten(&self) -> Result<(), JournalFault> {
        let _turning = self.switch.turning.lock().await;
        let Some(position) = self.switch.unwritten() else { return Ok(()) };
        // What was not answered may have been written.
        if self.journal.setting(SETTING).await? == Some(json(&position)) {
            self.switch.written(&position);
            return Ok(());
        }
        self.write_position(&position).await?;
        tracing::warn!(
            by = position.by,
            why = position.why,
            "the journal has been told that the switch is off"
        );
        Ok(())
    }

    /// What was refused while the switch was off is looked at again; the outcome of what was treated before does not tell.
    async fn look_at_refused(&self) -> Result<(), JournalFault> {
        self.call_all(IssueFilter::default(), |issue| {
            let rests = issue.phase == Phase::Rested && issue.resolved_at.is_none();
            rests && (issue.outcome == Some(Outcome::Refused) || issue.remediations > 0)
        })
        .await
    }
}

fn json(position: &Position) -> serde_json::Value {
    serde_json::to_value(position).unwrap_or_default()
}

/// Sees to it, for as long as the process runs, that the journal has every turn to off.
pub(crate) async fn write_off(engine: Arc<Engine>) {
    loop {
        engine.switch.off_here.notified().await;
        while let Err(fault) = engine.write_unwritten().await {
            tracing::warn!(%fault, "the switch is off here, and the journal cannot be told yet");
            engine.clock.sleep(RETRY).await;
        }
    }
}

/// Takes over where the switch stands in the journal, when that has changed since it was last read; not before the journal
/// has what was turned off here.
pub(crate) async fn refresh(
    engine: &Engine,
    known: &mut Option<serde_json::Value>,
) -> Result<(), JournalFault> {
    // What this process is about to journal comes after what is read here, or is read.
    let _turning = engine.switch.turning.lock().await;
    let turned_off = engine.switch.turned_off();
    if engine.switch.unwritten().is_some() {
        return Ok(());
    }
    let now = engine.journal.setting(SETTING).await?;
    if now == *known {
        return Ok(());
    }
    known.clone_from(&now);
    let Some(position) = now.map(|value| stored(value, engine.clock.now())) else { return Ok(()) };
    let (on, by, why) = (position.on, position.by.clone(), position.why.clone());
    if position != engine.switch.position() && engine.switch.turn(position, turned_off) {
        tracing::warn!(on, by, why, "the switch was turned");
        engine.metrics.switch_on.set(i64::from(on));
        engine.feed.tell(Change { settings: vec![SETTING.to_owned()], ..Change::default() });
    }
    Ok(())
}

/// Turns the switch off when too many remediations fail in all processes together. Asked at start, since who saw the last one
/// fail may have ended before it could do that, and after each that ends here; but when they end by the hundreds the journal
/// does not count them all again for each.
pub(crate) async fn watch_failures(engine: Arc<Engine>) {
    loop {
        if let Some(why) = engine.too_many_failures().await {
            engine.turn_off_by_itself(&why).await;
        }
        engine.clock.sleep(JUDGE_PAUSE).await;
        engine.ended.notified().await;
    }
}

impl Engine {
    /// Why the switch must be turned off because of remediations in all processes, if so.
    async fn too_many_failures(&self) -> Option<String> {
        let since = earlier(self.clock.now(), RATE_WINDOW).max(self.switch.position().at);
        let endings = self.journal.endings_since(since).await;
        let endings = endings
            .inspect_err(|fault| tracing::warn!(%fault, "cannot read how many remediations failed"))
            .ok()?;
        let count = |wanted: bool| -> u64 {
            let wanted = endings.iter().filter(|(outcome, _)| outcome.helped() == Some(wanted));
            wanted.map(|(_, count)| count).sum()
        };
        let capped = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let (failed, helped) = (count(false), count(true));
        self.switch.judge(capped(failed + helped), capped(failed), &self.policy)
    }

    /// Turns the switch off for what is going wrong.
    pub(crate) async fn turn_off_by_itself(self: &Arc<Self>, why: &str) {
        if let Err(fault) = self.turn_switch(false, "selfheal", why).await {
            tracing::error!(%fault, "the switch is off here, and the journal could not be told yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> Switch {
        let position =
            Position { on: true, by: "test".into(), at: Timestamp::UNIX_EPOCH, why: String::new() };
        Switch::new(position)
    }

    #[test]
    fn too_many_failures_turn_it_off() {
        let (switch, policy) = (switch(), Policy::default());
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        for minute in 0..9 {
            assert_eq!(switch.count(minute % 2 == 0, at(minute), &policy), None, "too few to say anything");
        }
        assert!(switch.count(true, at(9), &policy).unwrap().starts_with("4 of 10"));
        assert_eq!(switch.count(true, at(200), &policy), None, "an hour later they are forgotten");
        assert_eq!(switch.success_rate(), 1.0);
        assert_eq!(switch.count(false, at(100), &policy), None, "and when the clock was set back");
        assert_eq!(switch.success_rate(), 0.0);
    }

    #[test]
    fn who_turns_it_off_meanwhile_has_the_last_word() {
        let switch = switch();
        let to = |on| Position { on, ..switch.position() };
        let before = switch.turned_off();
        switch.turn_off(to(false));
        assert!(!switch.turn(to(true), before), "it was on its way before");
        assert!(switch.off().is_some());
        assert!(switch.turn(to(true), switch.turned_off()));
        assert!(switch.off().is_none());
        assert_eq!(switch.unwritten(), None, "what was turned on since needs not be written");
        switch.turn_off(to(false));
        switch.written(&to(true));
        assert_eq!(switch.unwritten(), Some(to(false)));
        switch.written(&to(false));
        assert_eq!(switch.unwritten(), None);
        assert!(!stored(serde_json::json!({ "on": "perhaps" }), Timestamp::UNIX_EPOCH).on);
    }

    #[test]
    fn thirty_percent_is_not_above_thirty_percent() {
        let (switch, policy) = (switch(), Policy::default());
        let reasons = (0..10).filter_map(|n| switch.count(n >= 3, Timestamp::UNIX_EPOCH, &policy)).count();
        assert_eq!(reasons, 0);
    }
}
