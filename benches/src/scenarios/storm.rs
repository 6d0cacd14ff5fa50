//! A storm: 100 000 alerts in one body, and the same body again and again.

use std::time::{Duration, Instant};

use selfheal_test_servers::http;

use crate::body::Request;
use crate::error::{Error, While};
use crate::report::{self, Row};
use crate::rules::{self, Rule};
use crate::scenarios::Bench;
use crate::statistics::median;
use crate::subject::{Memory, Setup, Subject};

/// Alerts in the body.
const ALERTS: u64 = 100_000;
/// How long they may take to become issues, and to be decided about once.
const EXPANDED: Duration = Duration::from_secs(120);
/// How often the same body comes again.
const AGAIN: usize = 3;
/// After a body, this is waited for what it might set off.
const SETTLE: Duration = Duration::from_secs(5);

struct Round {
    answered: f64,
    again: f64,
    expanded: f64,
    first: Memory,
    second: Memory,
    journal: (f64, f64),
}

/// Measures it with the limits as shipped, once with a rule that matches all alerts and once with none.
///
/// # Errors
/// A process cannot be started or does not answer 200.
pub fn storm(bench: &Bench) -> Result<Vec<Row>, Error> {
    let mut rows = measure(bench, "no rule matches", false, rules::other())?;
    rows.extend(measure(bench, "log rule, limits as shipped", true, rules::log())?);
    Ok(rows)
}

fn measure(bench: &Bench, name: &str, matched: bool, rule: Rule) -> Result<Vec<Row>, Error> {
    let mut request = Request::new(rules::ALERT, ALERTS);
    request.number(crate::client::Numbers::FIRST);
    let setup = Setup { rules: vec![rule], ..Setup::default() };
    let (mut rounds, mut floors, mut floor_peaks) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..bench.rounds {
        let floor = Subject::floor(&bench.programs)?;
        floors.push(post(&floor, &request)?);
        floor_peaks.push(floor.memory()?.peak);
        floor.stop()?;
        let round = round(bench, &setup, matched, &request)?;
        report::note(format!(
            "storm, {name}, round {number}: answered in {:.2} s, expanded {:.2} s after it, three times again in {:.2} s at most; peak {:.0} then {:.0} \
             MiB, resident {:.0} then {:.0} MiB, journal {:.1} then {:.1} MiB",
            round.answered,
            round.expanded,
            round.again,
            round.first.peak,
            round.second.peak,
            round.first.resident,
            round.second.resident,
            round.journal.0,
            round.journal.1
        ));
        rounds.push(round);
    }
    let of = |read: fn(&Round) -> f64| median(&rounds.iter().map(read).collect::<Vec<_>>());
    let (floor, floor_peak) = (median(&floors), median(&floor_peaks));
    let megabytes = request.body().len() as f64 / 1e6;
    Ok(vec![
        Row::new(
            format!("storm, {ALERTS} alerts in {megabytes:.0} MB, {name}: answer"),
            format!(
                "{:.2} s; three times again {:.2} s at most",
                of(|round| round.answered),
                of(|round| round.again)
            ),
            format!("{floor:.2} s"),
            format!("{:.1}", of(|round| round.answered) / floor),
            "< 3 s",
        ),
        Row::new(
            format!("storm, {name}: peak resident"),
            format!(
                "{:.0} MiB; after it came three times again {:.0} MiB",
                of(|round| round.first.peak),
                of(|round| round.second.peak)
            ),
            format!("{floor_peak:.0} MiB"),
            format!("{:.1}", of(|round| round.first.peak) / floor_peak),
            "< 300 MiB, then no more",
        ),
        Row::new(
            format!("storm, {name}: journal"),
            format!(
                "{:.1} MiB; after it came three times again {:.1} MiB",
                of(|round| round.journal.0),
                of(|round| round.journal.1)
            ),
            format!("the body: {:.1} MiB", request.body().len() as f64 / (1024.0 * 1024.0)),
            format!("{:.1}", of(|round| round.journal.0) / (request.body().len() as f64 / (1024.0 * 1024.0))),
            "no more than before",
        ),
    ])
}

fn round(bench: &Bench, setup: &Setup, matched: bool, request: &Request) -> Result<Round, Error> {
    let selfheal = Subject::selfheal(&bench.programs, setup)?;
    let answered = post(&selfheal, request)?;
    let begun = Instant::now();
    selfheal.wait_until("all alerts had become issues", EXPANDED, |metrics| {
        metrics.count("self_healing_alerts_total", "result=\"opened\"") >= ALERTS
    })?;
    let expanded = begun.elapsed().as_secs_f64();
    if matched {
        // What the first body set off must be over before the growth by the second can be told.
        selfheal.wait_until("every issue was decided about", EXPANDED, |metrics| {
            metrics.count("self_healing_decisions_total", "") >= ALERTS
        })?;
    }
    std::thread::sleep(SETTLE);
    let (first, before) = (selfheal.memory()?, selfheal.journal_mebibytes());
    let mut again = 0.0_f64;
    for _ in 0..AGAIN {
        again = again.max(post(&selfheal, request)?);
    }
    std::thread::sleep(SETTLE);
    let (second, after) = (selfheal.memory()?, selfheal.journal_mebibytes());
    selfheal.stop()?;
    Ok(Round { answered, again, expanded, first, second, journal: (before, after) })
}

/// Posts the body; gives the seconds until the answer.
fn post(subject: &Subject, request: &Request) -> Result<f64, Error> {
    let begun = Instant::now();
    let url = format!("http://{}/webhook/alertmanager", subject.address());
    let headers = [("content-type", "application/json")];
    let answer = http::request("POST", &url, &headers, request.body()).doing("post the storm")?;
    if answer.status != 200 {
        return Err(Error::Server(format!("the storm was answered {}: {}", answer.status, answer.body)));
    }
    Ok(begun.elapsed().as_secs_f64())
}
