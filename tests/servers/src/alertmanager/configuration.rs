//! The usual configuration of a test: everything to one webhook.

use crate::yaml;
use std::{fmt::Write, time::Duration};

/// How Alertmanager shows itself to the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer <token>`.
    Bearer(String),
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: String,
    },
}

/// A configuration that sends all alerts to one webhook.
///
/// ```
/// use selfheal_test_servers::{Credentials, WebhookRoute};
///
/// let route = WebhookRoute {
///     credentials: Some(Credentials::Bearer("secret".to_owned())),
///     ..WebhookRoute::new("http://127.0.0.1:8400/webhook/alertmanager")
/// };
/// assert!(route.to_yaml().contains("http_config"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRoute {
    /// Where notifications are posted.
    pub url: String,
    /// What is sent as proof of identity; none by default.
    pub credentials: Option<Credentials>,
    /// The labels that make a group; `["alertname"]` by default, `["..."]` for a group each alert.
    pub group_by: Vec<String>,
    /// From a new group's first alert to its notification; 0 by default. Whole milliseconds, as all durations here.
    pub group_wait: Duration,
    /// Between two notifications of a group that changed, and how long retries of one go on (at least 10 s); 1 s by
    /// default.
    pub group_interval: Duration,
    /// Between two notifications of a group that did not change; 4 h by default.
    pub repeat_interval: Duration,
    /// After this without news an alert that has no end counts as resolved; 5 m by default.
    pub resolve_timeout: Duration,
    /// Whether resolved alerts are sent; they are by default.
    pub send_resolved: bool,
    /// The most alerts in one notification; 0, the default, for no bound.
    pub max_alerts: u32,
}

impl WebhookRoute {
    /// A route to this URL that notifies as quickly as Alertmanager can.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            group_by: vec!["alertname".to_owned()],
            group_wait: Duration::ZERO,
            group_interval: Duration::from_secs(1),
            repeat_interval: Duration::from_secs(4 * 60 * 60),
            resolve_timeout: Duration::from_secs(5 * 60),
            send_resolved: true,
            max_alerts: 0,
        }
    }

    /// The text of `alertmanager.yml`.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = format!(
            "global:\n  resolve_timeout: {}\n\
             route:\n  receiver: webhook\n  group_by: {}\n  group_wait: {}\n  group_interval: {}\n  repeat_interval: {}\n\
             receivers:\n  - name: webhook\n    webhook_configs:\n      - url: {}\n        send_resolved: {}\n        \
             max_alerts: {}\n",
            yaml::duration(self.resolve_timeout),
            yaml::list(self.group_by.iter().map(String::as_str)),
            yaml::duration(self.group_wait),
            yaml::duration(self.group_interval),
            yaml::duration(self.repeat_interval),
            yaml::quoted(&self.url),
            self.send_resolved,
            self.max_alerts,
        );
        let authentication = self.credentials.as_ref().map(|credentials| match credentials {
            Credentials::Bearer(token) => format!("authorization: {{credentials: {}}}", yaml::quoted(token)),
            Credentials::Basic { username, password } => format!(
                "basic_auth: {{username: {}, password: {}}}",
                yaml::quoted(username),
                yaml::quoted(password)
            ),
        });
        if let Some(authentication) = authentication {
            writeln!(text, "        http_config:\n          {authentication}")
                .expect("writing to a String cannot fail");
        }
        text
    }
}
