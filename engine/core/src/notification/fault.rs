//! What can be wrong with a notification: with one of its alerts, or with the body as a whole. Both say where, what was
//! expected, and have a kind that metrics count by.

use std::fmt;

use thiserror::Error;

use super::{ALERTS_MAX, VERSION};
use crate::alert::AlertFaultKind;

/// A place in a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Bytes before it.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its byte in that line, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {} (byte {})", self.line, self.column, self.offset)
    }
}

/// Why one alert cannot be taken. Its neighbours can.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("alerts[{index}]{}: {problem} at {at}", path(*field, label.as_deref()))]
pub struct AlertFault {
    /// Its place in `alerts`, from 0.
    pub index: usize,
    /// Where in the body reading it stopped: at or right after what is wrong.
    pub at: Position,
    /// What sort of fault it is.
    pub kind: AlertFaultKind,
    /// The field, where it is one field's fault.
    pub field: Option<&'static str>,
    /// The label or annotation, where it is one's fault.
    pub label: Option<Box<str>>,
    /// What was found, and what was expected.
    pub problem: Box<str>,
}

fn path(field: Option<&str>, label: Option<&str>) -> String {
    match (field, label) {
        (Some(field), Some(label)) => {
            format!(".{field}[{:?}]", label.chars().take(64).collect::<String>())
        }
        (Some(field), None) => format!(".{field}"),
        (None, _) => String::new(),
    }
}

/// Why a body cannot be taken at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} at {at}")]
pub struct BodyFault {
    /// Where.
    pub at: Position,
    /// Why.
    pub kind: BodyFaultKind,
}

/// Why a body cannot be taken at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyFaultKind {
    /// It is not JSON, or ends too early, or goes on after its end.
    #[error("the body is not JSON: {0}")]
    NotJson(Box<str>),
    /// A field of the body has another type than it must have, or exceeds a bound.
    #[error("{field}: {problem}")]
    WrongField {
        /// Which field; "body" for the body itself.
        field: &'static str,
        /// What was found, and what was expected.
        problem: Box<str>,
    },
    /// There is no `alerts`.
    #[error("alerts: missing, expected an array of alerts")]
    NoAlerts,
    /// There is more than one `alerts`.
    #[error("alerts: given twice, expected one array of alerts")]
    AlertsTwice,
    /// There are more than [`ALERTS_MAX`] alerts.
    #[error(
        "alerts: more than {ALERTS_MAX} in one body, expected at most that; set max_alerts in Alertmanager"
    )]
    TooManyAlerts,
    /// There is no `version`.
    #[error("version: missing, expected \"{VERSION}\"; is this Alertmanager's webhook?")]
    NoVersion,
    /// The version is one that is not understood.
    #[error("version: {:?} is not supported, expected \"{VERSION}\"", .0.chars().take(64).collect::<String>())]
    WrongVersion(String),
}

impl BodyFaultKind {
    /// The kind in snake case, for metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::WrongField { .. } => "wrong_field",
            Self::NoAlerts => "no_alerts",
            Self::AlertsTwice => "alerts_twice",
            Self::TooManyAlerts => "too_many_alerts",
            Self::NoVersion => "no_version",
            Self::WrongVersion(_) => "wrong_version",
        }
    }
}
