//! Where the values of the tree come from that no file holds: flags, environment variables, nowhere.
//!
//! A node and its faults know only a [`Location`]. Lines count from 1, so line 0 is free to mean "not in the file";
//! its column then says which origin.

use std::fmt;

use selfheal_contract::settings::Location;

/// The place of what nobody wrote: the root of a configuration without a file.
pub(super) const NOWHERE: Location = Location { line: 0, column: 0 };

/// Something other than the file that gave a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable, by name.
    Variable(&'static str),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
    /// Nothing: a default, or something missing, where there is no file.
    Nowhere,
}

impl Origin {
    /// The variable's or flag's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Variable(name) | Self::Flag(name) => name,
            Self::Nowhere => "configuration",
        }
    }
}

/// As a fault begins: `POSTGRES_PORT in the environment`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{name} in the environment"),
            Self::Flag(name) => write!(f, "{name} on the command line"),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

/// The origins that gave values to one tree.
#[derive(Debug, Default)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// A place for a value that this origin gives.
    pub(super) fn place(&mut self, origin: Origin) -> Location {
        self.0.push(origin);
        Location { line: 0, column: self.0.len() }
    }

    /// The origin of what stands at a place; `None` if that is in the file.
    pub fn of(&self, at: Location) -> Option<Origin> {
        let origin = || at.column.checked_sub(1).and_then(|index| self.0.get(index)).copied();
        (at.line == 0).then(|| origin().unwrap_or(Origin::Nowhere))
    }
}
