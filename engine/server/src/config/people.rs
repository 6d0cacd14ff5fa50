//! The sections `escalation` and `slack`: who is told when nobody takes an issue in hand, and whose buttons count.

use std::collections::{BTreeMap, BTreeSet};

use selfheal_contract::settings::{Secret, Section, suggest};
use selfheal_core::span::Span;
use serde::Serialize;

use super::access::Role;
use super::reading::{is_name, is_written, required_choice};
use super::shown;
use super::sinks::{Receiver, Sink};

/// The most levels of escalation.
pub const LEVELS_MAX: usize = 10;
/// The longest time until a level is told.
const AFTER_MAX: Span = Span::from_hours(24);
/// The most people of Slack.
pub const SLACK_USERS_MAX: usize = 1000;

/// A level of escalation.
#[derive(Debug, Clone, Serialize)]
pub struct Level {
    /// How long after something needed a person. 0 s to 24 h; each level later than the one before.
    pub after: Span,
    /// The names of the sinks that are told, at least one.
    pub sinks: Vec<String>,
}

/// Slack's buttons.
#[derive(Debug, Clone, Serialize)]
pub struct Slack {
    /// With this Slack signs what it sends: the app's Signing Secret.
    #[serde(serialize_with = "shown::secret")]
    pub signing_secret: Secret,
    /// Who may press them.
    pub users: Vec<SlackUser>,
}

/// A person in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackUser {
    /// Slack's own name: `U012ABCDEF`.
    pub id: String,
    /// The name for the record, the same as that of the person's API token, if there is one.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// Reads the list `escalation`.
pub(super) fn escalation(root: &mut Section<'_>, sinks: &BTreeMap<String, Sink>) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    let mut named: BTreeSet<String> = BTreeSet::new();
    for mut section in root.list("escalation") {
        let after = section.span_or("after", Span::ZERO, Span::ZERO..=AFTER_MAX);
        let level = Level { after, sinks: section.texts("sinks") };
        if !is_written(&mut section, "sinks") {
            section.reject(
                "sinks",
                "required, but missing",
                Some("name the sinks that are told, such as [ops]"),
            );
        }
        for name in &level.sinks {
            if !sinks.contains_key(name) {
                let help = suggest(name, sinks.keys().map(String::as_str))
                    .map(|meant| format!("did you mean {meant:?}?"));
                section.reject("sinks", format!("there is no sink {name:?}"), help.as_deref());
            }
            if !named.insert(name.clone()) {
                section.reject("sinks", format!("{name:?} is told at an earlier level already"), None);
            }
        }
        if levels.last().is_some_and(|before| before.after >= after) {
            section.reject("after", "must be later than the level before", None);
        }
        section.finish();
        levels.push(level);
    }
    if levels.len() > LEVELS_MAX {
        root.reject("escalation", format!("at most {LEVELS_MAX} are possible, found {}", levels.len()), None);
    }
    levels
}

/// Reads the section `slack`.
pub(super) fn slack(root: &mut Section<'_>, sinks: &BTreeMap<String, Sink>) -> Option<Slack> {
    let mut section = root.optional_section("slack")?;
    let signing_secret = section.secret("signing_secret");
    let users: Vec<SlackUser> = section.list("users").into_iter().filter_map(user).collect();
    let mut ids = BTreeSet::new();
    for user in &users {
        if !ids.insert(user.id.as_str()) {
            section.reject("users", format!("{:?} is named twice", user.id), None);
        }
    }
    if users.len() > SLACK_USERS_MAX {
        section.reject(
            "users",
            format!("at most {SLACK_USERS_MAX} are possible, found {}", users.len()),
            None,
        );
    }
    if !sinks.values().any(|sink| matches!(sink.receiver, Receiver::SlackApp { .. })) {
        let help = "add a sink of kind slack_app, or leave the section out";
        section.reject("signing_secret", "there is no sink whose buttons could be pressed", Some(help));
    }
    section.finish();
    Some(Slack { signing_secret, users })
}

fn user(mut section: Section<'_>) -> Option<SlackUser> {
    let id = section.text("id");
    let name = section.text("name");
    if !name.is_empty() && !is_name(&name) {
        section.reject("name", format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"), None);
    }
    let role = required_choice(&mut section, "role", Role::NAMES);
    section.finish();
    Some(SlackUser { id, name, role: role? })
}
