//! What holds remediations back at the moment, beside the switch: storms and the hourly limit.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_runtime::held::Storm;
use selfheal_runtime::switch::Position;
use serde::Serialize;

use super::switch::SwitchView;
use crate::insight::Held;

/// Where automatic remediation stands, and what holds it back.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Standing")]
pub(super) struct StandingView<'a> {
    #[serde(flatten)]
    switch: SwitchView<'a>,
    /// Rules that have too many new issues within a minute, or that a person lets go on although they have.
    storms: Vec<StormView<'a>>,
    /// Set while so many remediations were begun within the last hour that no other one is.
    hourly_limit: Option<HourlyLimit>,
}

/// A storm of new issues.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Storm")]
pub(super) struct StormView<'a> {
    rule: &'a str,
    /// Within the last minute.
    new_issues: u32,
    /// More than so many are a storm.
    most: u32,
    /// Whether the rule's plans are held.
    held: bool,
    /// When people were told of it.
    since: Option<Timestamp>,
    /// Until when a person lets the rule go on.
    released_until: Option<Timestamp>,
}

/// The limit of remediations in an hour, which is reached.
#[derive(JsonSchema, Serialize)]
pub(super) struct HourlyLimit {
    /// So many there may be in an hour.
    most: u32,
    /// When there is room for another one.
    until: Timestamp,
}

impl<'a> StandingView<'a> {
    pub(super) fn of(position: &'a Position, held: &'a Held, most: u32) -> Self {
        Self {
            switch: SwitchView::of(position),
            storms: held.storms.iter().map(StormView::of).collect(),
            hourly_limit: held.hourly_limit_until.map(|until| HourlyLimit { most, until }),
        }
    }
}

impl<'a> StormView<'a> {
    pub(super) fn of(storm: &'a Storm) -> Self {
        Self {
            rule: &storm.rule,
            new_issues: storm.new_issues,
            most: storm.most,
            held: storm.is_held(),
            since: storm.since,
            released_until: storm.released_until,
        }
    }
}
