//! `selfheal serve`: puts the parts together, runs until told to stop, and stops in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use selfheal_runtime::Engine;
use selfheal_runtime::Parts;
use selfheal_runtime::dry_run::{DryRun, DryRunFault};
use selfheal_runtime::ports::{Clock, Journal};
use selfheal_script::RuleFile;
use selfheal_store::SqliteJournal;

use crate::assemble::{self, AssembleFault, Outside};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Configuration, LogFormat, RULES_DEFAULT};
use crate::http;
use crate::load::{self, LoadFault, Place};
use crate::one_ledger::OneLedger;
use crate::telemetry::{self, OtlpSettings, TelemetryGuard, TelemetrySettings};
use crate::{audit, checks, patience, rights, shipped, watch};

/// How long requests and looks that are under way may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Why selfheal does not run (any more).
#[derive(Debug, thiserror::Error)]
pub enum ServeFault {
    /// The configuration cannot be used.
    #[error("{0}")]
    Load(#[from] LoadFault),
    /// A part cannot be used.
    #[error("{0}")]
    Assemble(#[from] AssembleFault),
    /// Logs or traces cannot be set up.
    #[error("{0}")]
    Telemetry(#[from] telemetry::TelemetryFault),
    /// The journal failed.
    #[error("{0}")]
    Journal(String),
    /// The directory of rules cannot be read.
    #[error("{0}")]
    Rules(#[from] watch::RulesUnreadable),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {fault}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        fault: std::io::Error,
    },
    /// The journal broke, or a room ended: nothing may be acknowledged any more.
    #[error("selfheal cannot go on: {0}")]
    Broken(String),
}

/// Lets tests put something between the engine and its journal.
pub type WrapJournal = Box<dyn FnOnce(Arc<dyn Journal>) -> Arc<dyn Journal> + Send>;

/// Runs until a signal or a broken journal ends it.
///
/// # Errors
/// It could not start, or had to stop.
pub async fn serve(place: &Place, wrap: Option<WrapJournal>) -> Result<(), ServeFault> {
    let mut configuration = load::configuration(place)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let telemetry = TelemetryGuard::install(&telemetry_settings(&configuration), Arc::clone(&clock))?;
    for note in &configuration.notes {
        tracing::warn!(note, "about the configuration");
    }
    let ended = run(&mut configuration, clock, wrap).await;
    telemetry.shutdown(STOP_LIMIT).await;
    ended
}

async fn run(
    configuration: &mut Configuration,
    clock: Arc<dyn Clock>,
    wrap: Option<WrapJournal>,
) -> Result<(), ServeFault> {
    let (rules, directory) = match rules(&configuration.rules) {
        Ok((files, directory)) => (Ok(files), directory),
        // A directory that is not there is a mistake in the configuration; a rule that cannot be read is one in that rule.
        Err(fault @ watch::RulesUnreadable::Rule { .. }) => {
            (Err(vec![fault.diagnostic()]), Some(configuration.rules.clone()))
        }
        Err(fault) => return Err(fault.into()),
    };
    let mut stop = std::pin::pin!(told_to_stop());
    let Some((journal, door)) = patience::journal(configuration, stop.as_mut()).await? else {
        tracing::info!("stopping: the journal was not reached");
        return Ok(());
    };
    let journal = match wrap {
        Some(wrap) => wrap(journal),
        None => journal,
    };
    let one_ledger = OneLedger::of(&configuration.journal, &configuration.ledger, &SystemEntropy);
    if let Some(one_ledger) = &one_ledger {
        tokio::select! {
            taken = one_ledger.take(&*journal, &*clock) => taken?,
            () = stop.as_mut() => return Ok(()),
        }
    }
    let one_ledger = one_ledger.map(Arc::new);
    assemble::fit_ledger(&configuration.ledger).await?;
    let registry = Registry::new();
    let outside = Outside { clock, journal, registry: registry.clone() };
    let parts = assemble::parts(configuration, outside)?;
    let checks = checks::prepare(&configuration.checks, &parts.catalog).map_err(AssembleFault::Checks)?;
    let (engine, mut rooms) =
        Engine::start_with(parts, rules).await.map_err(|fault| ServeFault::Journal(fault.to_string()))?;
    watch::tell_refusal(&engine);
    for note in checks::unmatched(&checks, &engine.rules.current().set) {
        tracing::warn!(note, "about the configuration");
    }
    tokio::spawn(rights::check(Arc::clone(&engine)));
    rooms.spawn(audit::run(Arc::clone(&engine)));
    if let Some(one_ledger) = one_ledger.clone() {
        let engine = Arc::clone(&engine);
        rooms.spawn(async move { one_ledger.keep(engine).await });
    }
    rooms.spawn(selfheal_runtime::checks::run(Arc::clone(&engine), checks));
    match directory {
        Some(directory) => drop(rooms.spawn(watch::run(Arc::clone(&engine), directory))),
        None => tracing::info!("no directory of rules: the shipped rules are in use"),
    }
    let listen = configuration.listen;
    let door = door.map_or_else(|| http::open_door(listen), Ok);
    let (server, app) = door
        .and_then(|door| http::start(configuration, door, Arc::clone(&engine), registry))
        .map_err(|fault| ServeFault::Listen { address: listen, fault })?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    tracing::info!(address = %listen, version = env!("CARGO_PKG_VERSION"), "selfheal is ready");
    let broken = tokio::select! {
        reason = engine.stop.wait() => Some(reason),
        // No room ends by itself: without one of them, alerts would be acknowledged and nothing would come of them.
        Some(ended) = rooms.join_next() => {
            Some(ended.err().map_or_else(|| "a room has ended".to_owned(), |panic| panic.to_string()))
        }
        () = stop => None,
    };
    if let Some(reason) = broken {
        // What is under way must not be answered as if it were on disk.
        handle.stop(false).await;
        return Err(ServeFault::Broken(reason));
    }
    tracing::info!("stopping: what is under way is finished, what is not is taken up at the next start");
    app.close();
    handle.stop(true).await;
    let _ = serving.await;
    finish(&engine).await;
    rooms.shutdown().await;
    audit::finish(&engine).await;
    let leaving = async {
        engine.leave().await;
        if let Some(one_ledger) = &one_ledger {
            one_ledger.leave(&engine).await;
        }
    };
    if tokio::time::timeout(STOP_LIMIT, leaving).await.is_err() {
        tracing::warn!("the journal does not answer; what is held is free when its leases end");
    }
    Ok(())
}

/// Waits for what is under way, for a while.
async fn finish(engine: &Engine) {
    let wait_until_idle = async {
        while !engine.is_idle() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(STOP_LIMIT, wait_until_idle).await.is_err() {
        tracing::warn!("some remediations are still under way; they are taken up at the next start");
    }
}

async fn told_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The rules to begin with, and the directory to watch, if there is one. Where nobody has said where the rules are, and
/// there are none, they are the shipped ones.
///
/// # Errors
/// The directory or one of its rules cannot be read.
pub fn rules(directory: &Path) -> Result<(Vec<RuleFile>, Option<PathBuf>), watch::RulesUnreadable> {
    if !directory.exists() && directory == Path::new(RULES_DEFAULT) {
        return Ok((shipped::rules(), None));
    }
    let files = match watch::read_rules(directory) {
        Err(watch::RulesUnreadable::None { path }) => {
            tracing::warn!(path, "the directory holds no *.rhai file: no alert is treated until it does");
            Vec::new()
        }
        read => read?,
    };
    Ok((files, Some(directory.to_owned())))
}

fn telemetry_settings(configuration: &Configuration) -> TelemetrySettings {
    let settings = &configuration.telemetry;
    TelemetrySettings {
        format: match settings.log.format {
            LogFormat::Json => telemetry::LogFormat::Json,
            LogFormat::Text => telemetry::LogFormat::Text,
        },
        filter: settings.log.level.as_str().to_owned(),
        otlp: settings.otlp.endpoint.clone().map(|endpoint| OtlpSettings {
            endpoint,
            sample_ratio: settings.otlp.sample_ratio,
            timeout: Duration::from_secs(5),
        }),
    }
}

/// Why an offline dry-run gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum OfflineFault {
    /// The parts could not be put together.
    #[error("{0}")]
    Serve(#[from] ServeFault),
    /// The rules do not compile.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rules(Vec<selfheal_script::Diagnostic>),
    /// The dry-run itself.
    #[error("{0}")]
    DryRun(#[from] DryRunFault),
}

/// A dry-run without a server: the configured rules and adapters, with a history of nothing. Neither the configured journal nor
/// the ledger is asked.
///
/// # Errors
/// There is no answer, because.
pub async fn dry_run_offline(
    place: &Place,
    body: &[u8],
    edited: Option<RuleFile>,
) -> Result<DryRun, OfflineFault> {
    let mut configuration = load::configuration(place).map_err(ServeFault::from)?;
    let (files, _) = rules(&configuration.rules).map_err(ServeFault::from)?;
    (configuration.journal.url, configuration.ledger.url) = (None, None);
    let directory = tempfile::tempdir()
        .map_err(|fault| ServeFault::Journal(format!("no place for a journal of nothing: {fault}")))?;
    let journal = SqliteJournal::open(&directory.path().join("journal.sqlite"))
        .map_err(|fault| ServeFault::Journal(fault.to_string()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let outside = Outside { clock, journal: Arc::new(journal), registry: Registry::new() };
    let parts: Parts = assemble::parts(&mut configuration, outside).map_err(ServeFault::from)?;
    // Nothing is fetched from outside but what the rules ask for.
    let catalog = parts.catalog.clone().without_watches();
    let parts = Parts { source: None, sinks: Vec::new(), catalog, ..parts };
    let (engine, mut rooms) =
        Engine::start(parts, files).await.map_err(|fault| ServeFault::Journal(fault.to_string()))?;
    if let Some(refusal) = engine.rules.refusal() {
        return Err(OfflineFault::Rules(refusal.diagnostics));
    }
    let answer = engine.dry_run(body, edited).await;
    rooms.shutdown().await;
    Ok(answer?)
}
