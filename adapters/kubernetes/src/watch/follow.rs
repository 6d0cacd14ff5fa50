//! Follows the pods of one namespace, or of all, of one cluster: list, watch, and again from a list when the watch breaks
//! for good. kube's watcher resumes from bookmarks and lists anew on 410; here the client is made anew on 401, the server's
//! time is kept, and what was seen is handed on until it is on disk.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use kube::Api;
use kube::core::Status;
use kube::runtime::watcher::{self, Event, watcher};
use selfheal_cluster::{Cluster, Selection, kinds};
use selfheal_contract::{Failure, Intake, NotTaken};
use selfheal_core::alert::Alert;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::NAME;
use super::episodes::Episodes;
use super::notice::{self, Notice, body};
use super::pod::{Pod, resource};

/// Pods in one piece of a list: what is in memory at a time while listing.
const PAGE: u32 = 250;

/// Alerts in one notification.
const NOTIFICATION_MAX: usize = 200;

/// How often it is looked for what is over.
const TICK: Duration = Duration::from_secs(5);

/// Waits between attempts, doubling.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Follows pods and hands on what ails them.
pub(super) struct Follower<'a> {
    pub(super) cluster: &'a Cluster,
    /// All if there is none.
    pub(super) namespace: Option<&'a str>,
    pub(super) selector: &'a str,
    /// Labels that every alert gets.
    pub(super) labels: Vec<(String, String)>,
    pub(super) intake: Arc<dyn Intake>,
}

/// The server's clock, carried on by the monotonic one: adapters have no other.
struct ServerTime {
    at: Timestamp,
    since: Instant,
}

impl ServerTime {
    fn now(&self) -> Timestamp {
        self.at + self.since.elapsed()
    }
}

impl Follower<'_> {
    /// Follows for as long as the process lives.
    pub(super) async fn run(self) {
        let (left, mut strange) = self.left().await;
        let mut episodes = Episodes::after(left);
        let mut pause = PAUSE_MIN;
        loop {
            let began = Instant::now();
            if let Err(failure) = self.follow(&mut episodes, &mut strange).await {
                tracing::warn!(watch = NAME, cluster = self.cluster.name(), %failure, "pods cannot be followed; trying again");
            }
            // A watch that held for a while was no failed attempt.
            pause = if began.elapsed() > PAUSE_MAX { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            sleep(pause).await;
        }
    }

    /// Follows until the login is no longer accepted, or the server cannot be asked at all.
    async fn follow(&self, episodes: &mut Episodes, strange: &mut Vec<Alert>) -> Result<(), Failure> {
        let time = self.server_time().await?;
        for alerts in std::mem::take(strange).chunks(NOTIFICATION_MAX) {
            self.hand_on(notice::over(alerts, time.now())).await;
        }
        let client = self.cluster.client().await?;
        let pods: Api<Pod> = match self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource()),
            None => Api::all_with(client, &resource()),
        };
        let mut config = watcher::Config::default().page_size(PAGE);
        if !self.selector.is_empty() {
            config = config.labels(self.selector);
        }
        let events = watcher(pods, config);
        pin_mut!(events);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failures: u32 = 0;
        loop {
            let notices = tokio::select! {
                event = events.next() => match event {
                    None => return Ok(()),
                    Some(Ok(event)) => {
                        failures = 0;
                        Self::take(episodes, event, time.now())
                    }
                    Some(Err(fault)) if is_unauthorized(&fault) => {
                        self.cluster.forget_client().await;
                        return Err(Failure::transient(format!("{} does not accept the login: {fault}", self.cluster)));
                    }
                    Some(Err(fault)) => {
                        // The watcher goes on by itself; how soon is decided here. A watch that ends now and then is nothing; one
                        // that cannot begin again hears nothing.
                        let (cluster, fault) = (self.cluster.name(), told(&fault));
                        if failures == 0 {
                            tracing::info!(watch = NAME, cluster, fault, "the watch broke; resuming");
                        } else {
                            tracing::warn!(watch = NAME, cluster, fault, "the watch hears nothing; trying again");
                        }
                        failures += 1;
                        sleep((PAUSE_MIN * 2_u32.saturating_pow(failures.min(8) - 1)).min(PAUSE_MAX)).await;
                        Vec::new()
                    }
                },
                _ = tick.tick() => episodes.expire(time.now()),
            };
            for notices in notices.chunks(NOTIFICATION_MAX) {
                self.hand_on(body(notices, &self.labels)).await;
            }
        }
    }

    fn take(episodes: &mut Episodes, event: Event<Pod>, now: Timestamp) -> Vec<Notice> {
        match event {
            Event::Init => {
                episodes.relist();
                Vec::new()
            }
            Event::InitApply(pod) | Event::Apply(pod) => episodes.see(&pod, now),
            Event::InitDone => episodes.listed(now),
            Event::Delete(pod) => episodes.gone(pod.metadata.uid.as_deref().unwrap_or_default(), now),
        }
    }

    /// Asks for one pod, to learn the time and that the right is there.
    async fn server_time(&self) -> Result<ServerTime, Failure> {
        let selection = Selection { at_most: 1, ..Selection::default() };
        let since = Instant::now();
        let listed = self.cluster.list(&kinds::POD, self.namespace, selection).await?;
        let at = listed.date.ok_or_else(|| {
            Failure::refused(format!("{} tells no time: its answers have no Date header", self.cluster))
        })?;
        Ok(ServerTime { at, since })
    }

    /// What an earlier process has left firing; and apart from it what this one would not write so, because the settings
    /// are others now, and nobody else would end.
    async fn left(&self) -> (Vec<Notice>, Vec<Alert>) {
        let mut pause = PAUSE_MIN;
        let open = loop {
            match self.intake.open(NAME).await {
                Ok(open) => break open,
                Err(why) => {
                    tracing::warn!(watch = NAME, %why, "what was open before cannot be read yet");
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        };
        let is_own = |alert: &Alert| {
            self.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
                && self.namespace.is_none_or(|namespace| alert.labels.get("namespace") == Some(namespace))
        };
        let (mut left, mut strange) = (Vec::new(), Vec::new());
        for alert in open.into_iter().filter(is_own) {
            match Notice::of(&alert, &self.labels) {
                Some(notice) => left.push(notice),
                None => strange.push(alert),
            }
        }
        (left, strange)
    }

    /// Hands on until it is on disk. Meanwhile nothing is read from the server, which keeps what comes.
    async fn hand_on(&self, body: Vec<u8>) {
        let mut pause = PAUSE_MIN;
        loop {
            match self.intake.take(NAME, body.clone()).await {
                Ok(()) => return,
                Err(NotTaken::Malformed(fault)) => {
                    tracing::error!(watch = NAME, fault, "a notification of selfheal's own cannot be read");
                    return;
                }
                Err(NotTaken::Later(why)) => {
                    tracing::warn!(watch = NAME, why, "what was seen cannot be stored yet");
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

fn is_unauthorized(fault: &watcher::Error) -> bool {
    status(fault).is_some_and(|status| status.code == 401)
}

/// What the server has answered, if it did.
fn status(fault: &watcher::Error) -> Option<&Status> {
    match fault {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// The fault in the server's words, or in those of its last cause.
fn told(fault: &watcher::Error) -> String {
    if let Some(status) = status(fault) {
        return status.message.clone();
    }
    let mut last: &dyn Error = fault;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
