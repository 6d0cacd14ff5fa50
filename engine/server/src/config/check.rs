//! The whole way from text to [`Configuration`], and the settings that belong to no section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use selfheal_contract::RosterEntry;
use selfheal_contract::settings::{Collector, Node, Section, Value};

use super::interpolate::{Sources, interpolate};
use super::origins::NOWHERE;
use super::overlay::Overlay;
use super::reading::is_written;
use super::refused::Refused;
use super::{Configuration, Overrides, Switch, yaml};
use super::{
    access, adapters, alertmanager, checks, intake, people, policy, settings, sinks, storage, telemetry,
};

/// Checks a whole configuration.
///
/// `text` is that of the file, which the operator knows as `file_name`; without a file, defaults, environment and flags
/// make the configuration. Flags beat the environment, which beats the file.
///
/// # Errors
/// Every fault that there is, with its line, variable or flag, and a suggestion. Of a text that is no YAML, only why.
pub fn check(
    text: Option<&str>,
    file_name: &str,
    sources: &Sources<'_>,
    overrides: &Overrides,
    roster: &[RosterEntry],
) -> Result<Configuration, Refused> {
    let collector = Collector::default();
    let read = match text {
        Some(text) => yaml::read(text, &collector),
        None => Some(Node { value: Value::Null, at: NOWHERE }),
    };
    // What cannot be read has its fault already, and an empty tree would only add others that are not there.
    let readable = read.is_some();
    let mut tree = read.unwrap_or(Node { value: Value::Null, at: NOWHERE });
    let adapters: Vec<&str> = roster.iter().map(|entry| entry.section).collect();
    let overlay = Overlay { environment: sources.environment, overrides, adapters: &adapters };
    let mut traces = overlay.apply(&mut tree, &collector);
    let mut left_open = Vec::new();
    let tree = interpolate(tree, sources, &collector, &mut left_open);
    left_open.dedup();
    traces.notes.extend(left_open.iter().map(|reference| format!("{reference} was left open")));
    let configuration = readable.then(|| {
        let notes = std::mem::take(&mut traces.notes);
        sections(&mut Section::root(&tree, &collector), &collector, roster, notes)
    });
    match collector.accept(configuration) {
        Ok(configuration) => Ok(configuration.expect("a text that cannot be read leaves a fault")),
        Err(faults) => Err(Refused::new(&faults, file_name, text.unwrap_or_default(), &traces.origins)),
    }
}

fn sections(
    root: &mut Section<'_>,
    collector: &Collector,
    roster: &[RosterEntry],
    mut notes: Vec<String>,
) -> Configuration {
    let Listen(listen) = root.parsed_or("listen", Listen(SocketAddr::from(([127, 0, 0, 1], 8400))));
    let (mut intake, mut api) = (root.section("intake"), root.section("api"));
    let webhook_locked = is_written(&mut intake, "bearer_tokens") || is_written(&mut intake, "basic");
    let api_locked = is_written(&mut api, "tokens");
    access::forbid_open_doors(root, listen, webhook_locked, api_locked);
    let sinks = sinks::check(root);
    let policy = policy::check(&mut root.section("policy"));
    let settings = settings::check(root, &policy, collector, &mut notes);
    let adapters = adapters::check(&mut root.section("adapters"), roster);
    let mut configuration = Configuration {
        listen,
        data: directory(root, "data", "./data"),
        rules: directory(root, "rules", super::RULES_DEFAULT),
        external_url: root
            .optional_url("external_url", &["http", "https"])
            .map(|url| url.trim_end_matches('/').to_owned()),
        intake: intake::check(&mut intake),
        api: access::api(&mut api),
        switch: switch(&mut root.section("switch")),
        learning: root.bool_or("learning", true),
        checks: checks::check(&mut root.section("checks"), &settings, &adapters),
        settings,
        policy,
        journal: storage::journal(&mut root.section("journal")),
        retention: storage::retention(&mut root.section("retention")),
        audit: storage::audit(&mut root.section("audit")),
        ledger: storage::ledger(&mut root.section("ledger")),
        alertmanager: alertmanager::check(&mut root.section("alertmanager"), collector),
        escalation: people::escalation(root, &sinks),
        slack: people::slack(root, &sinks),
        sinks,
        telemetry: telemetry::check(&mut root.section("telemetry")),
        adapters,
        notes,
    };
    root.finish();
    if configuration.journal.url.is_some() && configuration.ledger.url.is_none() {
        configuration.notes.push(
            "the journal is on PostgreSQL and the ledger is embedded: this can be the only process at that journal, and \
             another one is refused; set ledger.url to a Redis that all replicas share, so that cooldowns and limits hold \
             for all of them together"
                .to_owned(),
        );
    }
    configuration
}

fn switch(section: &mut Section<'_>) -> Switch {
    let enabled = section.bool_or("enabled", true);
    section.finish();
    Switch { enabled }
}

fn directory(root: &mut Section<'_>, name: &str, default: &str) -> PathBuf {
    PathBuf::from(root.optional_text(name).unwrap_or_else(|| default.to_owned()))
}

/// An address to listen on.
struct Listen(SocketAddr);

#[derive(Debug, thiserror::Error)]
#[error("expected an IP address with a port, such as 127.0.0.1:8400, 0.0.0.0:8400 or [::1]:8400")]
struct NoListen;

impl FromStr for Listen {
    type Err = NoListen;

    fn from_str(text: &str) -> Result<Self, NoListen> {
        text.parse().map(Self).map_err(|_| NoListen)
    }
}
