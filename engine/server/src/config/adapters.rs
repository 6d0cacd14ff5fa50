//! The section `adapters`: each adapter of the roster checks its own part, and nobody else knows what is in it.

use selfheal_contract::settings::{Collector, Location, Node, Section, Value};
use selfheal_contract::{Adapter, Inherits, Prepared, RosterEntry};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// An adapter whose part is checked.
pub struct CheckedAdapter {
    /// The name of its part.
    pub section: &'static str,
    /// Whether the operator wrote anything there.
    pub configured: bool,
    /// The adapter, ready to be connected.
    pub prepared: Box<dyn Prepared>,
    /// The same with nothing configured.
    bare: fn(&mut Section<'_>) -> Box<dyn Prepared>,
}

impl CheckedAdapter {
    /// Connects it; where its settings cannot be used, because something was left open, as one for which nothing is
    /// configured: it has the same functions.
    ///
    /// # Errors
    /// A text for the operator.
    pub fn connect_or_bare(self) -> Result<Adapter, String> {
        self.prepared.connect().or_else(|_| {
            let (nothing, collector) =
                (Node { value: Value::Null, at: Location::START }, Collector::default());
            (self.bare)(&mut Section::root(&nothing, &collector)).connect()
        })
    }
}

/// The adapters of the roster, in its order.
#[derive(Default)]
pub struct Adapters(Vec<CheckedAdapter>);

impl Adapters {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &CheckedAdapter> {
        self.0.iter()
    }

    /// All of them, to be connected.
    pub fn into_checked(self) -> Vec<CheckedAdapter> {
        self.0
    }
}

/// Each with whether it is configured: what is in its part is the adapter's own, and may be secret.
impl Serialize for Adapters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for CheckedAdapter { section, configured, .. } in &self.0 {
            map.serialize_entry(section, if *configured { "configured" } else { "not configured" })?;
        }
        map.end()
    }
}

/// Reads the section. An adapter without a part gets an empty one, and so its defaults; what it inherits is added.
pub(super) fn check(section: &mut Section<'_>, roster: &[RosterEntry]) -> Adapters {
    let adapters = roster.iter().map(|entry| {
        let mut part = section.section(entry.section);
        if let Some(Inherits { from, keys }) = entry.inherits {
            part = part.inheriting(&section.section(from), keys);
        }
        CheckedAdapter {
            section: entry.section,
            configured: section.has(entry.section),
            prepared: (entry.check)(&mut part),
            bare: entry.check,
        }
    });
    let adapters = adapters.collect();
    section.finish();
    Adapters(adapters)
}
