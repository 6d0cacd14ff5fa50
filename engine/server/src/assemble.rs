//! From checked configuration to connected parts: journal, ledger, adapters, sinks, the source of alerts.

use std::sync::Arc;

use prometheus::Registry;
use selfheal_contract::{Catalog, Publish};
use selfheal_runtime::escalation::{Escalation, Level};
use selfheal_runtime::metrics::Metrics;
use selfheal_runtime::ports::{Clock, Journal, Ledger, Sink};
use selfheal_runtime::retention::Retention;
use selfheal_runtime::scripts::Scripts;
use selfheal_runtime::{Asked, Parts};
use selfheal_script::{Compiler, Limits};
use selfheal_store::{
    EmbeddedLedger, PostgresFaultKind, PostgresJournal, PostgresSettings, RedisLedger, SqliteJournal,
};

use crate::alertmanager::{Alertmanager, AlertmanagerSettings};
use crate::clock::SystemEntropy;
use crate::config::{self, Configuration};
use crate::sinks::{
    Incidents, IncidentsSettings, Log, LogSettings, Opsgenie, OpsgenieSettings, PagerDuty, PagerDutySettings,
    Slack, SlackApp, SlackAppSettings, SlackSettings, Stream, StreamSettings, Webhook, WebhookSettings,
};
use crate::telemetry;

/// What keeps selfheal from starting.
#[derive(Debug, thiserror::Error)]
pub enum AssembleFault {
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(String),
    /// The journal cannot be reached at the moment.
    #[error("{0}")]
    Unreachable(String),
    /// The ledger's settings cannot be used.
    #[error("ledger: {0}")]
    Ledger(String),
    /// An adapter's settings cannot be used.
    #[error("adapters: {0}")]
    Adapter(String),
    /// The checks cannot be run.
    #[error("{0}")]
    Checks(String),
    /// A sink's settings cannot be used.
    #[error("{0}")]
    Sink(String),
    /// Alertmanager's settings cannot be used.
    #[error("{0}")]
    Alertmanager(String),
    /// The system refuses something.
    #[error("{0}")]
    System(String),
}

/// What assembling takes besides the configuration: real, or a test's.
pub struct Outside {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Where metrics are registered.
    pub registry: Registry,
}

/// Opens the configured journal: on PostgreSQL, bringing its schema up to date; or in SQLite, making the data directory
/// where it is missing.
///
/// # Errors
/// The server cannot be used; or the directory or the file cannot be used, or another process does.
pub async fn journal(configuration: &Configuration) -> Result<Arc<dyn Journal>, AssembleFault> {
    if let Some(settings) = postgres(&configuration.journal) {
        let journal = PostgresJournal::open(&settings).await.map_err(|fault| match fault.kind {
            PostgresFaultKind::Unreachable => AssembleFault::Unreachable(fault.to_string()),
            _ => AssembleFault::Journal(fault.to_string()),
        })?;
        return Ok(Arc::new(journal));
    }
    let path = configuration.journal_path();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|fault| {
            AssembleFault::Journal(format!(
                "the data directory {} cannot be made: {fault}",
                directory.display()
            ))
        })?;
    }
    let journal = SqliteJournal::open(&path).map_err(|fault| AssembleFault::Journal(fault.to_string()))?;
    Ok(Arc::new(journal))
}

/// Where the journal on PostgreSQL is, if it is there.
pub fn postgres(journal: &config::Journal) -> Option<PostgresSettings> {
    let url = journal.url.as_ref()?.expose().to_owned();
    Some(PostgresSettings {
        url,
        ca: journal.ca.as_ref().map(|ca| ca.expose().to_owned()),
        connect_timeout: journal.connect_timeout.into(),
        statement_timeout: journal.statement_timeout.into(),
    })
}

