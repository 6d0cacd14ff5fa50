//! The example file is the documentation of the configuration: it shows the defaults, all of them, and is valid.

use selfheal_contract::settings::{Collector, Section};

use super::super::{FILE_VARIABLE, VARIABLES, yaml};
use super::*;

const EXAMPLE: &str = include_str!("../../../../../deploy/selfheal.example.yaml");

#[test]
fn the_example_shows_the_defaults() {
    let around = Around::default();
    let mut shown = in_force(Some(EXAMPLE), &around);
    let mut default = in_force(None, &around);
    assert_eq!(shown, default);

    // Every key has its line, be it behind a #.
    let mut keys = Vec::new();
    for part in [&mut shown, &mut default] {
        collect_keys(part, &mut keys);
    }
    for key in keys {
        let has_line = |line: &str| {
            line.trim_start().trim_start_matches('#').trim_start().starts_with(&format!("{key}:"))
        };
        assert!(EXAMPLE.lines().any(has_line), "{key} is not in the example");
    }
}

fn collect_keys(value: &Value, keys: &mut Vec<String>) {
    if let Value::Object(entries) = value {
        for (key, value) in entries {
            keys.push(key.clone());
            collect_keys(value, keys);
        }
    }
}

#[test]
fn every_setting_behind_a_hash_is_valid_too() {
    let around = Around {
        environment: vec![
            ("WEBHOOK_TOKEN", "0123456789abcdef"),
            ("WEBHOOK_PASSWORD", "0123456789abcdef"),
            ("WEBHOOK_SECRET", "0123456789abcdef"),
            ("API_TOKEN", "0123456789abcdef"),
            ("JOURNAL_PASSWORD", "x"),
            ("LEDGER_PASSWORD", "x"),
            ("ALERTMANAGER_PASSWORD", "x"),
        ],
        ..Around::default()
    };
    let bare = Around { missing: Missing::LeftOpen, ..Around::default() };
    let is_setting = |line: &&str| {
        let hidden = line.trim_start().strip_prefix('#');
        hidden.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    };
    let mut tried = 0;
    for line in EXAMPLE.lines().filter(is_setting) {
        let key = line.trim_start().trim_start_matches('#').split_once(':').expect("a key").0;
        let indent = &line[..line.len() - line.trim_start().len()];
        // A key that is shown with its default as well is replaced by the example.
        let default = format!("{indent}{key}: ");
        let kept = EXAMPLE.lines().filter(|other| !other.starts_with(&default));
        let text: String = kept
            .map(|other| if other == line { line.replacen('#', "", 1) } else { other.to_owned() } + "\n")
            .collect();
        in_force(Some(&text), &around);
        // Where its secrets are not, it is as good.
        let configuration = check_around(Some(&text), &bare).unwrap_or_else(|refused| panic!("{refused}"));
        let references = line.matches("${").count() - line.matches(":-").count();
        let left_open = configuration.notes.iter().filter(|note| note.ends_with("was left open")).count();
        assert_eq!(left_open, references, "{line}: {:?}", configuration.notes);
        tried += 1;
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn every_variable_is_in_the_example() {
    for name in VARIABLES.iter().map(|variable| variable.name).chain([FILE_VARIABLE]) {
        assert!(EXAMPLE.contains(name), "{name}");
    }
}

/// The example with the sections of all adapters, which are there as blocks of comments.
fn with_adapters() -> String {
    let block = |line: &str| line.strip_prefix("  #   ").map(|rest| format!("  {rest}\n"));
    EXAMPLE.lines().map(|line| block(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}

#[test]
fn every_key_of_every_adapter_is_in_the_example() {
    let adapters = EXAMPLE.split_once("\nadapters:\n").expect("the section of adapters").1;
    let text = with_adapters();
    for entry in selfheal_roster::ROSTER {
        let collector = Collector::default();
        let tree = yaml::read(&text, &collector).expect("it can be read");
        let mut section = Section::root(&tree, &collector).section("adapters").section(entry.section);
        drop((entry.check)(&mut section));
        for key in collector.asked().iter().filter(|key| !["adapters", entry.section].contains(&key.as_str()))
        {
            let named = |before: &str| adapters.contains(&format!("{before}{key}:"));
            assert!(
                [" ", "{", "#"].iter().any(|before| named(before)),
                "{key}, which {} reads, is not in deploy/selfheal.example.yaml",
                entry.section
            );
        }
        if let Err(faults) = collector.accept(()) {
            panic!("{faults}");
        }
    }
}
