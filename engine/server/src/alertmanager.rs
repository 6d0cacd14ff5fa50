//! Asks Alertmanager which alerts stand, over its API v2: what its notifications cut off or could not bring.
//!
//! The flow: ask all peers at once; `elements` cuts each answer into its alerts while it comes, `alert` reads them one by
//! one; merge by fingerprint. Memory is that of the alerts, not of the answer's text, and a malformed alert never drops the
//! others. Deliberately absent: repeating, which the caller's interval does.
//!
//! The API writes times to the millisecond, notifications to the nanosecond: `starts_at` of a standing alert is that of its
//! notification with the rest cut off. Whoever compares the two must cut the notification's as well.

mod alert;
mod elements;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use reqwest::{Client, Response, Url};
use selfheal_contract::settings::Secret;
use selfheal_core::labels::Fingerprint;
use selfheal_runtime::ports::{AlertSource, SourceFault, StandingAlert, StandingAlerts};
use tracing::warn;

use crate::outgoing::{self, excerpt, shown, told};
use elements::Elements;

/// The most of one answer that is read; a storm of 100 000 alerts has about 50 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much of a refusal is told.
const REFUSAL_BYTES_MAX: usize = 300;

/// How this server shows itself to Alertmanager.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer <token>`.
    Bearer(Secret),
    /// HTTP basic authentication.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Which Alertmanagers to ask, and how.
#[derive(Clone, Debug)]
pub struct AlertmanagerSettings {
    /// The peers' addresses, with the path prefix if there is one, and how to show oneself there; at least one.
    pub peers: Vec<(String, Credentials)>,
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
    url: Url,
    client: Client,
    credentials: Credentials,
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
        let peer = |(text, credentials): &(String, Credentials)| {
            let fault = |fault: outgoing::OutgoingFault| AlertmanagerSettingsFault(fault.to_string());
            let mut url = outgoing::address(text).map_err(fault)?;
            let client = outgoing::client(&url, settings.timeout).map_err(fault)?;
            let shown = shown(&url);
            let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
            url.set_path(&path);
            let mut query = url.query_pairs_mut();
            query.clear();
            for state in ["active", "silenced", "inhibited", "unprocessed"] {
                query.append_pair(state, "true");
            }
            if let Some(receiver) = &settings.receiver {
                query.append_pair("receiver", receiver);
            }
            drop(query);
            Ok(Peer { shown, url, client, credentials: credentials.clone() })
        };
        let peers = settings.peers.iter().map(peer).collect::<Result<_, _>>()?;
        Ok(Self { peers })
    }

    /// Asks one peer.
    async fn ask(&self, peer: &Peer) -> Result<Answer, String> {
        let request = peer.client.get(peer.url.clone()).header("accept", "application/json");
        let request = match &peer.credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
        };
        let response = request.send().await.map_err(told)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("answered {}, and redirects are not followed", status.as_u16()));
        }
        if !status.is_success() {
            let said = excerpt(response, REFUSAL_BYTES_MAX).await;
            return Err(format!("answered {}: {said}", status.as_u16()));
        }
        read(response).await
    }
}

/// Reads an answer alert by alert.
async fn read(mut response: Response) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let mut elements = Elements::default();
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
        elements.feed(&chunk, &mut |element| match element.and_then(alert::read) {
            Ok(standing) => answer.alerts.push(standing),
            Err(problem) => answer.malformed.add(problem),
        })?;
    }
    elements.finish()?;
    Ok(answer)
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
        let mut answers = join_all(self.peers.iter().map(|peer| self.ask(peer))).await;
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
}

#[cfg(test)]
#[path = "alertmanager/tests.rs"]
mod tests;
