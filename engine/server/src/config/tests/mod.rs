//! Whole configurations, from text, environment and flags to what is in force or what the operator is told.

mod checks;
mod environment;
mod example;
mod faults;
mod sections;

use std::collections::BTreeMap;
use std::io;

use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, Prepared, RosterEntry};
use serde_json::Value;

use super::{Configuration, Missing, Overrides, Refused, Sources};

/// What is around a file.
#[derive(Default)]
struct Around {
    environment: Vec<(&'static str, &'static str)>,
    overrides: Overrides,
    /// Where values may be left open, no file can be read.
    missing: Missing,
}

/// An adapter that only says what it found under `url` and its targets.
struct Nothing;

impl Prepared for Nothing {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        Ok(Adapter {
            name: "nothing",
            doc: "Does nothing.",
            actions: Vec::new(),
            probes: Vec::new(),
            ..Adapter::default()
        })
    }
}

fn postgres(section: &mut Section<'_>) -> Box<dyn Prepared> {
    for (_, mut target) in section.map("targets") {
        target.text("host");
        target.integer_or("port", 5432_u16, 1..=u16::MAX);
        target.optional_text("database");
        target.text("user");
        target.optional_secret("password");
        target.finish();
    }
    section.finish();
    Box::new(Nothing)
}

fn redis(section: &mut Section<'_>) -> Box<dyn Prepared> {
    for (_, mut target) in section.map("targets") {
        target.secret_url("url", &["redis", "rediss"]);
        target.finish();
    }
    section.finish();
    Box::new(Nothing)
}

fn prometheus(section: &mut Section<'_>) -> Box<dyn Prepared> {
    section.optional_url("url", &["http", "https"]);
    section.finish();
    Box::new(Nothing)
}

fn kafka(section: &mut Section<'_>) -> Box<dyn Prepared> {
    for (_, mut cluster) in section.map("clusters") {
        cluster.text("bootstrap");
        cluster.finish();
    }
    section.texts("settable");
    if let Some(mut source) = section.optional_section("source") {
        source.text("topic");
        source.optional_text("group");
        source.finish();
    }
    section.finish();
    Box::new(Nothing)
}

fn health(section: &mut Section<'_>) -> Box<dyn Prepared> {
    for (_, mut target) in section.map("targets") {
        target.optional_url("http", &["http", "https"]);
        target.optional_integer("status", 100_u16..=599);
        ["tcp", "contains", "timeout"].iter().for_each(|name| drop(target.optional_text(name)));
        target.finish();
    }
    section.finish();
    Box::new(Nothing)
}

const ROSTER: [RosterEntry; 5] = [
    RosterEntry { section: "postgres", check: postgres, inherits: None },
    RosterEntry { section: "redis", check: redis, inherits: None },
    RosterEntry { section: "prometheus", check: prometheus, inherits: None },
    RosterEntry { section: "kafka", check: kafka, inherits: None },
    RosterEntry { section: "health", check: health, inherits: None },
];

fn check_around(text: Option<&str>, around: &Around) -> Result<Configuration, Refused> {
    let environment: BTreeMap<String, String> =
        around.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let missing = around.missing;
    let read_file = |path: &std::path::Path| match path.to_str() {
        Some(name) if missing == Missing::Refused && name.starts_with("/run/secrets/") => {
            Ok(format!("https://a-secret-of-{}/0123456789abcdef\n", name.len()))
        }
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let sources = Sources { environment: &environment, read_file: &read_file, missing };
    super::check(text, "selfheal.yaml", &sources, &around.overrides, &ROSTER)
}

/// What is in force, in the shape of the file.
#[track_caller]
fn in_force(text: Option<&str>, around: &Around) -> Value {
    match check_around(text, around) {
        Ok(configuration) => serde_json::to_value(configuration).unwrap(),
        Err(refused) => panic!("{refused}"),
    }
}

/// The page of faults; empty if there are none.
fn page(text: &str) -> String {
    page_around(Some(text), &Around::default())
}

fn page_around(text: Option<&str>, around: &Around) -> String {
    check_around(text, around).err().map(|refused| refused.to_string()).unwrap_or_default()
}
