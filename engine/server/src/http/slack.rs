//! `POST /slack/actions`: people press a button under an issue's message in Slack.
//!
//! The order matters: what Slack's headers say of the time and that there is a signature, before the body is read; Slack's
//! signature over the body as it came, whether it came before; then who pressed, what they may do, and whether the button is
//! one that is shown. Bodies have room of their own, so that nobody who cannot sign takes it from others. What is wrong with the request gets a fault; what is wrong
//! with what somebody wants is told to them alone, in Slack. The approval's own rules hold as everywhere.
//! (docs.slack.dev, "Verifying requests from Slack", and the payload of `block_actions`.)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use selfheal_contract::settings::Secret;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_runtime::Engine;
use selfheal_runtime::by_hand::HandFault;
use selfheal_runtime::ports::JournalFault;
use selfheal_runtime::ports::journal::{Approval, Journal};
use serde_json::Value;
use sha2::Sha256;

use super::App;
use super::answer::{self, Fault};
use super::body::{self, Bounds, Room};
use crate::config::{self, Configuration, Receiver, Role, SlackUser};
use crate::outgoing::OutgoingFault;
use crate::sinks::known::Known;
use crate::sinks::slack_app::api::Api;
use crate::sinks::slack_app::thread::{
    ACKNOWLEDGE, APPROVE, Pressed, REFUSE, SILENCE, SILENCE_LASTS, Thread,
};

/// Where Slack posts what people press.
pub(super) const PATH: &str = "/slack/actions";
/// Slack's payload repeats the message that the button is in.
const BOUNDS: Bounds = Bounds { bytes_max: 512 * 1024, timeout: Duration::from_secs(3) };
/// Room for all bodies together, and how long one waits for it. Slack itself waits three seconds.
const ROOM_BYTES: usize = 4 * 1024 * 1024;
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How far a request's time may be off.
const SKEW: i64 = 300;
/// Signatures remembered; there are never more within the time in which one is taken.
const REMEMBERED_MAX: usize = 20_000;

/// What the door knows: the signing secret, the people, and how to whisper to them.
pub(crate) struct Door {
    secret: Secret,
    users: HashMap<String, SlackUser>,
    /// By the sink's name.
    apis: HashMap<String, Arc<Api>>,
    /// Signatures that came, until when they would be taken again.
    seen: Mutex<HashMap<Vec<u8>, i64>>,
    room: Room,
}

/// What the headers of a request say of who sent it.
struct Signed {
    at: i64,
    signature: Vec<u8>,
}

fn not_slack(why: &str) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, why)
        .help("only Slack may call this: check slack.signing_secret, and this machine's clock")
}

impl Signed {
    /// Whether Slack may have sent this, now.
    fn read(headers: &HeaderMap, now: Timestamp) -> Result<Self, Fault> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let at: i64 = header("x-slack-request-timestamp")
            .and_then(|at| at.parse().ok())
            .ok_or_else(|| not_slack("the request has no X-Slack-Request-Timestamp"))?;
        if now.as_second().abs_diff(at) > SKEW.unsigned_abs() {
            return Err(not_slack("the request is more than five minutes off"));
        }
        let signature = header("x-slack-signature").and_then(|text| text.strip_prefix("v0=")).and_then(unhex);
        let signature =
            signature.ok_or_else(|| not_slack("the request has no X-Slack-Signature of version v0"))?;
        Ok(Self { at, signature })
    }
}

impl Door {
    /// The door of a configuration, if it has one.
    ///
    /// # Errors
    /// A sink's client cannot be made.
    pub(crate) fn new(configuration: &Configuration, engine: &Engine) -> Result<Option<Self>, OutgoingFault> {
        let Some(config::Slack { signing_secret, users }) = configuration.slack.clone() else {
            return Ok(None);
        };
        let mut apis = HashMap::new();
        for (name, sink) in &configuration.sinks {
            if let Receiver::SlackApp { token, api, timeout, .. } = &sink.receiver {
                let api = Api::new(api, token, Duration::from(*timeout), Arc::clone(&engine.clock))?;
                apis.insert(name.clone(), Arc::new(api));
            }
        }
        let users = users.into_iter().map(|user| (user.id.clone(), user)).collect();
        let room = Room::new(ROOM_BYTES, ROOM_WAIT);
        Ok(Some(Self { secret: signing_secret, users, apis, seen: Mutex::default(), room }))
    }

