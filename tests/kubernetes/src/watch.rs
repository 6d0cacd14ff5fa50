//! Watches: the events after a version, as a stream of JSON lines that a test can cut, end with 410, or mark with a bookmark.

use crate::{
    call::{Call, Place},
    cluster::Cluster,
    objects::shown,
    refusal::Refusal,
    resource::Resource,
    select::Selector,
    store::{Event, Store},
};
use bytes::Bytes;
use futures::stream::{self, Stream};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::{collections::VecDeque, io, sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until},
};

/// The real server ends a watch after five to ten minutes when the client names no time.
const LONGEST: Duration = Duration::from_secs(600);

/// What a test does to the running watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The connections end in the middle.
    Cut,
    /// An event ERROR with code 410, then the end.
    Gone,
    /// A bookmark with the present version.
    Bookmark,
}

/// One watch of one client.
struct Watch {
    cluster: Arc<Cluster>,
    call: Call,
    resource: Resource,
    namespace: Option<String>,
    selector: Selector,
    seen: u64,
    lines: VecDeque<Bytes>,
    revisions: watch::Receiver<u64>,
    orders: broadcast::Receiver<Order>,
    end: Instant,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Open,
    /// Ends after the lines that are left.
    Ending,
    Cut,
}

/// The body of a watch.
///
/// # Errors
///
/// 400 for a selector or a version that is none.
pub(crate) fn body(
    cluster: &Arc<Cluster>,
    resource: &Resource,
    place: &Place,
    call: Call,
) -> Result<impl Stream<Item = Result<Frame<Bytes>, io::Error>> + Send + 'static, Refusal> {
    if call.flag("sendInitialEvents") {
        let because = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Refusal::invalid(resource, "", "sendInitialEvents", because));
    }
    let mut selector = call.option("fieldSelector").map(str::to_owned);
    if let Some(name) = place.name {
        selector = Some(format!("metadata.name={name}"));
    }
    let selector = Selector::parse(call.option("labelSelector"), selector.as_deref())?;
    let seconds =
        call.option("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let asked = call.option("resourceVersion").unwrap_or("0").to_owned();
    let revision: u64 = asked
        .parse()
        .map_err(|_| Refusal::bad_request(format!("resourceVersion: Invalid value: {asked:?}")))?;
    let mut watch = Watch {
        namespace: place.namespace.map(str::to_owned),
        resource: resource.clone(),
        selector,
        seen: revision,
        lines: VecDeque::new(),
        // Subscribed before the store is read, so that no change falls between.
        revisions: cluster.revisions.subscribe(),
        orders: cluster.watch_orders.subscribe(),
        end: Instant::now() + seconds.unwrap_or(LONGEST).min(LONGEST),
        state: State::Open,
        cluster: Arc::clone(cluster),
        call,
    };
    if revision == 0 {
        watch.start_with_all();
    }
    Ok(stream::unfold(watch, |mut watch| async move {
        let frame = watch.next().await?;
        Some((frame, watch))
    }))
}

impl Watch {
    fn start_with_all(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let store = cluster.store();
        let all = store.all(&self.resource, self.namespace.as_deref());
        let fitting = all.filter(|(_, object)| self.selector.fits(object));
        let lines: VecDeque<Bytes> =
            fitting.map(|(_, object)| line("ADDED", &shown(&self.call, object))).collect();
        self.lines = lines;
        self.seen = store.revision();
    }

    async fn next(&mut self) -> Option<Result<Frame<Bytes>, io::Error>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(Frame::data(line)));
            }
            match self.state {
                State::Open => {}
                State::Ending => return None,
                State::Cut => {
                    self.state = State::Ending;
                    return Some(Err(io::Error::other("the test cuts the watch")));
                }
            }
            self.revisions.mark_unchanged();
            self.read();
            if !self.lines.is_empty() || self.state != State::Open {
                continue;
            }
            tokio::select! {
                changed = self.revisions.changed() => if changed.is_err() { return None; },
                order = self.orders.recv() => match order {
                    Ok(Order::Cut) => self.state = State::Cut,
                    Ok(Order::Gone) => self.gone(&Refusal::expired(self.seen, self.seen + 1)),
                    Ok(Order::Bookmark) => {
                        // What was stored before the test asked comes before the bookmark.
                        self.read();
                        self.bookmark();
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                () = sleep_until(self.end) => {
                    self.bookmark();
                    self.state = State::Ending;
                }
            }
        }
    }

    /// Takes what is new in the store.
    fn read(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let store: &Store = &cluster.store();
        match store.events_after(self.seen) {
            Ok(events) => {
                let kind = self.resource.qualified();
                for event in events.filter(|event| event.key.resource == kind) {
                    self.see(event);
                }
                self.seen = self.seen.max(store.revision());
            }
            Err(refusal) => self.gone(&refusal),
        }
    }

    /// An object that begins or ceases to fit the selector appears or disappears for this watch.
    fn see(&mut self, event: &Event) {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != event.key.namespace) {
            return;
        }
        let before = event.before.as_ref().is_some_and(|before| self.selector.fits(before));
        let now = !event.deleted && self.selector.fits(&event.object);
        let kind = match (before, now) {
            (false, false) => return,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        self.say(kind, &shown(&self.call, &event.object));
    }

    fn gone(&mut self, refusal: &Refusal) {
        self.say("ERROR", &refusal.status());
        self.state = State::Ending;
    }

    fn bookmark(&mut self) {
        if self.call.flag("allowWatchBookmarks") {
            let (kind, version) = (&self.resource.kind, self.resource.api_version());
            let metadata = json!({ "resourceVersion": self.seen.to_string(), "creationTimestamp": null });
            self.say("BOOKMARK", &json!({ "kind": kind, "apiVersion": version, "metadata": metadata }));
        }
    }

    fn say(&mut self, kind: &str, object: &Value) {
        self.lines.push_back(line(kind, object));
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({ "type": kind, "object": object })))
}