/// Connects everything else.
///
/// # Errors
/// Something that is configured cannot be used. A target that is merely down is no error.
pub fn parts(configuration: &mut Configuration, outside: Outside) -> Result<Parts, AssembleFault> {
    let Outside { clock, journal, registry } = outside;
    let ledger = ledger(&configuration.ledger, &clock)?;
    let source = source(&configuration.alertmanager)?;
    let catalog = catalog(std::mem::take(&mut configuration.adapters))?;
    let sinks = sinks(configuration, &catalog, &clock, &journal)?;
    let compiler = Compiler::new(&catalog, configuration.settings.clone(), Limits::default());
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().clamp(2, 8));
    let system = |fault: &dyn std::fmt::Display| AssembleFault::System(fault.to_string());
    Ok(Parts {
        journal,
        ledger,
        entropy: Arc::new(SystemEntropy),
        catalog,
        policy: configuration.policy.clone(),
        compiler,
        scripts: Scripts::start(threads).map_err(|fault| system(&fault))?,
        sinks,
        escalation: escalation(&configuration.escalation),
        source,
        metrics: Metrics::new(&registry).map_err(|fault| system(&fault))?,
        adopt: Arc::new(telemetry::adopt),
        switch_on: configuration.switch.enabled,
        learning: configuration.learning,
        retention: Retention {
            failures: configuration.retention.failures.into(),
            actions: configuration.retention.actions.into(),
            events: configuration.retention.events.into(),
        },
        audit_key: configuration.audit.signing(),
        shared: configuration.journal.url.is_some(),
        backlog_max: configuration.intake.backlog_max as usize,
        clock,
    })
}

/// Makes every adapter ready for use.
///
/// # Errors
/// The settings of one cannot be used.
pub fn catalog(adapters: config::Adapters) -> Result<Catalog, AssembleFault> {
    let connected = adapters.into_checked().into_iter().map(|adapter| adapter.prepared.connect());
    Ok(Catalog::new(connected.collect::<Result<Vec<_>, _>>().map_err(AssembleFault::Adapter)?))
}

/// The functions of every adapter, for those who act on nothing: settings that were left open do no harm.
///
/// # Errors
/// One cannot even be used with nothing configured.
pub fn functions(adapters: config::Adapters) -> Result<Catalog, AssembleFault> {
    let connected = adapters.into_checked().into_iter().map(config::CheckedAdapter::connect_or_bare);
    Ok(Catalog::new(connected.collect::<Result<Vec<_>, _>>().map_err(AssembleFault::Adapter)?))
}

