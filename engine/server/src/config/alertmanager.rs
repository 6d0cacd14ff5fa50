//! The section `alertmanager`: whom to ask for alerts that its notifications did not bring.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::matcher::{MatchOp, Matcher};
use selfheal_core::span::Span;
use serde::Serialize;

use super::reading::is_name;
use super::shown;

/// Alertmanager's own API. Without targets nothing is asked.
#[derive(Debug, Clone, Serialize)]
pub struct Alertmanager {
    /// The Alertmanagers, by name. Peers of a cluster know the same alerts; one that answers is enough then.
    pub targets: BTreeMap<String, AlertmanagerTarget>,
    /// The time from one question to the next. 5 s to 1 h; 1 m by default.
    pub interval: Span,
    /// How long an answer may take. 100 ms to 1 m; 5 s by default.
    pub timeout: Span,
    /// Only alerts for receivers that this expression matches, in the syntax of RE2, anchored at both ends. All
    /// by default.
    pub receiver: Option<String>,
}

/// One Alertmanager.
#[derive(Debug, Clone, Serialize)]
pub struct AlertmanagerTarget {
    /// Where it is: `http(s)://host[:port][/prefix]`, without a slash at the end.
    pub url: String,
    /// As whom to ask.
    #[serde(flatten)]
    pub credentials: ClientCredentials,
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
pub(super) fn check(section: &mut Section<'_>) -> Alertmanager {
    let mut targets = BTreeMap::new();
    for (name, mut entry) in section.map("targets") {
        if !is_name(name) {
            section.reject(
                "targets",
                format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"),
                None,
            );
        }
        let url = entry.url("url", &["http", "https"]).trim_end_matches('/').to_owned();
        let credentials = credentials(&mut entry);
        entry.finish();
        targets.insert(name.to_owned(), AlertmanagerTarget { url, credentials });
    }
    let interval = section.span_or("interval", Span::from_mins(1), Span::from_secs(5)..=Span::from_hours(1));
    let timeout = section.span_or("timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(1));
    let receiver = section.optional_text("receiver");
    if let Some(pattern) = &receiver
        && let Err(fault) = Matcher::new("receiver", MatchOp::Matches, pattern)
    {
        section.reject("receiver", format!("{pattern:?} is no regular expression: {fault}"), None);
    }
    section.finish();
    Alertmanager { targets, interval, timeout, receiver }
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
