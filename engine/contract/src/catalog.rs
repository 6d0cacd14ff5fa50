//! The catalog: the adapters that this process has, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::action::AnyAction;
use crate::probe::AnyProbe;
use crate::publish::Publish;
use crate::right::Rights;
use crate::settings::Section;
use crate::watch::Watch;

/// One outside system: its actions and probes, connected.
#[derive(Clone, Default)]
pub struct Adapter {
    /// Its name in rules: `pg` in `pg::terminate_idle(..)`.
    pub name: &'static str,
    /// What it is for; for the reference documentation.
    pub doc: &'static str,
    /// What it can change.
    pub actions: Vec<Arc<dyn AnyAction>>,
    /// What it can read.
    pub probes: Vec<Arc<dyn AnyProbe>>,
    /// What it listens to.
    pub watches: Vec<Arc<dyn Watch>>,
    /// Where it can be asked which rights it grants, if it can.
    pub rights: Option<Arc<dyn Rights>>,
    /// Where events can be published, if it takes some.
    pub publisher: Option<Arc<dyn Publish>>,
    /// Optional texts that are taken from the alert's label of the same name where a rule's call gives none: which of
    /// several targets an alert is about.
    pub from_labels: &'static [&'static str],
}

/// The adapters that this process has.
#[derive(Clone, Default)]
pub struct Catalog {
    adapters: BTreeMap<&'static str, Adapter>,
}

impl Catalog {
    /// A catalog of these adapters. Of two with one name the later is kept.
    pub fn new(adapters: impl IntoIterator<Item = Adapter>) -> Self {
        Self { adapters: adapters.into_iter().map(|adapter| (adapter.name, adapter)).collect() }
    }

    /// The same adapters, hearing nothing by themselves: for a process that only answers one question.
    pub fn without_watches(mut self) -> Self {
        self.adapters.values_mut().for_each(|adapter| adapter.watches.clear());
        self
    }

    /// All adapters, by name.
    pub fn adapters(&self) -> impl Iterator<Item = &Adapter> {
        self.adapters.values()
    }

    /// An action, by the names of its adapter and its own.
    pub fn action(&self, adapter: &str, action: &str) -> Option<&Arc<dyn AnyAction>> {
        self.adapters.get(adapter)?.actions.iter().find(|candidate| candidate.about().name == action)
    }

    /// A probe, by the names of its adapter and its own.
    pub fn probe(&self, adapter: &str, probe: &str) -> Option<&Arc<dyn AnyProbe>> {
        self.adapters.get(adapter)?.probes.iter().find(|candidate| candidate.about().name == probe)
    }
}

/// An adapter's line in the roster.
pub struct RosterEntry {
    /// Its section in the configuration, under `adapters`.
    pub section: &'static str,
    /// Checks the section: pure, collecting all faults. The section is empty when nothing is configured.
    pub check: fn(&mut Section<'_>) -> Box<dyn Prepared>,
    /// What it takes over from the section of another adapter, if it does.
    pub inherits: Option<Inherits>,
}

/// Keys that hold for an adapter as another's section has them, where its own has none of them.
#[derive(Clone, Copy, Debug)]
pub struct Inherits {
    /// The other's section, under `adapters`.
    pub from: &'static str,
    /// The keys. Those of one group belong together: one of its own, and none of the other's are taken over.
    pub keys: &'static [&'static [&'static str]],
}

/// An adapter whose settings have been checked.
pub trait Prepared: Send {
    /// Makes the adapter ready for use. Connections are made on first use, so that a target that is down keeps nothing
    /// from starting.
    ///
    /// # Errors
    /// A text for the operator, when the settings cannot be used (a certificate that cannot be read, for example).
    fn connect(self: Box<Self>) -> Result<Adapter, String>;
}
