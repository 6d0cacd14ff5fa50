//! What processes that share a journal have in common: where the switch stands, how often actions helped, how many new
//! issues a rule has; and what only one of them does at a time.
//!
//! A process that has its journal alone knows all of this by itself, and asks nothing. [`follow`](crate::follow) tells what
//! the others do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use selfheal_core::policy::RATE_WINDOW;
use serde_json::{Value, json};

use crate::engine::{Engine, PAGE};
use crate::feed::Change;
use crate::ports::JournalFault;
use crate::ports::journal::{IssueFilter, Said, Write};
use crate::storm::{OPENINGS_MAX, RELEASE, StormReading, WINDOW};
use crate::switch;

/// How often the journal is asked where the switch stands, when nobody says that it was turned.
const LOOK: Duration = Duration::from_secs(1);
/// How often the counts of helpful actions are read again.
const LEARN_EVERY: Duration = Duration::from_secs(60);
/// How long after one count of failures the next comes at the earliest.
const JUDGE_PAUSE: Duration = Duration::from_millis(250);
/// How long a task that only one process does at a time is this one's without asking again.
const LEASE: Duration = Duration::from_secs(30);

/// The tasks that are this process's, each with when that was last confirmed.
#[derive(Default)]
pub(crate) struct Leads {
    confirmed: Mutex<BTreeMap<String, Duration>>,
}

impl Leads {
    /// How long ago, by the monotonic clock, a task was confirmed to be this process's.
    fn age(&self, task: &str, now: Duration) -> Option<Duration> {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.get(task).map(|at| now.saturating_sub(*at))
    }
}

/// Keeps what is shared up to date, for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut stored = None;
    let mut learnt = engine.clock.monotonic();
    loop {
        if let Err(fault) = refresh_switch(&engine, &mut stored).await {
            tracing::warn!(%fault, "cannot read where the switch stands");
        }
        if let Err(fault) = engine.follow_maintenance().await {
            tracing::warn!(%fault, "cannot read which maintenance windows stand");
        }
        if engine.clock.monotonic().saturating_sub(learnt) >= LEARN_EVERY {
            learnt = engine.clock.monotonic();
            match engine.journal.successes().await {
                Ok(successes) => engine.learn(successes),
                Err(fault) => tracing::warn!(%fault, "cannot read how often actions helped"),
            }
        }
        tokio::select! {
            biased;
            () = engine.journal.heard(Said::Call) => {}
            () = engine.clock.sleep(LOOK) => {}
        }
    }
}

/// Turns the switch off when too many remediations fail in all processes together. Asked after each that ends here, but
/// when they end by the hundreds the journal does not count them all again for each.
pub(crate) async fn watch_failures(engine: Arc<Engine>) {
    loop {
        engine.ended.notified().await;
        if let Some(why) = engine.too_many_failures().await {
            engine.turn_off_by_itself(&why).await;
        }
        engine.clock.sleep(JUDGE_PAUSE).await;
    }
}

/// Takes over where the switch stands in the journal, when that has changed since it was last read. What this process
/// has turned off and could not journal stays off until somebody turns it anywhere.
async fn refresh_switch(engine: &Engine, stored: &mut Option<Value>) -> Result<(), JournalFault> {
    // What this process is about to journal comes after what is read here, or is read.
    let _turning = engine.switch.turning.lock().await;
    let turned_off = engine.switch.turned_off();
    let now = engine.journal.setting(switch::SETTING).await?;
    if now == *stored {
        return Ok(());
    }
    stored.clone_from(&now);
    let Some(position) = now.map(|value| switch::stored(value, engine.clock.now())) else { return Ok(()) };
    let (on, by, why) = (position.on, position.by.clone(), position.why.clone());
    if position != engine.switch.position() && engine.switch.turn(position, turned_off) {
        tracing::warn!(on, by, why, "the switch was turned");
        engine.metrics.switch_on.set(i64::from(on));
        engine.feed.tell(Change { settings: vec![switch::SETTING.to_owned()], ..Change::default() });
    }
    Ok(())
}

fn ago(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_sub(SignedDuration::try_from(by).unwrap_or_default()).unwrap_or(Timestamp::MIN)
}

/// The setting that holds until when a person lets a rule go on despite a storm.
fn released_key(rule: &str) -> String {
    format!("storm_released/{rule}")
}

