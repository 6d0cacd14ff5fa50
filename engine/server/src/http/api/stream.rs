//! `/stream`: what changes, as it happens, as server-sent events.
//!
//! An event has an `id`, a kind and the thing as its list shows it: `issue`, `remediation` (with its intents), `approval`,
//! `switch`, `health` (the six scores), `rules`, `setting`. `many` says that more has changed than is told, `reset` that
//! what was missed is not known any more: read the lists again. `expired` says that the token's time is over.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use schemars::JsonSchema;

use super::super::answer::Fault;
use super::super::live;
use super::{Answered, Call};

/// Where the stream is, after the prefix.
pub(super) const PATH: &str = "/stream";

/// Server-sent events.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[expect(dead_code, reason = "it only says what the stream looks like")]
pub(super) struct Events(String);

/// Goes on after the event that the `Last-Event-ID` header names, where that is still known.
pub(super) async fn listen(call: Call) -> Answered {
    let last = call.request.headers().get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let remaining = live::remaining(call.caller.expires, call.app.engine.clock.now());
    let Some(events) = call.app.live.listen(last, remaining) else {
        let error = format!("{} listen already", live::LISTENERS_MAX);
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, error)
            .help("close some dashboards, or come again later")
            .header(header::RETRY_AFTER, HeaderValue::from_static("10")));
    };
    // Proxies that keep answers back until they are whole would never give this one out.
    let mut response = HttpResponse::Ok();
    response.content_type("text/event-stream").insert_header(("x-accel-buffering", "no"));
    Ok(response.streaming(events))
}
