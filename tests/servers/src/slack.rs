//! A stand-in for Slack's Web API that refuses what Slack refuses, and signs what Slack signs.
//!
//! It knows `chat.postMessage`, `chat.update` and `chat.postEphemeral`, with the documented limits of messages and blocks
//! (docs.slack.dev, "Block Kit reference", "chat.postMessage", "Rate limits"), tokens, channels and threads, and 429 with
//! `Retry-After`. Deliberately absent: everything else of Slack, and how it looks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::error::Error;
use crate::{HttpStandIn, Reply, Request};

/// The most characters of all text in a message's blocks; beyond it Slack answers `msg_blocks_too_long`.
const BLOCKS_CHARS_MAX: usize = 13_200;
/// The most characters of all `markdown` blocks of a message.
const MARKDOWN_CHARS_MAX: usize = 12_000;

/// A message as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackMessage {
    /// The channel, by its id.
    pub channel: String,
    /// Its name: its time.
    pub ts: String,
    /// The message whose thread it is in.
    pub thread: Option<String>,
    /// What was sent last.
    pub content: Value,
    /// How often it was changed.
    pub edits: u32,
}

impl SlackMessage {
    /// All that can be read of it.
    #[must_use]
    pub fn read(&self) -> String {
        self.content["blocks"].to_string()
    }

    /// The button with this `action_id`, if it has one: what pressing it carries.
    #[must_use]
    pub fn button(&self, action: &str) -> Option<String> {
        let blocks = self.content["blocks"].as_array()?;
        let buttons = blocks
            .iter()
            .filter(|block| block["type"] == "actions")
            .flat_map(|block| block["elements"].as_array());
        let button = buttons.flatten().find(|button| button["action_id"] == action)?;
        button["value"].as_str().map(str::to_owned)
    }
}

#[derive(Default)]
struct State {
    messages: Vec<SlackMessage>,
    /// Who was told what: user and text.
    whispers: Vec<(String, String)>,
    /// What was refused, by Slack's word.
    refusals: Vec<String>,
    /// Calls that are still to be refused with 429.
    limited: u32,
}

/// Slack on 127.0.0.1.
pub struct SlackStandIn {
    server: HttpStandIn,
    state: Arc<Mutex<State>>,
}

impl SlackStandIn {
    /// Starts it with the token that it takes, and its channels by name (`#alerts`).
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(token: &str, channels: &[&str]) -> Result<Self, Error> {
        let server = HttpStandIn::start()?;
        let state = Arc::new(Mutex::new(State::default()));
        let (own, token) = (Arc::clone(&state), token.to_owned());
        let channels: Vec<String> = channels.iter().map(|&name| name.to_owned()).collect();
        server.answer_by(move |request| {
            let mut state = own.lock().unwrap_or_else(PoisonError::into_inner);
            if state.limited > 0 {
                state.limited -= 1;
                return Reply::status(429)
                    .header("retry-after", "30")
                    .json(r#"{"ok":false,"error":"ratelimited"}"#);
            }
            let answer = answer(&mut state, &token, &channels, request).unwrap_or_else(|error| {
                state.refusals.push(error.to_owned());
                json!({ "ok": false, "error": error })
            });
            Reply::status(200).json(answer.to_string())
        });
        Ok(Self { server, state })
    }

    /// Where its methods are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/api", self.server.url())
    }

    /// The server behind it: to see its requests, to script faults, to take it away.
    #[must_use]
    pub fn server(&self) -> &HttpStandIn {
        &self.server
    }

