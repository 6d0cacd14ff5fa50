//! Slack's Web API: one call, and what its answer means for the outbox.
//!
//! <https://docs.slack.dev/apis/web-api/>: a refusal comes with status 200 and `"ok": false`; too many calls come with 429 and
//! the seconds to wait. A wait holds for all calls of the sink, so that none is spent on being refused again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Url};
use selfheal_contract::settings::Secret;
use selfheal_runtime::ports::{Clock, SinkFault};
use serde_json::Value;

use crate::outgoing::{self, OutgoingFault};
use crate::sinks::post::{Refusal, authorization, body_json, sent};

/// Where Slack's methods are.
pub const API_DEFAULT: &str = "https://slack.com/api";
/// When a call is tried again that only an operator can cure.
const OPERATOR_RETRY: Duration = Duration::from_secs(300);

/// Slack's Web API with a bot's token.
pub struct Api {
    base: Url,
    client: Client,
    authorization: HeaderValue,
    clock: Arc<dyn Clock>,
    /// Until when Slack asked not to be called, by the monotonic clock.
    quiet_until: Mutex<Duration>,
}

/// What Slack said instead of doing it: its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The message to be changed is gone, or cannot be changed.
    Gone(String),
    /// Anything else.
    Fault { what: String, retry: bool, after: Option<Duration> },
}

impl From<Said> for SinkFault {
    fn from(said: Said) -> Self {
        match said {
            Said::Gone(what) => Self { what, retry: false, after: None },
            Said::Fault { what, retry, after } => Self { what, retry, after },
        }
    }
}

impl From<SinkFault> for Said {
    fn from(fault: SinkFault) -> Self {
        Self::Fault { what: fault.what, retry: fault.retry, after: fault.after }
    }
}

impl Api {
    /// Makes a client; nothing is asked yet.
    ///
    /// # Errors
    /// The address is none, the token cannot be sent, or no client can be made.
    pub fn new(
        base: &str,
        token: &Secret,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutgoingFault> {
        let base = outgoing::address(base)?;
        let client = outgoing::client(&base, timeout)?;
        let authorization = authorization("Bearer", token).map_err(OutgoingFault::new)?;
        Ok(Self { base, client, authorization, clock, quiet_until: Mutex::default() })
    }

    /// Calls a method; gives Slack's answer.
    pub(super) async fn call(&self, method: &str, arguments: &Value) -> Result<Value, Said> {
        let quiet_until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = quiet_until.saturating_sub(self.clock.monotonic());
        if !left.is_zero() {
            return Err(Said::Fault {
                what: "Slack asked to wait".to_owned(),
                retry: true,
                after: Some(left),
            });
        }
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push(method);
        }
        let request = self.client.post(url).header(AUTHORIZATION, self.authorization.clone());
        let body = arguments.to_string().into_bytes();
        let answered = sent(request, body, self.clock.now(), &[], no_hint).await;
        let answer = match answered {
            Ok(response) => body_json(response).await,
            Err(fault) => {
                self.heed(fault.after);
                return Err(fault.into());
            }
        };
        if answer["ok"] == true { Ok(answer) } else { Err(said(method, answer["error"].as_str())) }
    }

    /// Tells one person something that only they see. What goes wrong is only logged: they see that nothing happened.
    pub async fn whisper(&self, channel: &str, user: &str, text: &str) {
        let arguments = serde_json::json!({ "channel": channel, "user": user, "text": text });
        if let Err(said) = self.call("chat.postEphemeral", &arguments).await {
            tracing::warn!(fault = %SinkFault::from(said), user, "somebody in Slack could not be told");
        }
    }

    fn heed(&self, after: Option<Duration>) {
        let Some(after) = after else { return };
        let until = self.clock.monotonic() + after;
        let mut quiet_until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet_until = (*quiet_until).max(until);
    }
}

fn no_hint(_: &Refusal<'_>) -> Option<&'static str> {
    None
}

/// What a refusal means (docs.slack.dev, the errors of `chat.postMessage` and `chat.update`).
fn said(method: &str, error: Option<&str>) -> Said {
    let error = error.unwrap_or("no answer that Slack would give");
    let known = |hint: &str| format!("{method}: {error} ({hint})");
    let operator = |hint: &str| Said::Fault { what: known(hint), retry: true, after: Some(OPERATOR_RETRY) };
    match error {
        "message_not_found" | "cant_update_message" | "edit_window_closed" | "thread_not_found" => {
            Said::Gone(format!("{method}: {error}"))
        }
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            operator("the token is not accepted: configure the bot token of an installed app, xoxb-...")
        }
        "missing_scope" | "not_allowed_token_type" | "no_permission" => {
            operator("the app needs the scope chat:write, and chat:write.public for channels it is not in")
        }
        "channel_not_found" | "not_in_channel" | "is_archived" | "restricted_action" => {
            operator("invite the app to the channel, or configure another one")
        }
        "msg_too_long" | "msg_blocks_too_long" | "invalid_blocks" | "no_text" | "invalid_arguments" => {
            Said::Fault { what: known("Slack did not understand the message"), retry: false, after: None }
        }
        _ => Said::Fault { what: format!("{method}: {error}"), retry: true, after: None },
    }
}
