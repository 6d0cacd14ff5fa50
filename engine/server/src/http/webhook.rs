//! `POST /webhook/alertmanager`: the way in for notifications.
//!
//! The order matters: credentials, then the declared length, then the body, so that nobody without credentials makes
//! this server read anything. A 200 says that the notification is on disk; what is temporary gets 503, which
//! Alertmanager retries; never 429 and never a redirect, which it does not. Faults are one line of text, because
//! Alertmanager logs the body of what it could not deliver.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use selfheal_runtime::intake::{ALERTMANAGER, NotReceived, Received};
use serde::Serialize;
use tracing::Instrument as _;

use super::answer::{Fault, json};
use super::{App, body};
use crate::telemetry::{self, Incoming};

/// Alertmanager's URL may be a template that appends something; whatever follows is the same door. The plain path is a
/// resource of its own, for it is found by comparison, and a pattern by a search.
const PATHS: [&str; 2] = ["/webhook/alertmanager", "/webhook/alertmanager/{tail:.*}"];

pub(super) fn routes(service: &mut ServiceConfig) {
    for path in PATHS {
        let resource = web::resource(path);
        service.service(resource.route(web::post().to(receive)).default_service(web::to(wrong_method)));
    }
}

/// What a sender is told.
#[derive(Serialize)]
struct Answer<'a> {
    /// `stored`: now on disk. `known`: every alert of it was on disk before.
    status: &'static str,
    /// Alerts that were taken in.
    alerts: usize,
    /// Alerts that were left out, the first of them with what is wrong.
    malformed: Vec<String>,
    /// How many those are.
    malformed_total: usize,
    /// Alerts that the sender cut off; they are asked for at Alertmanager's own API where it is configured.
    #[serde(skip_serializing_if = "is_zero")]
    truncated: u64,
    /// The trace under which the notification is found in log and journal.
    trace: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

async fn receive(request: HttpRequest, payload: Payload, app: Data<App>) -> HttpResponse {
    match take_in(&request, payload, &app).await {
        Ok(response) => response,
        Err(fault) => fault.into_text(),
    }
}

async fn take_in(request: &HttpRequest, payload: Payload, app: &App) -> Result<HttpResponse, Fault> {
    let headers = request.headers();
    app.access.webhook(headers, request.peer_addr()).inspect_err(|_| {
        app.count_refused("notification", "unauthorized");
    })?;
    let door = &app.webhook;
    let body = body::read(headers, payload, door.bounds, &door.room).await.map_err(|fault| {
        app.count_refused("notification", fault.reason());
        let result = if fault == body::BodyFault::Busy { "unavailable" } else { "refused" };
        app.engine.metrics.notifications.with_label_values(&[result]).inc();
        Fault::from(fault)
    })?;
    let incoming = headers.get("traceparent").and_then(|value| Incoming::read(value.to_str().ok()?));
    let trace = match &incoming {
        Some(incoming) => incoming.trace(),
        None => format!("{:032x}", u128::from_be_bytes(app.entropy.bytes())),
    };
    let span = tracing::info_span!("webhook", bytes = body.bytes.len());
    telemetry::begin(&span, &trace, incoming.as_ref());
    // The room is kept until the engine is done with the bytes.
    let body::Body { bytes, room: _room } = body;
    let receiving = app.engine.receive(bytes, ALERTMANAGER, Some(trace.clone()));
    answer(receiving.instrument(span).await, &trace)
}

fn answer(received: Result<Received, NotReceived>, trace: &str) -> Result<HttpResponse, Fault> {
    let received = received.map_err(|fault| match fault {
        NotReceived::Malformed(fault) => Fault::wrong(fault.to_string()),
        temporary @ (NotReceived::Overloaded { .. } | NotReceived::Unavailable(_)) => {
            Fault::new(StatusCode::SERVICE_UNAVAILABLE, temporary.to_string())
        }
    })?;
    let malformed: Vec<String> = received.faults.iter().map(ToString::to_string).collect();
    if received.alerts == 0 && received.malformed > 0 {
        let all = format!("all {} alerts are malformed: {}", received.malformed, malformed.join("; "));
        return Err(Fault::wrong(all));
    }
    let answer = Answer {
        status: if received.known { "known" } else { "stored" },
        alerts: received.alerts,
        malformed,
        malformed_total: received.malformed,
        truncated: received.truncated,
        trace,
    };
    Ok(json(StatusCode::OK, &answer))
}

async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let error = format!("{} is not how alerts come in", request.method());
    let allow = (header::ALLOW, HeaderValue::from_static("POST"));
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, error)
        .help("POST Alertmanager's notifications here (webhook_configs.url)")
        .header(allow.0, allow.1)
        .into_text()
}
