//! Logs and traces: one line an event on standard error, and spans to an OpenTelemetry collector when one is configured.
//!
//! Standard output belongs to the command line's answers, so logs go to standard error. The two ways are apart: log lines
//! come from events only, traces from spans only. Without a collector no span is enabled anywhere, and creating one costs a
//! load of one atomic; with one, only selfheal's own spans are recorded. So whoever logs names the trace as a field of the
//! event: it is there with and without a collector.
//!
//! `line` writes the lines, `trace` keeps the trace ids that the journal knows, `export` sends spans.

mod export;
mod line;
pub(crate) mod process;
pub mod trace;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use selfheal_runtime::ports::Clock;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, fmt};

pub use trace::{Incoming, adopt, begin, remote_parent};

/// OpenTelemetry and the HTTP server tell of their own start and end at `info`, which is of no use to anybody.
const QUIET: &str = "opentelemetry=warn,actix_server=warn";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object: `timestamp`, `level`, `target`, `message`, and the event's fields beside them.
    #[default]
    Json,
    /// For people: time, level, target, message, `field=value`.
    Text,
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpSettings {
    /// The collector's address for OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is added where it is not
    /// there.
    pub endpoint: String,
    /// The share of traces that is recorded, 0 to 1. Which ones follows from the trace's id alone, so that a trace that goes
    /// on after a restart is recorded whole or not at all.
    pub sample_ratio: f64,
    /// The longest time for one try to send.
    pub timeout: Duration,
}

/// What is logged and traced.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetrySettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `info,selfheal_runtime=debug`.
    pub filter: String,
    /// Where spans go; nowhere without it.
    pub otlp: Option<OtlpSettings>,
}

impl Default for TelemetrySettings {
    /// JSON from `info` on, no traces.
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".into(), otlp: None }
    }
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryFault {
    /// The filter cannot be read.
    #[error(
        "the log filter {filter:?} cannot be read ({problem}): expected a level such as \"info\", or directives such as \"info,selfheal_runtime=debug\""
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The exporter cannot be made.
    #[error("the exporter of traces cannot be made: {0}")]
    Exporter(String),
    /// Somebody has set up the process's log already.
    #[error("the log is set up already")]
    Twice,
}

/// What has to be ended in order, so that the last spans arrive.
#[derive(Debug)]
#[must_use = "spans that wait to be sent are lost without a shutdown"]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
}

impl TelemetryGuard {
    /// Sets up logs and traces for the whole process. With a collector, TLS must have been set up before.
    ///
    /// # Errors
    /// The filter cannot be read, the collector's address is none, or it was set up before.
    pub fn install(settings: &TelemetrySettings, clock: Arc<dyn Clock>) -> Result<Self, TelemetryFault> {
        let (dispatch, guard) = set_up(settings, clock, io::stderr)?;
        tracing::dispatcher::set_global_default(dispatch).map_err(|_| TelemetryFault::Twice)?;
        Ok(guard)
    }

    /// Whether spans are recorded.
    pub fn traces(&self) -> bool {
        self.provider.is_some()
    }

    /// Sends what waits to be sent, for at most this long. Must run in a tokio runtime.
    pub async fn shutdown(self, limit: Duration) {
        let Some(provider) = self.provider else { return };
        // The exporter blocks its caller.
        let sent = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit)).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent"),
            Err(error) => tracing::warn!(%error, "sending the last spans failed"),
        }
    }
}

/// Logs and traces as a value, for the process or a test.
fn set_up<W>(
    settings: &TelemetrySettings,
    clock: Arc<dyn Clock>,
    writer: W,
) -> Result<(Dispatch, TelemetryGuard), TelemetryFault>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let directives = format!("{QUIET},{}", settings.filter);
    let filter = EnvFilter::builder().parse(directives).map_err(|error| TelemetryFault::Filter {
        filter: settings.filter.clone(),
        problem: error.to_string(),
    })?;
    // Without the hints the most verbose callsites of all libraries would ask the filter.
    let events = filter_fn(|metadata| metadata.is_event()).with_max_level_hint(LevelFilter::TRACE);
    let lines = fmt::layer()
        .event_format(line::Line::new(settings.format, clock))
        .with_writer(writer)
        .with_ansi(false)
        .with_filter(filter.and(events));
    let Some(otlp) = &settings.otlp else {
        return Ok((Dispatch::new(Registry::default().with(lines)), TelemetryGuard { provider: None }));
    };

    let provider = export::provider(otlp)?;
    let own_spans = filter_fn(|metadata| {
        metadata.is_span()
            && *metadata.level() <= LevelFilter::INFO
            && metadata.target().starts_with("selfheal")
    });
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("selfheal"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(own_spans.with_max_level_hint(LevelFilter::INFO));
    let dispatch = Dispatch::new(Registry::default().with(lines).with(spans));
    Ok((dispatch, TelemetryGuard { provider: Some(provider) }))
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
#[path = "telemetry/tests.rs"]
mod tests;