impl Engine {
    /// Whether a task is this process's to do: one at a time among those that share the journal.
    pub(crate) async fn leads(&self, task: &str) -> bool {
        self.leads_for(task, LEASE).await
    }

    /// The same for a time of its own.
    pub(crate) async fn leads_for(&self, task: &str, lease: Duration) -> bool {
        if !self.shared {
            return true;
        }
        let now = self.clock.monotonic();
        if self.leads.age(task, now).is_some_and(|age| age < lease / 2) {
            return true;
        }
        let led = self.journal.lease(task, &self.replica, self.clock.now(), lease).await;
        let mut leads = self.leads.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        match led {
            Ok(true) => drop(leads.insert(task.to_owned(), now)),
            Ok(false) => drop(leads.remove(task)),
            Err(ref fault) => tracing::warn!(task, %fault, "it cannot be told whose task it is"),
        }
        led.unwrap_or(false)
    }

    /// Whether a task is certain to be this process's for some time yet, up to half of the lease of [`Self::leads`].
    pub(crate) fn leads_on(&self, task: &str, time: Duration) -> bool {
        !self.shared || self.leads.age(task, self.clock.monotonic()).is_some_and(|age| age + time < LEASE)
    }

    /// Gives back all tasks of this process.
    pub(crate) async fn resign(&self) {
        let tasks = std::mem::take(&mut *self.leads.confirmed.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks.into_keys() {
            let given = self.journal.lease(&task, &self.replica, self.clock.now(), Duration::ZERO).await;
            if let Err(fault) = given {
                tracing::warn!(task, %fault, "a task could not be given back; its lease ends by itself");
                return;
            }
        }
    }

    /// How many new issues a rule has, in all processes; of what the others have, no more are counted than a storm needs.
    pub(crate) async fn storm(&self, rule: &str, now: Timestamp) -> StormReading {
        let here = self.storms.read(rule, now);
        let most = self.policy.storm_per_minute;
        if most == 0 {
            return here;
        }
        let mut new_issues = here.new_issues;
        if self.shared {
            // One more than may be is enough to know, and in a storm there are very many.
            let everywhere =
                self.journal.openings_since(rule, ago(now, WINDOW), most.saturating_add(1)).await;
            new_issues = everywhere.map_or(new_issues, |count| count.max(new_issues));
        }
        if here.released || new_issues <= most {
            return StormReading { new_issues, ..here };
        }
        let until = self.journal.setting(&released_key(rule)).await.ok().flatten();
        let until = until.and_then(|until| serde_json::from_value::<Timestamp>(until).ok());
        StormReading { new_issues, released: until.is_some_and(|until| until > now) }
    }

    /// What makes a person's word about a storm known to all processes, and to the next.
    pub(crate) fn release_everywhere(&self, rule: &str, at: Timestamp) -> Write {
        let until = selfheal_core::guard::later(at, RELEASE);
        Write::Set { key: released_key(rule), value: json!(until) }
    }

    /// Counts the new issues of the last minute, which an earlier process has had. Where the journal is shared it is asked
    /// each time.
    pub(crate) async fn restore_storms(&self, now: Timestamp) -> Result<(), JournalFault> {
        if self.shared || self.policy.storm_per_minute == 0 {
            return Ok(());
        }
        let since = ago(now, WINDOW);
        let mut filter = IssueFilter { limit: PAGE, ..IssueFilter::default() };
        let mut openings = Vec::new();
        loop {
            let page = self.journal.issues(filter.clone()).await?;
            filter.before = page.last().map(|issue| issue.id);
            let last =
                page.len() < PAGE as usize || page.last().is_none_or(|issue| issue.received_at < since);
            let recent = page.into_iter().filter(|issue| (since..=now).contains(&issue.received_at));
            openings.extend(recent.filter_map(|issue| Some((issue.received_at, issue.rule?))));
            if last || openings.len() >= OPENINGS_MAX {
                break;
            }
        }
        openings.sort_unstable();
        openings.iter().for_each(|(at, rule)| self.storms.count(rule, *at));
        Ok(())
    }

    /// Why the switch must be turned off because of remediations in all processes, if so.
    async fn too_many_failures(&self) -> Option<String> {
        let since = ago(self.clock.now(), RATE_WINDOW).max(self.switch.position().at);
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
}
