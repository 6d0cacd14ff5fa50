//! A backlog: very many alerts are on disk and wait for their remediation. How fast one process and several work it off.
//!
//! The floor of one process on PostgreSQL and Redis is one with the journal and the ledger of a single node; the floor of
//! several is the one.

use std::time::{Duration, Instant};

use selfheal_test_servers::{Postgres, Redis, http};

use super::postgres;
use crate::body::Request;
use crate::client::Numbers;
use crate::error::{Error, While};
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::median;
use crate::subject::{ALL_TAKEN, NO_LIMITS, Setup, Subject};

/// Alerts in a body: a backlog comes faster than it can be worked off.
const BODY: u64 = 1000;
/// How long a backlog may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// Between two looks at the outcomes.
const LOOK: Duration = Duration::from_millis(50);
/// Processes that share a journal.
const REPLICAS: usize = 3;

/// One backlog worked off.
struct Round {
    /// Outcomes a second, from the last answer to the last outcome.
    rate: f64,
    /// Processors that the processes of selfheal used meanwhile.
    processors: f64,
}

/// Works off so many alerts.
///
/// # Errors
/// A process cannot be started, does not answer, or is not done within an hour.
pub fn drain(bench: &Bench, alerts: u64) -> Result<Vec<Row>, Error> {
    let (mut single, mut one, mut several) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..bench.rounds {
        let work = |rounds: &mut Vec<Round>, name: &str, replicas: usize, shared: bool| {
            let round = round(bench, alerts, replicas, shared)?;
            report::note(format!(
                "drain, round {number}, {name}: {:.0}/s, {:.1} processors",
                round.rate, round.processors
            ));
            rounds.push(round);
            Ok::<_, Error>(())
        };
        work(&mut single, "SQLite", 1, false)?;
        work(&mut one, "PostgreSQL and Redis, one process", 1, true)?;
        work(&mut several, "PostgreSQL and Redis, three processes", REPLICAS, true)?;
    }
    let rates = |rounds: &[Round]| rounds.iter().map(|round| round.rate).collect::<Vec<_>>();
    let row = |figure: &str, rounds: &[Round], floor: &[Round], name: &str, wanted: &str| {
        let ratios: Vec<f64> =
            rates(rounds).iter().zip(rates(floor)).map(|(rate, floor)| rate / floor).collect();
        let processors = median(&rounds.iter().map(|round| round.processors).collect::<Vec<_>>());
        Row::new(
            format!("backlog of {alerts} alerts, `log::write`, {figure}"),
            format!("{:.0}/s, {processors:.1} processors", median(&rates(rounds))),
            format!("{name}: {:.0}/s", median(&rates(floor))),
            format!("{:.2}", median(&ratios)),
            wanted,
        )
    };
    Ok(vec![
        row("one process on PostgreSQL and Redis", &one, &single, "SQLite and embedded ledger", ""),
        row("three processes on PostgreSQL and Redis", &several, &one, "one process", "> 1"),
    ])
}

fn round(bench: &Bench, alerts: u64, replicas: usize, shared: bool) -> Result<Round, Error> {
    let servers = if shared { Some((postgres::durable()?, Redis::start()?)) } else { None };
    let sections = |(postgres, redis): &(Postgres, Redis)| {
        (postgres::journal(postgres), format!("{{url: {:?}}}", redis.url()))
    };
    let (journal, ledger) = servers.as_ref().map(sections).unwrap_or_default();
    let (rules, policy, intake) = (vec![rules::log()], NO_LIMITS.to_owned(), ALL_TAKEN.to_owned());
    let setup = Setup { rules, policy, intake, journal, ledger, ..Setup::default() };
    let processes: Vec<Subject> =
        (0..replicas).map(|_| Subject::selfheal(&bench.programs, &setup)).collect::<Result<_, _>>()?;
    send(&processes, alerts)?;
    let (begun, before) = (Instant::now(), outcomes(&processes)?);
    let used = processor_seconds(&processes)?;
    let (mut now, mut told) = (before, Instant::now());
    while now < alerts {
        if begun.elapsed() > LIMIT {
            return Err(Error::Server(format!("{now} of {alerts} alerts had their outcome after {LIMIT:?}")));
        }
        std::thread::sleep(LOOK);
        now = outcomes(&processes)?;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            report::note(format!("{now} outcomes after {:.0} s", begun.elapsed().as_secs_f64()));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let processors = (processor_seconds(&processes)? - used) / seconds;
    for process in processes {
        process.stop()?;
    }
    Ok(Round { rate: (alerts - before.min(alerts)) as f64 / seconds, processors })
}

/// Has all alerts taken, by all processes in turn.
fn send(processes: &[Subject], alerts: u64) -> Result<(), Error> {
    let mut request = Request::new(rules::ALERT, BODY.min(alerts));
    let headers = [("content-type", "application/json")];
    for (body, process) in (0..alerts.div_ceil(request.alerts())).zip(processes.iter().cycle()) {
        request.number(Numbers::FIRST + body * request.alerts());
        let url = format!("http://{}/webhook/alertmanager", process.address());
        let answer =
            http::request("POST", &url, &headers, request.body()).doing("post a part of the backlog")?;
        if answer.status != 200 {
            return Err(Error::Server(format!("a part was answered {}: {}", answer.status, answer.body)));
        }
    }
    Ok(())
}

fn outcomes(processes: &[Subject]) -> Result<u64, Error> {
    let of = |process: &Subject| Ok(process.metrics()?.count("self_healing_remediations_total", ""));
    processes.iter().map(of).sum()
}

fn processor_seconds(processes: &[Subject]) -> Result<f64, Error> {
    processes.iter().map(Subject::processor_seconds).sum()
}
