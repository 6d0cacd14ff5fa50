//! The outbox: delivers news to the sinks, again and again until it is there or given up. Nothing waits for it.
//!
//! Each sink has a lane of its own, so that one that is down holds up no other. Within a lane, what is about one issue
//! arrives in its order. A lane sleeps until a message for its sink is written, or the next one may be tried.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use selfheal_core::moment::later;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::escalation;
use crate::ports::journal::{Delivery, Notice, OutboxMessage, Write};
use crate::ports::{ESCALATION, JournalFault, Sink, SinkFault};

/// How long a lane that has just delivered something does not answer to its bell: what comes meanwhile is read, delivered and noted
/// together, which costs the journal little more than one message does.
const GATHER: Duration = Duration::from_millis(10);
/// Messages taken at a time, at most.
const BATCH: usize = 32;
/// The first delay after a failed delivery; it doubles up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// How long a message is tried: after that, nobody is helped by it any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How long one delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after the journal could not be read.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);
/// How often a lane looks without being called: where the journal is this process's own, and where it is shared, since
/// what other processes have written calls nobody here.
const LOOK: Duration = Duration::from_secs(600);
const LOOK_SHARED: Duration = Duration::from_secs(1);
/// How long a lane waits whose sink another process delivers to.
const STANDBY: Duration = Duration::from_secs(2);

/// The task of delivering to a sink. Of the processes that share a journal one does at a time, so that no message goes out
/// from two of them; which sinks there are is each process's own.
fn task(sink: &str) -> String {
    format!("outbox/{sink}")
}

/// What wakes the lanes.
pub(crate) struct Bells(BTreeMap<String, watch::Sender<()>>);

impl Bells {
    /// A bell for each sink, and one for what is told later.
    pub(crate) fn new<'n>(sinks: impl Iterator<Item = &'n str>) -> Self {
        Self(sinks.chain([ESCALATION]).map(|name| (name.to_owned(), watch::Sender::new(()))).collect())
    }

    /// The sinks that writes have messages for.
    pub(crate) fn of(writes: &[Write]) -> BTreeSet<String> {
        let sink = |write: &Write| match write {
            Write::Notify(notice) => Some(notice.sink.clone()),
            _ => None,
        };
        writes.iter().filter_map(sink).collect()
    }

    /// A message for a sink is durable.
    pub(crate) fn ring(&self, sink: &str) {
        if let Some(bell) = self.0.get(sink) {
            bell.send_replace(());
        }
    }

    /// Messages are durable.
    pub(crate) fn ring_all<'n>(&self, notices: impl Iterator<Item = &'n Notice>) {
        let sinks: BTreeSet<&str> = notices.map(|notice| notice.sink.as_str()).collect();
        sinks.into_iter().for_each(|sink| self.ring(sink));
    }

    fn listen(&self, sink: &str) -> watch::Receiver<()> {
        self.0.get(sink).expect("there is a bell for every lane").subscribe()
    }
}

/// Delivers for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    let sinks = engine.sinks.iter().map(|sink| lane(&engine, sink.name(), Some(&**sink)));
    let lanes = join_all(sinks.chain([lane(&engine, ESCALATION, None)]));
    join(lanes, forget(&engine)).await;
}

/// One sink's queue; without a sink, that of what is told later.
async fn lane(engine: &Engine, name: &str, sink: Option<&dyn Sink>) {
    let mut bell = engine.bells.listen(name);
    let task = task(name);
    let mut rest_until = Duration::ZERO;
    loop {
        bell.mark_unchanged();
        if !engine.leads(&task).await {
            engine.clock.sleep(STANDBY).await;
            continue;
        }
        let reading_at = engine.clock.monotonic();
        let wait = match deliver(engine, name, sink).await {
            Ok(Due::Most) => continue,
            Ok(Due::Some) => {
                rest_until = reading_at + GATHER;
                next(engine, name).await
            }
            Ok(Due::Nothing) => next(engine, name).await,
            Err(fault) => Err(fault),
        };
        let wait = wait.unwrap_or_else(|fault| {
            tracing::error!(sink = name, %fault, "cannot read the outbox");
            JOURNAL_RETRY
        });
        tokio::select! {
            biased;
            // The sender lives as long as the engine.
            _ = bell.changed() => {
                engine.clock.sleep(rest_until.saturating_sub(engine.clock.monotonic())).await;
            }
            () = engine.clock.sleep(wait) => {}
        }
    }
}

