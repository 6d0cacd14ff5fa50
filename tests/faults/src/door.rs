//! The way from Alertmanager to the replicas: it hands on notifications, and remembers what a replica answered 200 for.
//!
//! What counts is the replica's answer, whether Alertmanager ever hears it or not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_test_servers::{Error, HttpStandIn, Reply, Request, http};
use serde_json::Value;

/// Where a replica takes notifications.
pub const PATH: &str = "/webhook/alertmanager";
/// How long nothing is heard from a replica that is cut off; longer than Alertmanager waits.
const SILENCE: Duration = Duration::from_secs(30);

/// An alert as it was told of: its fingerprint, its start, and whether it fired.
pub type Told = (String, Timestamp, bool);

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Acknowledged {
    alerts: BTreeMap<Told, Timestamp>,
    /// Notifications that were answered 200.
    pub notifications: usize,
    /// Notifications that were not.
    pub refused: usize,
}

impl Acknowledged {
    /// Takes in a notification that was answered 200 at a time.
    fn add(&mut self, body: &[u8], at: Timestamp) {
        self.notifications += 1;
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        for alert in body["alerts"].as_array().into_iter().flatten() {
            let start = alert["startsAt"].as_str().and_then(|text| text.parse().ok());
            if let (Some(print), Some(start)) = (alert["fingerprint"].as_str(), start) {
                self.alerts.entry((print.to_owned(), start, alert["status"] == "firing")).or_insert(at);
            }
        }
    }

    /// Every alert in each of its states, with when it was acknowledged first.
    #[must_use]
    pub fn alerts(&self) -> &BTreeMap<Told, Timestamp> {
        &self.alerts
    }
}

/// A replica, as seen from outside.
struct Behind {
    port: u16,
    unreachable: AtomicBool,
    deafened: AtomicBool,
}

/// What the doors share.
pub struct Hall {
    replicas: Vec<Behind>,
    acknowledged: Mutex<Acknowledged>,
}

impl Hall {
    /// A hall in front of replicas at these ports.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = u16>) -> Arc<Self> {
        let behind =
            |port| Behind { port, unreachable: AtomicBool::default(), deafened: AtomicBool::default() };
        Arc::new(Self { replicas: ports.into_iter().map(behind).collect(), acknowledged: Mutex::default() })
    }

    /// Cuts a replica off from Alertmanager, or not any more.
    pub fn cut(&self, replica: usize, cut: bool) {
        self.replicas[replica].unreachable.store(cut, Ordering::Relaxed);
    }

    /// Keeps the next answer of a replica from Alertmanager.
    pub fn deafen(&self, replica: usize) {
        self.replicas[replica].deafened.store(true, Ordering::Relaxed);
    }

    /// Looks at what was acknowledged so far.
    pub fn acknowledged<T>(&self, look: impl FnOnce(&Acknowledged) -> T) -> T {
        look(&self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hand_on(&self, replica: usize, request: &Request) -> Reply {
        let behind = &self.replicas[replica];
        let silence = || Reply::hang_up().after(SILENCE);
        if behind.unreachable.load(Ordering::Relaxed) {
            return silence();
        }
        let headers: Vec<(&str, &str)> = ["content-type", "authorization"]
            .into_iter()
            .filter_map(|name| Some((name, request.header(name)?)))
            .collect();
        let url = format!("http://127.0.0.1:{}{PATH}", behind.port);
        let answer = http::request(&request.method, &url, &headers, &request.body);
        let good = answer.as_ref().is_ok_and(|answer| answer.status == 200);
        {
            let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
            if good {
                acknowledged.add(&request.body, Timestamp::now());
            } else {
                acknowledged.refused += 1;
            }
        }
        if behind.unreachable.load(Ordering::Relaxed) {
            return silence();
        }
        if good && behind.deafened.swap(false, Ordering::Relaxed) {
            return Reply::hang_up();
        }
        answer.map_or_else(|_| Reply::hang_up(), |answer| Reply::status(answer.status).body(answer.body))
    }
}

/// A URL that Alertmanager posts to.
pub struct Door {
    stand_in: HttpStandIn,
}

impl Door {
    /// A door to one replica, or to all in turns, as a service of Kubernetes is.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn open(hall: &Arc<Hall>, to: Vec<usize>) -> Result<Self, Error> {
        let stand_in = HttpStandIn::start()?;
        let (hall, turn) = (Arc::clone(hall), AtomicUsize::new(0));
        stand_in.answer_by(move |request| {
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            hall.hand_on(to[turn % to.len()], request)
        });
        Ok(Self { stand_in })
    }

    /// What Alertmanager is told to post to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.stand_in.url())
    }

    /// Forgets the requests so far, of which there are many.
    pub fn forget(&self) {
        self.stand_in.forget();
    }
}