fn ledger(settings: &config::Ledger, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Ledger>, AssembleFault> {
    let Some(url) = &settings.url else { return Ok(Arc::new(EmbeddedLedger::new(Arc::clone(clock)))) };
    let ledger = RedisLedger::connect(url.expose(), &settings.prefix, settings.timeout.into());
    Ok(Arc::new(ledger.map_err(|fault| AssembleFault::Ledger(fault.to_string()))?))
}

/// Refuses a Redis that would lose safety limits, if it can be asked; one that is merely down is no fault.
///
/// # Errors
/// It evicts keys, or is a replica.
pub async fn fit_ledger(settings: &config::Ledger) -> Result<(), AssembleFault> {
    let Some(url) = &settings.url else { return Ok(()) };
    let ledger = RedisLedger::connect(url.expose(), &settings.prefix, settings.timeout.into())
        .map_err(|fault| AssembleFault::Ledger(fault.to_string()))?;
    ledger.unfit().await.map_or(Ok(()), |why| Err(AssembleFault::Ledger(why)))
}

fn sinks(
    configuration: &Configuration,
    catalog: &Catalog,
    clock: &Arc<dyn Clock>,
    journal: &Arc<dyn Journal>,
) -> Result<Vec<Arc<dyn Sink>>, AssembleFault> {
    let made = configuration.sinks.iter().map(|(name, sink)| {
        let (name, events) = (name.clone(), sink.events.clone());
        let external_url = configuration.external_url.clone();
        let fault = |fault: crate::sinks::SinkSettingsFault| AssembleFault::Sink(fault.to_string());
        Ok(match sink.receiver.clone() {
            config::Receiver::Kafka { topic, cluster } => {
                let publisher = publisher(catalog, "kafka").ok_or_else(|| {
                    let problem =
                        "there is no adapter kafka in this program; build it with the feature kafka";
                    AssembleFault::Sink(format!("sink {name:?}: {problem}"))
                })?;
                let settings = StreamSettings { name, events, external_url, cluster, topic };
                Arc::new(Stream::new(settings, publisher).map_err(fault)?)
            }
            config::Receiver::Log {} => Arc::new(Log::new(LogSettings { name, events })) as Arc<dyn Sink>,
            config::Receiver::Slack { url, channel, timeout } => {
                let timeout = timeout.into();
                let settings = SlackSettings { name, url, events, timeout, external_url, channel };
                Arc::new(Slack::new(settings, Arc::clone(clock)).map_err(fault)?)
            }
            config::Receiver::SlackApp { token, api, channel, channels, digest_over, report, timeout } => {
                let settings = SlackAppSettings {
                    name,
                    token,
                    api,
                    channel,
                    routes: channels,
                    digest_over,
                    report,
                    silences: !configuration.alertmanager.urls.is_empty(),
                    events,
                    timeout: timeout.into(),
                    external_url,
                };
                let app = SlackApp::new(settings, Arc::clone(clock), Arc::clone(journal));
                Arc::new(app.map_err(fault)?)
            }
            config::Receiver::Pagerduty { url, routing_key, timeout } => {
                let timeout = timeout.into();
                let settings = PagerDutySettings { name, url, routing_key, events, timeout, external_url };
                let pager = PagerDuty::new(settings, Arc::clone(clock), Arc::clone(journal));
                Arc::new(pager.map_err(fault)?)
            }
            config::Receiver::Opsgenie { url, key, timeout } => {
                let timeout = timeout.into();
                let settings = OpsgenieSettings { name, url, key, events, timeout, external_url };
                let pager = Opsgenie::new(settings, Arc::clone(clock), Arc::clone(journal));
                Arc::new(pager.map_err(fault)?)
            }
            config::Receiver::Incidents { url, token, timeout } => {
                let timeout = timeout.into();
                let settings = IncidentsSettings { name, url, token, events, timeout, external_url };
                let tickets = Incidents::new(settings, Arc::clone(clock), Arc::clone(journal));
                Arc::new(tickets.map_err(fault)?)
            }
            config::Receiver::Webhook { url, secret, timeout } => {
                let timeout = timeout.into();
                let settings = WebhookSettings { name, url, secret, events, timeout, external_url };
                Arc::new(Webhook::new(settings, Arc::clone(clock)).map_err(fault)?)
            }
        })
    });
    made.collect()
}

fn escalation(levels: &[config::Level]) -> Escalation {
    let level = |level: &config::Level| Level { after: level.after.into(), sinks: level.sinks.clone() };
    Escalation::new(levels.iter().map(level).collect())
}

/// Where an adapter publishes events.
fn publisher(catalog: &Catalog, adapter: &str) -> Option<Arc<dyn Publish>> {
    catalog.adapters().find(|candidate| candidate.name == adapter)?.publisher.clone()
}

fn source(settings: &config::Alertmanager) -> Result<Option<Asked>, AssembleFault> {
    if settings.urls.is_empty() {
        return Ok(None);
    }
    if settings.receiver.is_none() {
        tracing::warn!(
            "alertmanager.receiver is not set: alerts that Alertmanager routes to others are taken in, too; name the receiver \
             that posts here"
        );
    }
    let peers = settings.urls.iter().map(|url| (url.clone(), settings.credentials.clone())).collect();
    let source = Alertmanager::new(AlertmanagerSettings {
        peers,
        timeout: settings.timeout.into(),
        receiver: settings.receiver.clone(),
    });
    let source = source.map_err(|fault| AssembleFault::Alertmanager(fault.to_string()))?;
    Ok(Some((Arc::new(source), settings.interval.into())))
}