    /// Whether Slack has sent this, for the first time.
    fn verify(&self, signed: Signed, body: &[u8], now: Timestamp) -> Result<(), Fault> {
        let Signed { at, signature } = signed;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(format!("v0:{at}:").as_bytes());
        mac.update(body);
        mac.verify_slice(&signature).map_err(|_| not_slack("the signature is not Slack's"))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, until| *until >= now.as_second());
        if seen.len() >= REMEMBERED_MAX {
            return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests within ten minutes"));
        }
        match seen.insert(signature, at + SKEW) {
            None => Ok(()),
            Some(_) => Err(not_slack("the request came before")),
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Adds the door, if there is one.
pub(super) fn routes(door: Option<Data<Door>>) -> impl FnOnce(&mut ServiceConfig) {
    move |service| {
        if let Some(door) = door {
            service.app_data(door);
            let resource = web::resource(PATH).route(web::post().to(take));
            service.service(resource.default_service(web::to(wrong_method)));
        }
    }
}

async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let fault =
        Fault::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not possible here", request.method()))
            .help("this is the Request URL for the interactivity of a Slack app")
            .header(header::ALLOW, HeaderValue::from_static("POST"));
    answer::secured(fault.into_json())
}

async fn take(request: HttpRequest, payload: Payload, app: Data<App>, door: Data<Door>) -> HttpResponse {
    let taken = taken(&request, payload, &app, &door).await;
    answer::secured(taken.unwrap_or_else(Fault::into_json))
}

async fn taken(
    request: &HttpRequest,
    payload: Payload,
    app: &App,
    door: &Door,
) -> Result<HttpResponse, Fault> {
    let refused = |reason: &'static str| app.count_refused("slack", reason);
    let now = app.engine.clock.now();
    let signed = Signed::read(request.headers(), now).inspect_err(|_| refused("unauthorized"))?;
    let read = body::read(request.headers(), payload, BOUNDS, &door.room).await;
    let bytes = read.inspect_err(|fault| refused(fault.reason()))?.bytes;
    door.verify(signed, &bytes, now).inspect_err(|_| refused("unauthorized"))?;
    let click = Click::read(&bytes).ok_or_else(|| {
        refused("malformed");
        Fault::wrong("the payload is no press of one of selfheal's buttons")
            .help("expected payload=<JSON of block_actions> in the form that Slack sends")
    })?;
    let said = pressed(app, door, &click).await;
    if let Err(why) = said
        && let Some(api) = door.apis.get(&click.pressed.sink).cloned()
    {
        // Slack waits three seconds for the answer to the press, and not for this.
        actix_web::rt::spawn(async move { api.whisper(&click.channel, &click.user, &why).await });
    }
    Ok(HttpResponse::Ok().finish())
}

/// A press of a button.
struct Click {
    user: String,
    channel: String,
    action: String,
    pressed: Pressed,
}

impl Click {
    fn read(form: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> =
            reqwest::Url::parse(&format!("form:?{}", std::str::from_utf8(form).ok()?))
                .ok()?
                .query_pairs()
                .into_owned()
                .collect();
        let (_, payload) = pairs.into_iter().find(|(name, _)| name == "payload")?;
        let payload: Value = serde_json::from_str(&payload).ok()?;
        if payload["type"] != "block_actions" {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let action = &payload["actions"][0];
        Some(Self {
            user: text(&payload["user"]["id"])?,
            channel: text(&payload["channel"]["id"])?,
            action: text(&action["action_id"])?,
            pressed: Pressed::read(action["value"].as_str()?)?,
        })
    }
}

/// Does what a press asks for. The refusal is for the one who pressed.
async fn pressed(app: &App, door: &Door, click: &Click) -> Result<(), String> {
    let Some(user) = door.users.get(&click.user) else {
        return Err(format!(
            "selfheal does not know you. Ask for an entry in its configuration: slack.users, id {}.",
            click.user
        ));
    };
    let needed = match click.action.as_str() {
        ACKNOWLEDGE | SILENCE => Role::Operator,
        _ => Role::Approver,
    };
    if user.role < needed {
        let (is, needed) = (user.role.name(), needed.name());
        return Err(format!(
            "You are {is}, and this needs {needed} (slack.users of selfheal's configuration)."
        ));
    }
    let engine = &app.engine;
    match click.action.as_str() {
        ACKNOWLEDGE => {
            let issue: IssueId = click.pressed.subject.parse()?;
            let taken = engine.acknowledge(issue, &user.name, "by Slack").await;
            taken.map(drop).map_err(|fault| not_done(&fault))
        }
        SILENCE => {
            let issue: IssueId = click.pressed.subject.parse()?;
            let made = engine.silence(issue, SILENCE_LASTS, &user.name, "by Slack").await;
            made.map(drop).map_err(|fault| not_done(&fault))
        }
        APPROVE | REFUSE => answer(engine, user, click).await,
        _ => Err("selfheal has no such button any more.".to_owned()),
    }
}

async fn answer(engine: &Arc<Engine>, user: &SlackUser, click: &Click) -> Result<(), String> {
    let Pressed { subject, plan, nonce, sink } = &click.pressed;
    let granted = click.action == APPROVE;
    let approval = engine.journal.approval(subject).await.map_err(told)?;
    let approval = approval.ok_or("There is no such approval any more.")?;
    if !is_shown(&*engine.journal, sink, &approval, nonce).await.map_err(told)? {
        return Err(match &approval.answer {
            Some(answer) => format!("{} has answered already, at {:.0}.", answer.by, answer.at),
            None => "This button is of an earlier message; look at the newest one.".to_owned(),
        });
    }
    let plan: ContentHash = plan.parse().map_err(|_| "This button names no plan.".to_owned())?;
    let reason = if granted { "approved in Slack" } else { "refused in Slack" };
    let answered = engine.answer(subject, plan, granted, &user.name, reason).await;
    answered.map(drop).map_err(|fault| match fault {
        HandFault::Asker(_) => {
            "You have asked for this remediation yourself: somebody else must approve it.".to_owned()
        }
        fault => not_done(&fault),
    })
}

/// Whether the button is one that the issue's message shows. When the answer is told, the message has none any more.
async fn is_shown(
    journal: &dyn Journal,
    sink: &str,
    approval: &Approval,
    nonce: &str,
) -> Result<bool, JournalFault> {
    let stored = journal.setting(&Known::key_of(sink, &approval.issue.to_string())).await?;
    let thread: Option<Thread> = stored.and_then(|value| serde_json::from_value(value).ok());
    Ok(thread.and_then(|thread| thread.nonce).is_some_and(|shown| shown == nonce))
}

fn told(fault: JournalFault) -> String {
    format!("That cannot be done: {}.", fault.what)
}

fn not_done(fault: &HandFault) -> String {
    match fault {
        HandFault::Journal(fault) => told(fault.clone()),
        HandFault::Conflict { why, help } => format!("That cannot be done: {why}; {help}."),
        other => format!("That cannot be done: {other}."),
    }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
