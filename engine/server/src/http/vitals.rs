//! `/health`, `/ready` and `/metrics`: what orchestrators and Prometheus ask. No credentials are needed, and nothing of
//! an alert is told.
//!
//! Ready means that notifications can be taken in and kept. What keeps plans from running but not notifications from
//! being stored (refused rules, a ledger that is down) is *degraded* with status 200: taking this server out of its
//! service would only keep alerts away from the disk that could hold them.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, guard};
use jiff::Timestamp;
use prometheus::{Encoder as _, Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use selfheal_runtime::Engine;
use selfheal_runtime::ports::ESCALATION;
use selfheal_runtime::ports::journal::Waiting;
use serde_json::{Value, json};

use super::App;
use super::answer::{Fault, json as answer, secured};
use crate::insight::{Parts, Queues};
use crate::telemetry::process::Process;

/// How long the journal may take to say what waits.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Metrics that only the server knows.
pub(super) struct Vitals {
    /// The monotonic clock when the server was made.
    started: Duration,
    uptime: Gauge,
    health: IntGaugeVec,
}

impl Vitals {
    pub(super) fn register(registry: &Registry, started: Duration) -> Result<Self, prometheus::Error> {
        let uptime = Gauge::new("self_healing_uptime_seconds", "Seconds since the server started.")?;
        registry.register(Box::new(uptime.clone()))?;
        let health = Opts::new(
            "self_healing_health_score",
            "The health score, 0 to 100, of each component and overall.",
        );
        let health = IntGaugeVec::new(health, &["component"])?;
        registry.register(Box::new(health.clone()))?;
        let info = Opts::new("self_healing_build_info", "Always 1; the labels say what is running.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let info = IntGauge::with_opts(info)?;
        info.set(1);
        registry.register(Box::new(info))?;
        registry.register(Box::new(Process::new()?))?;
        Ok(Self { started, uptime, health })
    }
}

pub(super) fn routes(service: &mut ServiceConfig) {
    // Some load balancers ask with HEAD.
    let read = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    service
        .service(web::resource("/health").route(read().to(health)).default_service(web::to(only_get)))
        .service(web::resource("/ready").route(read().to(ready)).default_service(web::to(only_get)))
        .service(web::resource("/metrics").route(read().to(metrics)).default_service(web::to(only_get)));
}

async fn only_get() -> HttpResponse {
    let allow = actix_web::http::header::HeaderValue::from_static("GET, HEAD");
    let fault = Fault::new(StatusCode::METHOD_NOT_ALLOWED, "this can only be read").help("use GET");
    secured(fault.header(actix_web::http::header::ALLOW, allow).into_json())
}

/// The process answers.
async fn health(app: Data<App>) -> HttpResponse {
    let body = json!({
        "status": "alive",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": uptime(&app).as_secs(),
    });
    secured(answer(StatusCode::OK, &body))
}

/// Each part, and what follows.
async fn ready(app: Data<App>) -> HttpResponse {
    let engine = &app.engine;
    let parts = app.insight.parts().await;
    let Parts { journal, ledger } = &*parts;
    let rules = engine.rules.current();
    let refused = engine.rules.refusal().map(|refusal| {
        let stay = match (engine.rules.recalled(), rules.set.is_empty()) {
            (Some(since), _) => format!("in use are those of {since}, which the journal has"),
            (None, true) => "no others are in use".to_owned(),
            (None, false) => "those in use stay".to_owned(),
        };
        format!("the newest rules are refused since {}, {stay}: {}", refusal.at, refusal.first())
    });
    let none = (refused.is_none() && rules.set.is_empty())
        .then(|| "no rules are loaded: no alert is treated".to_owned());
    let refused = refused.or(none);
    let (status, code) = match (journal, ledger, &refused) {
        (Err(_), _, _) => ("not_ready", StatusCode::SERVICE_UNAVAILABLE),
        (Ok(()), Ok(()), None) => ("ready", StatusCode::OK),
        (Ok(()), _, _) => ("degraded", StatusCode::OK),
    };
    let reasons: Vec<&String> =
        [journal.as_ref().err(), ledger.as_ref().err(), refused.as_ref()].into_iter().flatten().collect();
    let body = json!({
        "status": status,
        "reasons": reasons,
        "journal": part(journal),
        "ledger": part(ledger),
        "rules": { "ok": refused.is_none(), "generation": rules.generation, "loaded": rules.set.len() },
        // Who turned it and why is told to those with a token.
        "switch": { "on": engine.switch.position().on },
    });
    secured(answer(code, &body))
}

fn part(checked: &Result<(), String>) -> Value {
    match checked {
        Ok(()) => json!({ "ok": true }),
        Err(why) => json!({ "ok": false, "why": why }),
    }
}

/// Everything that is counted, in Prometheus' text format.
async fn metrics(app: Data<App>) -> HttpResponse {
    refresh(&app).await;
    let (encoder, mut body) = (TextEncoder::new(), Vec::with_capacity(16 * 1024));
    match encoder.encode(&app.registry.gather(), &mut body) {
        Ok(()) => HttpResponse::Ok().content_type(encoder.format_type()).body(body),
        Err(error) => {
            HttpResponse::InternalServerError().body(format!("metrics cannot be written: {error}\n"))
        }
    }
}

/// Sets the gauges that change without an event.
async fn refresh(app: &App) {
    let engine = &app.engine;
    app.vitals.uptime.set(uptime(app).as_secs_f64());
    engine.metrics.queue_size.set(i64::try_from(engine.waiting()).unwrap_or(i64::MAX));
    let now = engine.clock.now();
    for breaker in engine.breakers.list() {
        let is_open = breaker.open_until.is_some_and(|until| until > now);
        engine.metrics.breaker_open.with_label_values(&[breaker.adapter.as_str()]).set(i64::from(is_open));
    }
    // A journal that does not answer must not keep Prometheus from everything else; what it would say is then as before.
    match tokio::time::timeout(CHECK_TIMEOUT, app.insight.queues()).await {
        Ok(Ok(queues)) => show(&queues, engine, now),
        Ok(Err(_)) => {}
        Err(_) => return,
    }
    if let Ok(Ok(health)) = tokio::time::timeout(CHECK_TIMEOUT, app.insight.health()).await {
        for (component, score) in health.parts() {
            app.vitals.health.with_label_values(&[component]).set(i64::from(score));
        }
    }
}

/// Sets the gauges of what waits: for people, and for sinks.
fn show(queues: &Queues, engine: &Engine, now: Timestamp) {
    engine.metrics.approvals_waiting.set(i64::try_from(queues.approvals).unwrap_or(i64::MAX));
    let (size, oldest) = (&engine.metrics.outbox_size, &engine.metrics.outbox_oldest_seconds);
    // A sink for which nothing waits is not among them.
    for sink in engine.sink_names().chain([ESCALATION]) {
        size.with_label_values(&[sink]).set(0);
        oldest.with_label_values(&[sink]).set(0.0);
    }
    for Waiting { sink, count, oldest_at } in &queues.sinks {
        size.with_label_values(&[sink.as_str()]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        let age = now.duration_since(*oldest_at).as_secs_f64().max(0.0);
        oldest.with_label_values(&[sink.as_str()]).set(age);
    }
}

fn uptime(app: &App) -> Duration {
    app.engine.clock.monotonic().saturating_sub(app.vitals.started)
}
