//! Single rooms: what each costs beside its floor, within one process.

mod decide;
mod journal;
mod parse;
mod shipped;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use selfheal_contract::Catalog;
use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value};
use selfheal_script::{Compiler, Limits, RuleFile, RuleSet};

use crate::error::Error;
use crate::report::Row;
use crate::statistics::{median, spread};

/// Something to be done again and again.
pub type Work = Box<dyn FnMut()>;

/// A room and its floor.
pub struct Case {
    /// What is measured.
    pub figure: &'static str,
    /// What the floor is.
    pub floor_is: &'static str,
    /// What is wanted of the ratio; empty where nothing is.
    pub wanted: &'static str,
    /// The floor's work.
    pub floor: Work,
    /// The room's.
    pub work: Work,
}

/// All cases. Those of the journal keep their files in `directory`.
///
/// # Errors
/// The journal cannot be opened there.
pub fn all(directory: &std::path::Path) -> Result<Vec<Case>, Error> {
    let mut cases = parse::cases();
    cases.extend(decide::cases());
    cases.push(shipped::case());
    cases.extend(journal::cases(directory)?);
    Ok(cases)
}

/// How long one side works at a time.
const TURN: Duration = Duration::from_millis(25);

impl Case {
    /// Measures both sides in turns, `rounds` times.
    pub fn compare(&mut self, rounds: usize) -> Row {
        let (mut floors, mut works, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=rounds {
            let (floor, work) = (turn(&mut self.floor), turn(&mut self.work));
            // The first round is for the caches.
            if round > 0 {
                floors.push(floor);
                works.push(work);
                ratios.push(work / floor);
            }
        }
        let shown = |values: &[f64]| match median(values) {
            seconds if seconds < 1e-3 => format!("{:.2} µs", seconds * 1e6),
            seconds => format!("{:.2} ms", seconds * 1e3),
        };
        let floor = format!("{} ({})", shown(&floors), self.floor_is);
        let noise = 100.0 * spread(&floors);
        let ratio = format!("{:.2} (floor's spread {noise:.0} %)", median(&ratios));
        Row::new(self.figure, shown(&works), floor, ratio, self.wanted)
    }
}

/// Seconds that one piece of work takes.
fn turn(work: &mut Work) -> f64 {
    let begun = Instant::now();
    let mut count = 0_u32;
    while begun.elapsed() < TURN {
        work();
        count += 1;
    }
    begun.elapsed().as_secs_f64() / f64::from(count)
}

/// The adapters of the roster, with one PostgreSQL target `main` that is never asked.
fn catalog() -> Catalog {
    let target = [("host", "127.0.0.1"), ("database", "app"), ("user", "selfheal"), ("password", "unused")];
    let target = map(target.map(|(name, text)| (name, node(Value::Text(text.to_owned())))));
    let postgres = map([("targets", map([("main", target)]))]);
    let nothing = node(Value::Null);
    let connect = |entry: &selfheal_contract::RosterEntry| {
        let settings = if entry.section == "postgres" { &postgres } else { &nothing };
        let collector = Collector::default();
        let prepared = (entry.check)(&mut Section::root(settings, &collector));
        let prepared = collector.accept(prepared).expect("these settings are checked by a test");
        prepared.connect().expect("nothing is connected before it is asked")
    };
    Catalog::new(selfheal_roster::ROSTER.iter().map(connect))
}

fn node(value: Value) -> Node {
    Node { value, at: Location::START }
}

fn map<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let key = |name: &str| Key { name: name.to_owned(), at: Location::START };
    node(Value::Map(entries.map(|(name, node)| (key(name), node)).into()))
}

/// The thresholds that shipped rules ask for.
fn settings() -> BTreeMap<String, serde_json::Value> {
    let values = serde_json::json!({
        "postgres_database": "main", "postgres_conn_threshold": 0.85, "idle_connection_age": "10m",
    });
    values.as_object().cloned().unwrap_or_default().into_iter().collect()
}

/// Compiles rules against the roster.
///
/// # Panics
/// A rule does not compile: the rules of this crate do.
pub fn compile(rules: Vec<crate::rules::Rule>) -> RuleSet {
    let compiler = Compiler::new(&catalog(), settings(), Limits::default());
    let file = |(name, text): crate::rules::Rule| {
        let path = format!("{name}.rhai");
        RuleFile::new(name, path, text)
    };
    let files = rules.into_iter().map(file).collect();
    RuleSet::build(&compiler, files).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}