/// How long until the next message of a lane may be tried.
async fn next(engine: &Engine, sink: &str) -> Result<Duration, JournalFault> {
    let next = engine.journal.next_delivery(sink).await?;
    let until = next.map(|at| Duration::try_from(at.duration_since(engine.clock.now())).unwrap_or_default());
    let look = if engine.shared { LOOK_SHARED } else { LOOK };
    Ok(until.unwrap_or(look).min(look))
}

/// What a lane had that was due.
enum Due {
    Nothing,
    /// All of it was taken; but the next about an issue whose message was delivered may be due now.
    Some,
    /// As much as may be taken at a time.
    Most,
}

/// Delivers what is due, as much as may be taken at a time.
async fn deliver(engine: &Engine, name: &str, sink: Option<&dyn Sink>) -> Result<Due, JournalFault> {
    let most = sink.map_or(BATCH, |sink| sink.at_once().clamp(1, BATCH));
    let messages = engine.journal.outbox(name, engine.clock.now(), most).await?;
    let count = messages.len();
    // Reading may have taken so long that another process delivers by now.
    if count > 0 && !engine.leads_on(&task(name), DELIVERY_TIMEOUT) {
        return Ok(Due::Most);
    }
    if count > 0 {
        let deliveries =
            join_all(messages.into_iter().map(|message| deliver_one(engine, sink, message))).await;
        engine.journal.delivered(deliveries).await?;
    }
    Ok(match count {
        0 => Due::Nothing,
        some if some < most => Due::Some,
        _ => Due::Most,
    })
}

async fn deliver_one(engine: &Engine, sink: Option<&dyn Sink>, message: OutboxMessage) -> (i64, Delivery) {
    let count =
        |result: &str| engine.metrics.deliveries.with_label_values(&[message.sink.as_str(), result]).inc();
    // The same for every try, so that a receiver can tell a repetition from a second message.
    let key = format!("selfheal-{}-{}", message.news.at.as_microsecond(), message.id);
    let hand_over = async {
        match sink {
            Some(sink) => sink.deliver(&message.news, &key).await,
            None => escalation::escalate(engine, &message.news).await.map_err(|fault| SinkFault {
                what: fault.to_string(),
                retry: true,
                after: None,
            }),
        }
    };
    let delivered = tokio::select! {
        biased;
        delivered = AssertUnwindSafe(hand_over).catch_unwind() => delivered.unwrap_or_else(|_| Err(SinkFault {
            what: "the sink panicked".to_owned(),
            retry: true,
            after: None,
        })),
        () = engine.clock.sleep(DELIVERY_TIMEOUT) => Err(SinkFault {
            what: "no answer within 10 s".to_owned(),
            retry: true,
            after: None,
        }),
    };
    let Err(fault) = delivered else {
        count("delivered");
        return (message.id, Delivery::Finished);
    };
    let now = engine.clock.now();
    // Counted from the first try: what is told later may be noted long before.
    let due = if sink.is_some() { message.news.at } else { message.next_at };
    if !fault.retry || later(due, GIVE_UP_AFTER) <= now {
        tracing::error!(sink = message.sink, title = message.news.title, %fault, "a message was given up");
        count("given_up");
        return (message.id, Delivery::Finished);
    }
    let wait = RETRY_FIRST
        .saturating_mul(1 << message.tries.min(16))
        .min(RETRY_MAX)
        .max(fault.after.unwrap_or_default());
    tracing::warn!(sink = message.sink, %fault, retry_in = ?wait, "a message could not be delivered yet");
    count("retried");
    (message.id, Delivery::Again(later(now, wait)))
}

/// Gives up what is for sinks that are no longer configured, after the same time as everything else: they may come back,
/// and another process may have them.
async fn forget(engine: &Engine) {
    let names = || engine.sinks.iter().map(|sink| sink.name()).chain([ESCALATION]).map(str::to_owned);
    let given_up = SignedDuration::try_from(GIVE_UP_AFTER).unwrap_or(SignedDuration::MAX);
    loop {
        let due_before = engine.clock.now().saturating_sub(given_up).unwrap_or(Timestamp::MIN);
        match engine.journal.forget_messages(names().collect(), due_before).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::warn!(count, "messages for sinks that are no longer configured were given up")
            }
            Err(fault) => tracing::error!(%fault, "cannot clear the outbox"),
        }
        engine.clock.sleep(GIVE_UP_AFTER).await;
    }
}