    /// All messages as they stand, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<SlackMessage> {
        self.state().messages.clone()
    }

    /// Who was told what alone: user and text.
    #[must_use]
    pub fn whispers(&self) -> Vec<(String, String)> {
        self.state().whispers.clone()
    }

    /// What was refused so far, by Slack's words.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        self.state().refusals.clone()
    }

    /// Answers the next calls with 429, to be tried again in 30 s.
    pub fn limit(&self, calls: u32) {
        self.state().limited = calls;
    }

    /// Somebody deletes a message.
    pub fn delete(&self, ts: &str) {
        self.state().messages.retain(|message| message.ts != ts);
    }

    /// The signature of a request that Slack sends at `timestamp`, in seconds since 1970.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn sign(secret: &str, timestamp: i64, body: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(format!("v0:{timestamp}:{body}").as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("v0={digits}")
    }

    /// The body of a request that Slack sends when somebody presses a button.
    #[must_use]
    pub fn press(user: &str, channel: &str, action: &str, value: &str) -> String {
        let payload = json!({
            "type": "block_actions",
            "user": { "id": user, "username": "somebody" },
            "channel": { "id": channel },
            "actions": [{ "type": "button", "block_id": "selfheal", "action_id": action, "value": value }],
        });
        let encoded: String = payload
            .to_string()
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect();
        format!("payload={encoded}")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(
    state: &mut State,
    token: &str,
    channels: &[String],
    request: &Request,
) -> Result<Value, &'static str> {
    if request.method != "POST"
        || !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
    {
        return Err("invalid_post_type");
    }
    match request.header("authorization") {
        None => return Err("not_authed"),
        Some(given) if given != format!("Bearer {token}") => return Err("invalid_auth"),
        Some(_) => {}
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| "invalid_json")?;
    let given = body["channel"].as_str().ok_or("channel_not_found")?;
    // A channel may be named when something is posted; its id is C and its place.
    let place = channels.iter().position(|name| name == given);
    let id = place.map_or_else(|| given.to_owned(), |place| format!("C{place}"));
    let known = (0..channels.len()).any(|place| id == format!("C{place}"));
    if !known {
        return Err("channel_not_found");
    }
    match request.path.as_str() {
        "/api/chat.postMessage" => {
            check(&body)?;
            let thread = body["thread_ts"].as_str().map(str::to_owned);
            if let Some(thread) = &thread
                && !state.messages.iter().any(|message| message.ts == *thread && message.thread.is_none())
            {
                return Err("thread_not_found");
            }
            let ts = format!("1795348800.{:06}", state.messages.len() + 1);
            let (channel, content) = (id.clone(), body);
            state.messages.push(SlackMessage { channel, ts: ts.clone(), thread, content, edits: 0 });
            Ok(json!({ "ok": true, "channel": id, "ts": ts }))
        }
        "/api/chat.update" => {
            check(&body)?;
            if place.is_some() {
                return Err("channel_not_found");
            }
            let ts = body["ts"].as_str().unwrap_or_default().to_owned();
            let found = state.messages.iter_mut().find(|message| message.ts == ts && message.channel == id);
            let message = found.ok_or("message_not_found")?;
            message.content = body;
            message.edits += 1;
            Ok(json!({ "ok": true, "channel": id, "ts": ts }))
        }
        "/api/chat.postEphemeral" => {
            let (user, text) = (
                body["user"].as_str().ok_or("user_not_in_channel")?,
                body["text"].as_str().ok_or("no_text")?,
            );
            state.whispers.push((user.to_owned(), text.to_owned()));
            Ok(json!({ "ok": true }))
        }
        _ => Err("unknown_method"),
    }
}

fn check(body: &Value) -> Result<(), &'static str> {
    let text = body["text"].as_str().unwrap_or_default();
    let blocks = body["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    if text.chars().count() > 40_000 {
        return Err("msg_too_long");
    }
    if blocks.len() > 50 || !blocks.iter().all(fits) {
        return Err("invalid_blocks");
    }
    let mut ids = BTreeSet::new();
    let unique = |block: &Value| block["block_id"].as_str().is_none_or(|id| ids.insert(id.to_owned()));
    if !blocks.iter().all(unique) {
        return Err("invalid_blocks");
    }
    let markdown = blocks.iter().filter(|block| block["type"] == "markdown");
    if blocks.iter().map(characters).sum::<usize>() > BLOCKS_CHARS_MAX
        || markdown.map(characters).sum::<usize>() > MARKDOWN_CHARS_MAX
    {
        return Err("msg_blocks_too_long");
    }
    Ok(())
}

fn characters(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(values) => values.iter().map(characters).sum(),
        Value::Object(fields) => {
            fields
                .iter()
                .filter(|(name, _)| *name == "text")
                .map(|(_, value)| characters(value))
                .sum::<usize>()
                + fields
                    .iter()
                    .filter(|(name, value)| *name != "text" && !value.is_string())
                    .map(|(_, value)| characters(value))
                    .sum::<usize>()
        }
        _ => 0,
    }
}

/// Whether a text object has 1 to so many characters, and is of one of these types.
fn text(object: &Value, most: usize, types: &[&str]) -> bool {
    types.iter().any(|kind| object["type"] == *kind)
        && object["text"].as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()))
}

fn fits(block: &Value) -> bool {
    const ANY: [&str; 2] = ["plain_text", "mrkdwn"];
    let short = |value: &Value, most: usize| value.as_str().is_none_or(|text| text.chars().count() <= most);
    let listed = |value: &Value, most: usize, fits: &dyn Fn(&Value) -> bool| {
        value.as_array().is_some_and(|list| (1..=most).contains(&list.len()) && list.iter().all(fits))
    };
    if !short(&block["block_id"], 255) {
        return false;
    }
    match block["type"].as_str().unwrap_or_default() {
        "header" => text(&block["text"], 150, &["plain_text"]),
        "section" if block["fields"].is_null() => text(&block["text"], 3000, &ANY),
        "section" => {
            (block["text"].is_null() || text(&block["text"], 3000, &ANY))
                && listed(&block["fields"], 10, &|field| text(field, 2000, &ANY))
        }
        "context" => listed(&block["elements"], 10, &|element| text(element, 3000, &ANY)),
        "actions" => listed(&block["elements"], 25, &|button| {
            let confirm = &button["confirm"];
            button["type"] == "button"
                && text(&button["text"], 75, &["plain_text"])
                && short(&button["action_id"], 255)
                && short(&button["value"], 2000)
                && (confirm.is_null()
                    || (text(&confirm["title"], 100, &["plain_text"])
                        && text(&confirm["text"], 300, &ANY)
                        && text(&confirm["confirm"], 30, &["plain_text"])
                        && text(&confirm["deny"], 30, &["plain_text"])))
        }),
        "markdown" => block["text"].as_str().is_some_and(|text| !text.is_empty()),
        "divider" => true,
        _ => false,
    }
}
