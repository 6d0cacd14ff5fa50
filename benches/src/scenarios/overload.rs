//! Overload: for a long time ten times what can be worked off. What is not taken must be answered 503, and whatever was
//! answered 200 must have an outcome in the end.

use std::time::{Duration, Instant};

use crate::body::Request;
use crate::client::{Flood, Numbers};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::report::{self, Row};
use crate::rules::{self, Rule};
use crate::scenarios::Bench;
use crate::subject::{NO_LIMITS, Setup, Subject};

/// Alerts in a body.
const ALERTS: u64 = 10;
/// How many times more is sent than can be worked off.
const TIMES: f64 = 10.0;
/// How long working off is measured, to know what ten times that is.
const PROBE: Duration = Duration::from_secs(5);
/// How long the rest may take to be worked off without new alerts.
const REST: Duration = Duration::from_secs(1800);

/// What the alerts lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// A line in the log. The policy's limit of a million remediations an hour bounds how long it can be sent.
    Log,
    /// The rule decides to do nothing, which is an outcome too.
    Skip,
}

impl Overload {
    fn rule(self) -> Rule {
        match self {
            Self::Log => rules::log(),
            Self::Skip => rules::skip(),
        }
    }

    /// How many alerts have their outcome.
    fn outcomes(self, metrics: &Metrics) -> u64 {
        match self {
            Self::Log => metrics.count("self_healing_remediations_total", ""),
            Self::Skip => metrics.count("self_healing_decisions_total", "decision=\"skip\""),
        }
    }
}

/// Measures it over `bench.seconds`.
///
/// # Errors
/// The process cannot be started or does not answer, or not every alert that was answered 200 gets an outcome.
pub fn overload(bench: &Bench, what: Overload) -> Result<Vec<Row>, Error> {
    let bearable = bearable(bench, what)?;
    let setup = Setup { rules: vec![what.rule()], policy: NO_LIMITS.to_owned(), ..Setup::default() };
    let selfheal = Subject::selfheal(&bench.programs, &setup)?;
    let flood = Flood {
        address: selfheal.address(),
        connections: bench.connections,
        threads: bench.threads,
        duration: bench.seconds,
        rate: Some(TIMES * bearable / ALERTS as f64),
        distinct: true,
    };
    report::note(format!(
        "overload: {bearable:.0} alerts/s can be worked off, {:.0} are sent",
        TIMES * bearable
    ));
    let answers = flood.run(&Request::new(rules::ALERT, ALERTS), &Numbers::new())?;
    let accepted = answers.good() * ALERTS;
    let (memory, begun) = (selfheal.memory()?, Instant::now());
    let done = |metrics: &Metrics| what.outcomes(metrics) >= accepted;
    let metrics = selfheal.wait_until("every alert that was answered 200 had its outcome", REST, done)?;
    let worked_off = begun.elapsed();
    let (outcomes, journal) = (what.outcomes(&metrics), selfheal.journal_mebibytes());
    let opened = metrics.count("self_healing_alerts_total", "result=\"opened\"");
    selfheal.stop()?;
    report::note(format!(
        "overload: answers {:?}, {} broken, 200 {}; {accepted} alerts answered 200, {opened} opened, {outcomes} outcomes, the last \
         {worked_off:.1?} after the end; peak {:.0} MiB, journal {journal:.0} MiB",
        answers.by_status,
        answers.broken,
        answers.times.summary(),
        memory.peak,
    ));
    let total: u64 = answers.by_status.values().sum::<u64>() + answers.broken;
    let refused = answers.by_status.get(&503).copied().unwrap_or_default();
    let silent = total - answers.good() - refused;
    Ok(vec![Row::new(
        format!("overload, {} s of ten times what can be worked off, {what:?}", bench.seconds.as_secs()),
        format!(
            "{} answers: 200 {}, 503 {refused}, anything else {silent}; {outcomes} outcomes for {accepted} alerts answered 200; peak {:.0} MiB",
            total,
            answers.good(),
            memory.peak
        ),
        format!("{bearable:.0} alerts/s can be worked off"),
        format!("{:.2} outcomes for each alert answered 200", outcomes as f64 / accepted.max(1) as f64),
        "503 and no silence; 1.00",
    )])
}

/// What can be worked off: alerts a second that get their outcome while more than that come in.
fn bearable(bench: &Bench, what: Overload) -> Result<f64, Error> {
    let setup = Setup { rules: vec![what.rule()], policy: NO_LIMITS.to_owned(), ..Setup::default() };
    let selfheal = Subject::selfheal(&bench.programs, &setup)?;
    let flood = Flood {
        address: selfheal.address(),
        connections: bench.connections,
        threads: bench.threads,
        duration: PROBE,
        rate: None,
        distinct: true,
    };
    flood.run(&Request::new(rules::ALERT, ALERTS), &Numbers::new())?;
    Ok(what.outcomes(&selfheal.metrics()?) as f64 / PROBE.as_secs_f64())
}
