//! Start to ready with a thousand rules, and what is in memory when nothing happens.

use std::time::Duration;

use crate::error::Error;
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::median;
use crate::subject::{Setup, Subject};

/// Rules to start with.
const RULES: usize = 1000;
/// After this, nothing of the start is under way any more.
const SETTLE: Duration = Duration::from_secs(2);

/// Measures it.
///
/// # Errors
/// A process cannot be started.
pub fn start(bench: &Bench) -> Result<Vec<Row>, Error> {
    let (mut floors, mut starts) = (Vec::new(), Vec::new());
    let (mut floor_idle, mut idle, mut idle_few) = (Vec::new(), Vec::new(), Vec::new());
    let many = Setup { rules: rules::many(RULES), ..Setup::default() };
    let few = Setup { rules: rules::many(10), ..Setup::default() };
    for round in 0..bench.rounds {
        let subjects = [
            Subject::floor(&bench.programs)?,
            Subject::selfheal(&bench.programs, &many)?,
            Subject::selfheal(&bench.programs, &few)?,
        ];
        std::thread::sleep(SETTLE);
        let [floor, with_many, with_few] = &subjects;
        floors.push(floor.started_in.as_secs_f64());
        starts.push(with_many.started_in.as_secs_f64());
        floor_idle.push(floor.memory()?.resident);
        idle.push(with_many.memory()?.resident);
        idle_few.push(with_few.memory()?.resident);
        report::note(format!(
            "start, round {round}: {:?} with {RULES} rules, {:?} with 10; floor {:?}",
            with_many.started_in, with_few.started_in, floor.started_in
        ));
        subjects.into_iter().try_for_each(Subject::stop)?;
    }
    let row = |figure: &str, measured: &[f64], floor: &[f64], shown: fn(f64) -> String, wanted: &str| {
        let (measured, floor) = (median(measured), median(floor));
        Row::new(figure, shown(measured), shown(floor), format!("{:.1}", measured / floor), wanted)
    };
    let seconds = |value: f64| format!("{value:.3} s");
    let mebibytes = |value: f64| format!("{value:.0} MiB");
    Ok(vec![
        row("start to ready, 1 000 rules", &starts, &floors, seconds, "< 0.5 s"),
        row("idle, resident, 1 000 rules", &idle, &floor_idle, mebibytes, "< 64 MiB"),
        row("idle, resident, 10 rules", &idle_few, &floor_idle, mebibytes, "< 64 MiB"),
    ])
}
