//! A stream of distinct alerts, one a body, each journalled from receipt to outcome with an action that only logs.
//!
//! The client sends only so far ahead of the outcomes, so that what is measured goes on for ever and is no burst that
//! piles up somewhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::body::Request;
use crate::client::{Flood, Numbers};
use crate::error::Error;
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::{Summary, median, millis, spread};
use crate::subject::{NO_LIMITS, Setup, Subject};

/// Alerts that may be under way.
const AHEAD_MAX: u64 = 4000;
/// How often the outcomes are counted.
const LOOK: Duration = Duration::from_millis(25);
/// What is not measured at the beginning.
const WARM_UP: Duration = Duration::from_secs(2);
/// The rival's rate, in memory, on this kind of machine.
const RIVAL: f64 = 1500.0;

/// Outcomes in the metrics.
const OUTCOMES: &str = "self_healing_remediations_total";

struct Round {
    rate: f64,
    answers: Summary,
    cores: f64,
    sync: Summary,
}

/// Measures it.
///
/// # Errors
/// A process cannot be started or does not answer.
pub fn stream(bench: &Bench) -> Result<Vec<Row>, Error> {
    let mut rounds = Vec::new();
    for number in 0..bench.rounds {
        let round = round(bench)?;
        report::note(format!(
            "stream, round {number}: {:.0} outcomes/s, answers {}, {:.1} processors used, sync p50 {}",
            round.rate,
            round.answers,
            round.cores,
            millis(round.sync.p50)
        ));
        rounds.push(round);
    }
    let rates: Vec<f64> = rounds.iter().map(|round| round.rate).collect();
    let cores = median(&rounds.iter().map(|round| round.cores).collect::<Vec<_>>());
    let sync = rounds.last().map(|round| round.sync.p50).unwrap_or_default();
    let rate = median(&rates);
    Ok(vec![Row::new(
        "stream of distinct alerts, receipt to outcome, `log::write`",
        format!("{rate:.0}/s (spread {:.0} %), {cores:.1} processors", 100.0 * spread(&rates)),
        format!("rival, in memory: {RIVAL:.0}/s; one sync {}", millis(sync)),
        format!("{:.1} times the rival", rate / RIVAL),
        "50 times the rival",
    )])
}

fn round(bench: &Bench) -> Result<Round, Error> {
    let sync = bench.sync()?;
    let setup = Setup { rules: vec![rules::log()], policy: NO_LIMITS.to_owned(), ..Setup::default() };
    let selfheal = Subject::selfheal(&bench.programs, &setup)?;
    let flood = Flood {
        address: selfheal.address(),
        connections: bench.connections,
        threads: 1,
        duration: WARM_UP + bench.seconds,
        rate: None,
        distinct: true,
    };
    let numbers = Numbers::new();
    numbers.allow(AHEAD_MAX);
    let (request, over) = (Request::new(rules::ALERT, 1), AtomicBool::new(false));
    let (answers, counted) = std::thread::scope(|scope| {
        let counting = scope.spawn(|| count(&selfheal, &numbers, &over));
        let answers = flood.run(&request, &numbers);
        over.store(true, Ordering::Relaxed);
        (answers, counting.join())
    });
    let (rate, cores) = counted.map_err(|_| Error::Server("the count panicked".to_owned()))??;
    let answers = answers?;
    let wanted = answers.good();
    selfheal.wait_until("every alert had its outcome", Duration::from_secs(60), |metrics| {
        metrics.count(OUTCOMES, "") >= wanted
    })?;
    selfheal.stop()?;
    Ok(Round { rate, answers: answers.times.summary(), cores, sync })
}

/// Counts outcomes and lets the client go on; gives outcomes a second and processors used after the warm-up.
fn count(selfheal: &Subject, numbers: &Numbers, over: &AtomicBool) -> Result<(f64, f64), Error> {
    let begun = Instant::now();
    let mut from = None;
    loop {
        let outcomes = selfheal.metrics()?.count(OUTCOMES, "");
        let now = (Instant::now(), outcomes, selfheal.processor_seconds()?);
        numbers.allow(outcomes + AHEAD_MAX);
        if begun.elapsed() >= WARM_UP {
            let (since, before, used) = *from.get_or_insert(now);
            if over.load(Ordering::Relaxed) {
                let seconds = (now.0 - since).as_secs_f64().max(f64::MIN_POSITIVE);
                return Ok(((outcomes - before) as f64 / seconds, (now.2 - used) / seconds));
            }
        } else if over.load(Ordering::Relaxed) {
            return Err(Error::Server("the client ended before it was warm".to_owned()));
        }
        std::thread::sleep(LOOK);
    }
}
