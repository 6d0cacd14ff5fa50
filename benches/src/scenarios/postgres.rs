//! Durable intake on PostgreSQL, beside SQLite and beside a handler that only parses, in turns on the same disk.
//!
//! PostgreSQL syncs its commits, as SQLite does. Its data is below the directory for temporary files (`TMPDIR`), which has
//! to be on the disk that is measured.

use selfheal_test_servers::{Postgres, PostgresOptions};

use super::intake::{count, flood, others};
use crate::body::Request;
use crate::error::Error;
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::{Times, median};
use crate::subject::{ALL_TAKEN, NO_LIMITS, Setup, Subject};

/// A server whose commits are on disk, as they have to be where it is relied on.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) fn durable() -> Result<Postgres, Error> {
    let settings = vec![("shared_buffers".to_owned(), "256MB".to_owned())];
    Ok(Postgres::start_with(&PostgresOptions { fsync: true, settings, ..PostgresOptions::default() })?)
}

/// The section `journal` for a journal in this server.
pub(super) fn journal(server: &Postgres) -> String {
    format!("{{url: {:?}}}", server.url())
}

/// Measures it with bodies of one alert and of ten that no rule matches.
///
/// # Errors
/// A process cannot be started or does not answer.
pub fn postgres(bench: &Bench) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for alerts in [1, 10] {
        rows.extend(measure(bench, alerts)?);
    }
    Ok(rows)
}

/// Answers a second, round by round, and their times.
#[derive(Default)]
struct Taken {
    rates: Vec<f64>,
    times: Times,
}

fn measure(bench: &Bench, alerts: u64) -> Result<Vec<Row>, Error> {
    let request = Request::new(rules::ALERT, alerts);
    let setup = Setup {
        rules: vec![rules::other()],
        policy: NO_LIMITS.to_owned(),
        intake: ALL_TAKEN.to_owned(),
        ..Setup::default()
    };
    let (mut floor, mut sqlite, mut postgres) = (Taken::default(), Taken::default(), Taken::default());
    for round in 0..bench.rounds {
        let take = |taken: &mut Taken, name: &str, subject: &Subject| {
            let answers = flood(bench, subject, &request, true)?;
            let (rate, summary) = (answers.rate(), answers.times.summary());
            let others = others(&answers);
            report::note(format!("{alerts} alerts, round {round}, {name}: {rate:.0}/s, {summary}{others}"));
            taken.rates.push(rate);
            taken.times.join(answers.times);
            Ok::<_, Error>(())
        };
        take(&mut floor, "floor", &Subject::floor(&bench.programs)?)?;
        take(&mut sqlite, "SQLite", &Subject::selfheal(&bench.programs, &setup)?)?;
        let server = durable()?;
        let on_postgres = Setup { journal: journal(&server), ..setup.clone() };
        take(&mut postgres, "PostgreSQL", &Subject::selfheal(&bench.programs, &on_postgres)?)?;
    }
    let row = |beside: &Taken, name: &str| {
        let ratios: Vec<f64> =
            postgres.rates.iter().zip(&beside.rates).map(|(rate, floor)| rate / floor).collect();
        Row::new(
            format!("intake on PostgreSQL, {} a body, no rule matches", count(alerts)),
            format!("{:.0}/s, {}", median(&postgres.rates), postgres.times.summary()),
            format!("{name}: {:.0}/s, {}", median(&beside.rates), beside.times.summary()),
            format!("{:.2}", median(&ratios)),
            "",
        )
    };
    Ok(vec![row(&floor, "bare handler"), row(&sqlite, "SQLite")])
}
