//! Durable intake: how many notifications a second are on disk when they are answered 200, beside a handler that only
//! parses the same bodies.
//!
//! Every turn has a process and a journal of its own. Expansion, matching and, with a rule that matches, remediation go on
//! at the same time on the same processors and the same disk: that is what a 200 costs with everything that follows it.

use crate::body::Request;
use crate::client::{Answers, Flood, Numbers};
use crate::error::Error;
use crate::report::{self, Row};
use crate::rules::{self, Rule};
use crate::scenarios::Bench;
use crate::statistics::{Times, median, millis, spread};
use crate::subject::{ALL_TAKEN, NO_LIMITS, Setup, Subject};

/// One way of sending.
struct Way {
    name: &'static str,
    alerts: u64,
    rule: fn() -> Rule,
    distinct: bool,
    wanted: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "no rule matches",
        alerts: 1,
        rule: rules::other,
        distinct: true,
        wanted: "≥ 0.5, p99 < 50 ms",
    },
    Way {
        name: "no rule matches",
        alerts: 10,
        rule: rules::other,
        distinct: true,
        wanted: "≥ 0.5, p99 < 50 ms",
    },
    Way { name: "log rule", alerts: 1, rule: rules::log, distinct: true, wanted: "≥ 0.5, p99 < 50 ms" },
    Way { name: "log rule", alerts: 10, rule: rules::log, distinct: true, wanted: "≥ 0.5, p99 < 50 ms" },
    Way { name: "known alerts", alerts: 1, rule: rules::log, distinct: false, wanted: "" },
    Way { name: "known alerts", alerts: 10, rule: rules::log, distinct: false, wanted: "" },
];

/// Measures all ways.
///
/// # Errors
/// A process cannot be started or does not answer.
pub fn intake(bench: &Bench) -> Result<Vec<Row>, Error> {
    WAYS.iter().map(|way| measure(bench, way)).collect()
}

fn measure(bench: &Bench, way: &Way) -> Result<Row, Error> {
    let request = Request::new(rules::ALERT, way.alerts);
    let setup = Setup {
        rules: vec![(way.rule)()],
        policy: NO_LIMITS.to_owned(),
        intake: ALL_TAKEN.to_owned(),
        ..Setup::default()
    };
    let (mut floors, mut rates, mut ratios, mut times) =
        (Vec::new(), Vec::new(), Vec::new(), Times::default());
    let mut floor_times = Times::default();
    for round in 0..bench.rounds {
        let floor = Subject::floor(&bench.programs)?;
        let floored = flood(bench, &floor, &request, way.distinct)?;
        floor.stop()?;
        let selfheal = Subject::selfheal(&bench.programs, &setup)?;
        let taken = flood(bench, &selfheal, &request, way.distinct)?;
        report::note(format!(
            "intake, {} alerts, {}, round {round}: floor {:.0}/s, selfheal {:.0}/s, {}{}, opened {} meanwhile, journal {:.0} MiB, \
             resident {:.0} MiB",
            way.alerts,
            way.name,
            floored.rate(),
            taken.rate(),
            taken.times.summary(),
            others(&taken),
            selfheal.metrics()?.count("self_healing_alerts_total", "result=\"opened\""),
            selfheal.journal_mebibytes(),
            selfheal.memory()?.resident,
        ));
        floors.push(floored.rate());
        rates.push(taken.rate());
        ratios.push(taken.rate() / floored.rate());
        times.join(taken.times);
        floor_times.join(floored.times);
        // What still waits is nobody's: the next turn has a journal of its own.
        drop(selfheal);
    }
    Ok(Row::new(
        format!("intake, {} a body, {}", count(way.alerts), way.name),
        format!("{:.0}/s, {}", median(&rates), times.summary()),
        format!(
            "{:.0}/s (spread {:.0} %), p99 {}",
            median(&floors),
            100.0 * spread(&floors),
            millis(floor_times.summary().p99)
        ),
        format!("{:.2}", median(&ratios)),
        way.wanted,
    ))
}

pub(super) fn flood(
    bench: &Bench,
    subject: &Subject,
    request: &Request,
    distinct: bool,
) -> Result<Answers, Error> {
    let flood = Flood {
        address: subject.address(),
        connections: bench.connections,
        threads: bench.threads,
        duration: bench.seconds,
        rate: None,
        distinct,
    };
    flood.run(request, &Numbers::new())
}

/// Answers other than 200, if there were any.
pub(super) fn others(answers: &Answers) -> String {
    let others: Vec<_> = answers.by_status.iter().filter(|(status, _)| **status != 200).collect();
    match (others.is_empty(), answers.broken) {
        (true, 0) => String::new(),
        _ => format!(", besides {others:?}, {} broken", answers.broken),
    }
}

pub(super) fn count(alerts: u64) -> String {
    if alerts == 1 { "1 alert".to_owned() } else { format!("{alerts} alerts") }
}
