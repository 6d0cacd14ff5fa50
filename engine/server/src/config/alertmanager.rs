//! The section `alertmanager`: whom to ask for alerts that its notifications did not bring, and for silences.

use selfheal_contract::settings::{Collector, Secret, Section};
use selfheal_core::matcher::{MatchOp, Matcher};
use selfheal_core::span::Span;
use serde::Serialize;

use super::reading::urls;
use super::shown;

/// How many peers there may be.
pub const ALERTMANAGERS_MAX: usize = 16;

/// Alertmanager's own API. Without an address nothing is asked.
#[derive(Debug, Clone, Serialize)]
pub struct Alertmanager {
    /// The peers of one cluster, at most [`ALERTMANAGERS_MAX`]: `http(s)://host[:port][/prefix]`, without a slash at the
    /// end.
    pub urls: Vec<String>,
    /// As whom to ask each of them.
    #[serde(flatten)]
    pub credentials: ClientCredentials,
    /// The time from one question to the next. 5 s to 1 h; 1 m by default.
    pub interval: Span,
    /// How long an answer may take. 100 ms to 1 m; 5 s by default.
    pub timeout: Span,
    /// Only alerts for receivers that this expression matches, in the syntax of RE2, anchored at both ends. All
    /// by default.
    pub receiver: Option<String>,
}

/// What is shown to a server that asks who is there.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ClientCredentials {
    /// A bearer token.
    Bearer {
        /// The token.
        #[serde(serialize_with = "shown::secret")]
        bearer_token: Secret,
    },
    /// Basic authentication.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        #[serde(serialize_with = "shown::secret")]
        password: Secret,
    },
    /// Nothing.
    Anonymous {},
}

/// Reads the section.
pub(super) fn check(section: &mut Section<'_>, collector: &Collector) -> Alertmanager {
    let urls = urls(section, "urls", collector);
    if urls.len() > ALERTMANAGERS_MAX {
        let problem = format!("at most {ALERTMANAGERS_MAX} are possible, found {}", urls.len());
        section.reject("urls", problem, None);
    }
    let credentials = credentials(section);
    let interval = section.span_or("interval", Span::from_mins(1), Span::from_secs(5)..=Span::from_hours(1));
    let timeout = section.span_or("timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(1));
    let receiver = section.optional_text("receiver");
    if let Some(pattern) = &receiver
        && let Err(fault) = Matcher::new("receiver", MatchOp::Matches, pattern)
    {
        section.reject("receiver", format!("{pattern:?} is no regular expression: {fault}"), None);
    }
    section.finish();
    Alertmanager { urls, credentials, interval, timeout, receiver }
}

fn credentials(section: &mut Section<'_>) -> ClientCredentials {
    let bearer_token = section.optional_secret("bearer_token");
    let user = section.optional_text("user");
    let password = section.optional_secret("password");
    match (bearer_token, user, password) {
        (None, None, None) => ClientCredentials::Anonymous {},
        (Some(bearer_token), None, None) => ClientCredentials::Bearer { bearer_token },
        (None, Some(user), Some(password)) => ClientCredentials::Basic { user, password },
        // One that is there but faulty is reported already.
        (None, Some(_), None) if section.has("password") => ClientCredentials::Anonymous {},
        (None, None, Some(_)) if section.has("user") => ClientCredentials::Anonymous {},
        (Some(_), ..) => {
            let problem = "there is a user or password as well";
            section.reject("bearer_token", problem, Some("keep either bearer_token, or user and password"));
            ClientCredentials::Anonymous {}
        }
        (None, user, _) => {
            let (name, missing) = if user.is_some() { ("user", "password") } else { ("password", "user") };
            section.reject(name, format!("a {missing} is missing"), Some("give both user and password"));
            ClientCredentials::Anonymous {}
        }
    }
}
