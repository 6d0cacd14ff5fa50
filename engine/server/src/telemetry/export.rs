//! Sends spans to a collector by OTLP over HTTP, from a thread of its own.
//!
//! A trace's spans all have the id that the journal keeps (`super::trace`), and whether they are recorded follows from that
//! id alone, never from a parent's flag: the journal does not keep the flag, and what goes on after a restart must come to
//! the same decision.

use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use reqwest::blocking;

use super::trace::Ids;
use super::{OtlpSettings, TelemetryFault};
use crate::outgoing;

/// Spans that wait to be sent; more are dropped, and a warning says how many.
const QUEUE_SPANS_MAX: usize = 16_384;
/// Spans in one request.
const BATCH_SPANS_MAX: usize = 2_048;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(2);

/// Makes the provider whose spans go to the collector.
pub(super) fn provider(settings: &OtlpSettings) -> Result<SdkTracerProvider, TelemetryFault> {
    let fault = |problem: &dyn ToString| TelemetryFault::Exporter(problem.to_string());
    let mut endpoint = outgoing::address(&settings.endpoint).map_err(|problem| fault(&problem))?;
    let path = endpoint.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1/traces").unwrap_or(path).to_owned();
    endpoint.set_path(&format!("{path}/v1/traces"));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client(&endpoint, settings.timeout)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(settings.timeout)
        .build()
        .map_err(|error| fault(&error))?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_SPANS_MAX)
        .with_max_export_batch_size(BATCH_SPANS_MAX)
        .with_scheduled_delay(DELAY)
        .build();
    let service = [("service.version", env!("CARGO_PKG_VERSION"))]
        .map(|(name, value)| opentelemetry::KeyValue::new(name, value));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_sampler(Sampler::TraceIdRatioBased(settings.sample_ratio))
        .with_id_generator(Ids::default())
        .with_resource(Resource::builder().with_service_name("selfheal").with_attributes(service).build())
        .build())
}

/// A blocking client, because the batches are sent from a plain thread, where the other kind has no runtime to run on.
fn client(endpoint: &reqwest::Url, timeout: Duration) -> Result<blocking::Client, TelemetryFault> {
    let plain = endpoint.scheme() == "http";
    let loopback = outgoing::is_loopback(endpoint);
    // It must be made outside of any runtime, too.
    let made = std::thread::spawn(move || {
        let mut builder =
            blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(timeout);
        if loopback {
            builder = builder.no_proxy();
        }
        if plain {
            builder = builder.tls_certs_only([]);
        }
        builder.build()
    });
    match made.join() {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(TelemetryFault::Exporter(outgoing::told(error))),
        Err(_) => Err(TelemetryFault::Exporter("its HTTP client panicked: is TLS set up?".into())),
    }
}
