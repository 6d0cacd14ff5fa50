//! A rule's header: which alerts it is for, how urgent it is, how often it may act.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::matcher::Matcher;
use crate::span::Span;

/// How urgent a rule's alerts are: how long selfheal waits for them to go away by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// At once.
    Critical,
    /// After 5 minutes, unless configured otherwise.
    High,
    /// After 15 minutes.
    Medium,
    /// After an hour.
    Low,
}

/// The part of the health score on which a rule's issues weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// Pods, CPU, memory.
    Compute,
    /// Latency, reachability.
    Network,
    /// Disks, volumes.
    Storage,
    /// Databases, caches, queues.
    Database,
    /// Certificates, vulnerabilities, drift.
    Security,
}

/// How far selfheal may go by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decide and preview, change nothing.
    Shadow,
    /// Ask a person before every plan.
    Approve,
    /// Act within the policy.
    Auto,
}

/// How many failures within which time lead to the next, stronger plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Failed tries, 1 or more.
    pub failures: u32,
    /// The window in which they are counted.
    pub within: Span,
}

/// 3 failures in 10 minutes.
impl Default for Escalation {
    fn default() -> Self {
        Self { failures: 3, within: Span::from(Duration::from_secs(600)) }
    }
}

/// The data at the top of a rule's file.
#[derive(Clone, Debug)]
pub struct RuleHeader {
    /// The file's name without its ending.
    pub name: String,
    /// The file's leading `//!` comment.
    pub doc: String,
    /// All must hold for the rule to be for an alert.
    pub matchers: Vec<Matcher>,
    /// How urgent.
    pub priority: Priority,
    /// The least time between two remediations of the same target by this rule.
    pub cooldown: Span,
    /// The part of the health score it weighs on.
    pub component: Component,
    /// The rule's own mode; the stricter of this and the operator's holds.
    pub mode: Option<Mode>,
    /// When to go to a stronger plan.
    pub escalation: Escalation,
}

/// A rule's cooldown when its header names none: five minutes.
pub const COOLDOWN_DEFAULT: Duration = Duration::from_secs(300);

macro_rules! names {
    ($($kind:ty: $($value:path = $name:literal),+;)+) => {$(
        impl $kind {
            /// All values with their names, as written in rules, configuration and JSON.
            pub const NAMES: &[(&str, Self)] = &[$(($name, $value)),+];

            /// The name, as written in rules, configuration and JSON.
            pub fn name(self) -> &'static str {
                match self { $($value => $name),+ }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::NAMES.iter().find(|(name, _)| *name == text);
                found.map(|(_, value)| *value).ok_or_else(|| {
                    let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
                    format!("expected one of {}", names.join(", "))
                })
            }
        }
    )+};
}
pub(crate) use names;

names! {
    Priority: Priority::Critical = "critical", Priority::High = "high", Priority::Medium = "medium", Priority::Low = "low";
    Component: Component::Compute = "compute", Component::Network = "network", Component::Storage = "storage",
        Component::Database = "database", Component::Security = "security";
    Mode: Mode::Shadow = "shadow", Mode::Approve = "approve", Mode::Auto = "auto";
}
