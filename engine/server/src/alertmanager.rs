//! Asks Alertmanager which alerts stand, over its API v2: what its notifications cut off or could not bring. And has it
//! keep alerts quiet, by silences.
//!
//! The flow: ask all peers at once; `elements` cuts each answer into its alerts while it comes, `alert` reads them one by
//! one; merge by fingerprint. Memory is that of the alerts, not of the answer's text, and a malformed alert never drops the
//! others. Silences (`silence`) are asked of the first peer that answers, as peers tell each other. Deliberately absent: repeating,
//! which the caller does.
//!
//! The API writes times to the millisecond, notifications to the nanosecond: `starts_at` of a standing alert is that of its
//! notification with the rest cut off. Whoever compares the two must cut the notification's as well.

mod alert;
mod elements;
mod silence;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use reqwest::{Client, RequestBuilder, Response, Url};
use selfheal_core::labels::Fingerprint;
use selfheal_runtime::ports::{AlertSource, NewSilence, Silence, SourceFault, StandingAlert, StandingAlerts};
use tracing::warn;

use crate::config::ClientCredentials;
use crate::outgoing::{self, excerpt, shown, told};
use elements::{Element, Elements};

/// The most of one answer that is read; a storm of 100 000 alerts has about 50 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of a refusal is told.
const REFUSAL_BYTES_MAX: usize = 300;

/// Which Alertmanagers to ask, and how.
#[derive(Clone, Debug)]
pub struct AlertmanagerSettings {
    /// The peers' addresses, with the path prefix if there is one, and how to show oneself there; at least one.
    pub peers: Vec<(String, ClientCredentials)>,
    /// The longest time for a peer's answer, read to its end.
    pub timeout: Duration,
    /// Only alerts that are routed to a receiver whose name this regular expression matches as a whole; all without it.
    pub receiver: Option<String>,
}

/// Alertmanager cannot be asked with these settings.
#[derive(Clone, Debug, thiserror::Error)]
#[error("alertmanager: {0}")]
pub struct AlertmanagerSettingsFault(String);

/// Alertmanager, one or several peers, as the source of alerts.
pub struct Alertmanager {
    peers: Vec<Peer>,
}

struct Peer {
    /// What may be said of its address.
    shown: String,
    /// What the addresses of its API begin with.
    base: Url,
    /// Where its alerts are.
    alerts: Url,
    client: Client,
    credentials: ClientCredentials,
}

/// What one peer said.
#[derive(Debug, Default)]
struct Answer {
    alerts: Vec<StandingAlert>,
    malformed: Malformed,
}

/// Alerts that could not be read.
#[derive(Debug, Default)]
struct Malformed {
    count: usize,
    /// What was wrong with the first.
    example: String,
}

impl Alertmanager {
    /// Makes the source; nothing is asked yet.
    ///
    /// # Errors
    /// There is no address, or one cannot be used.
    pub fn new(settings: AlertmanagerSettings) -> Result<Self, AlertmanagerSettingsFault> {
        if settings.peers.is_empty() {
            return Err(AlertmanagerSettingsFault("no url is given: expected at least one".into()));
        }
        let peer = |(text, credentials): &(String, ClientCredentials)| {
            let fault = |fault: outgoing::OutgoingFault| AlertmanagerSettingsFault(fault.to_string());
            let mut url = outgoing::address(text).map_err(fault)?;
            let client = outgoing::client(&url, settings.timeout).map_err(fault)?;
            let shown = shown(&url);
            let path = format!("{}/api/v2/", url.path().trim_end_matches('/'));
            url.set_path(&path);
            url.set_query(None);
            let mut alerts = url.clone();
            alerts.set_path(&format!("{path}alerts"));
            let mut query = alerts.query_pairs_mut();
            for state in ["active", "silenced", "inhibited", "unprocessed"] {
                query.append_pair(state, "true");
            }
            if let Some(receiver) = &settings.receiver {
                query.append_pair("receiver", receiver);
            }
            drop(query);
            Ok(Peer { shown, base: url, alerts, client, credentials: credentials.clone() })
        };
        let peers = settings.peers.iter().map(peer).collect::<Result<_, _>>()?;
        Ok(Self { peers })
    }

    /// Asks peers in their order until one does as it was asked.
    async fn first<'p, T>(
        &'p self,
        what: &str,
        ask: impl Fn(&'p Peer) -> BoxFuture<'p, Result<T, String>>,
    ) -> Result<T, SourceFault> {
        let mut faults = Vec::new();
        for peer in &self.peers {
            match ask(peer).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => faults.push(format!("{}: {problem}", peer.shown)),
            }
        }
        Err(SourceFault(format!("Alertmanager cannot be asked {what}: {}", faults.join("; "))))
    }
}

impl Peer {
    /// Asks for its alerts.
    async fn ask(&self) -> Result<Answer, String> {
        let response = self.send(self.client.get(self.alerts.clone())).await?;
        let mut answer = Answer::default();
        read(response, &mut |element| match element.and_then(alert::read) {
            Ok(standing) => answer.alerts.push(standing),
            Err(problem) => answer.malformed.add(problem),
        })
        .await?;
        Ok(answer)
    }

