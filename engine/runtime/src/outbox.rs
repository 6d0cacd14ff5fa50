//! The outbox: delivers news to the sinks, again and again until it is there or given up. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use selfheal_core::guard::later;

use crate::engine::Engine;
use crate::ports::JournalFault;
use crate::ports::journal::{Delivery, OutboxMessage};

/// Messages taken at a time.
const BATCH: usize = 32;
/// How often the outbox is looked at when nothing calls.
const LOOK: Duration = Duration::from_secs(1);
/// The first delay after a failed delivery; it doubles up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(300);
/// How long a message is tried: after that, nobody is helped by it any more.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How long one delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Delivers for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        // One process at a time: the same message must not go out twice.
        if !engine.leads("outbox").await {
            engine.clock.sleep(LOOK).await;
            continue;
        }
        match deliver(&engine).await {
            Ok(delivered) if delivered == BATCH => continue,
            Ok(_) => {}
            Err(fault) => tracing::error!(%fault, "cannot read the outbox"),
        }
        engine.clock.sleep(LOOK).await;
    }
}

async fn deliver(engine: &Engine) -> Result<usize, JournalFault> {
    let messages = engine.journal.outbox(engine.clock.now(), BATCH).await?;
    let count = messages.len();
    if count > 0 {
        let deliveries = join_all(messages.into_iter().map(|message| deliver_one(engine, message))).await;
        engine.journal.delivered(deliveries).await?;
    }
    Ok(count)
}

async fn deliver_one(engine: &Engine, message: OutboxMessage) -> (i64, Delivery) {
    let count =
        |result: &str| engine.metrics.deliveries.with_label_values(&[message.sink.as_str(), result]).inc();
    let Some(sink) = engine.sinks.iter().find(|sink| sink.name() == message.sink) else {
        tracing::warn!(sink = message.sink, title = message.news.title, "the sink is no longer configured");
        count("given_up");
        return (message.id, Delivery::Finished);
    };
    // The same for every try, so that a receiver can tell a repetition from a second message.
    let key = format!("selfheal-{}-{}", message.news.at.as_microsecond(), message.id);
    let delivered = tokio::select! {
        delivered = sink.deliver(&message.news, &key) => delivered,
        () = engine.clock.sleep(DELIVERY_TIMEOUT) => Err(crate::ports::SinkFault {
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
    if !fault.retry || later(message.news.at, GIVE_UP_AFTER) <= now {
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