    /// Sends a request; gives a good answer.
    async fn send(&self, request: RequestBuilder) -> Result<Response, String> {
        let response = self.authorized(request).send().await.map_err(told)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("answered {}, and redirects are not followed", status.as_u16()));
        }
        if !status.is_success() {
            let said = excerpt(response, REFUSAL_BYTES_MAX).await;
            return Err(format!("answered {}: {said}", status.as_u16()));
        }
        Ok(response)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("accept", "application/json");
        match &self.credentials {
            ClientCredentials::Anonymous {} => request,
            ClientCredentials::Bearer { bearer_token } => request.bearer_auth(bearer_token.expose()),
            ClientCredentials::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
        }
    }
}

/// Reads an answer element by element.
async fn read(mut response: Response, visit: &mut (dyn FnMut(Element<'_>) + Send)) -> Result<(), String> {
    let mut elements = Elements::default();
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
        elements.feed(&chunk, visit)?;
    }
    elements.finish()
}

impl Malformed {
    fn add(&mut self, problem: String) {
        self.count += 1;
        if self.count == 1 {
            self.example = problem;
        }
    }
}

/// Peers share silences and alerts by gossip, and may differ for a moment. Of one alert the newest episode counts; what
/// one peer silences counts as silenced, because doing nothing is the safer mistake.
fn merge(known: &mut HashMap<Fingerprint, StandingAlert>, standing: StandingAlert) {
    match known.entry(standing.alert.fingerprint) {
        Entry::Vacant(place) => {
            place.insert(standing);
        }
        Entry::Occupied(mut place) => {
            let known = place.get_mut();
            let suppressed_by = known.suppressed_by.take().or_else(|| standing.suppressed_by.clone());
            if standing.alert.starts_at > known.alert.starts_at {
                *known = standing;
            }
            known.suppressed_by = suppressed_by;
        }
    }
}

#[async_trait]
impl AlertSource for Alertmanager {
    /// Asks all peers. The order of the alerts is not defined.
    ///
    /// # Errors
    /// No peer answered. When only some did not, a warning says which, and the answer is not whole.
    async fn standing(&self) -> Result<StandingAlerts, SourceFault> {
        let mut answers = join_all(self.peers.iter().map(Peer::ask)).await;
        let mut faults = Vec::new();
        let mut malformed = Malformed::default();
        for (peer, answer) in self.peers.iter().zip(&mut answers) {
            match answer {
                Ok(answer) => {
                    let found = std::mem::take(&mut answer.malformed);
                    if malformed.count == 0 {
                        malformed.example = found.example;
                    }
                    malformed.count += found.count;
                }
                Err(problem) => faults.push(format!("{}: {problem}", peer.shown)),
            }
        }
        if faults.len() == self.peers.len() {
            return Err(SourceFault(format!(
                "Alertmanager cannot be asked for its alerts: {}",
                faults.join("; ")
            )));
        }
        if !faults.is_empty() {
            warn!(peers = faults.join("; "), "some Alertmanagers cannot be asked for their alerts");
        }
        if malformed.count > 0 {
            let Malformed { count, example } = &malformed;
            warn!(count, example, "alerts of Alertmanager's API cannot be read, and are left out");
        }

        let mut answers = answers.into_iter().flatten().map(|answer| answer.alerts);
        // The first answer is taken as it is: with one peer nothing is hashed or moved.
        let mut merged = answers.next().unwrap_or_default();
        let rest: Vec<_> = answers.collect();
        if rest.iter().any(|alerts| !alerts.is_empty()) {
            let mut known = HashMap::with_capacity(merged.len());
            merged.into_iter().chain(rest.into_iter().flatten()).for_each(|alert| merge(&mut known, alert));
            merged = known.into_values().collect();
        }
        Ok(StandingAlerts { alerts: merged, whole: faults.is_empty() && malformed.count == 0 })
    }

    /// Those of the first peer that answers.
    ///
    /// # Errors
    /// No peer gave a whole answer.
    async fn silences(&self) -> Result<Vec<Silence>, SourceFault> {
        self.first("for its silences", |peer| Box::pin(peer.silences())).await
    }

    /// Made at the first peer that answers, which tells the others. When a peer's answer was lost, the next may make a
    /// second one; whoever ends silences must look for all of them.
    ///
    /// # Errors
    /// No peer says that it stands; it may all the same.
    async fn silence(&self, silence: NewSilence) -> Result<String, SourceFault> {
        self.first("for a silence", |peer| Box::pin(peer.silence(&silence))).await
    }

    /// # Errors
    /// No peer says that it is over.
    async fn expire(&self, id: &str) -> Result<(), SourceFault> {
        self.first("to end a silence", |peer| Box::pin(peer.expire(id))).await
    }
}

#[cfg(test)]
#[path = "alertmanager/tests.rs"]
mod tests;
