//! What the readings of probes look like: which fields each documents. A field that is not documented is a mistake wherever
//! it is written, in a condition or of a reading; taken for one that is missing, it would let a comparison be false for
//! ever, and what it was to guard happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_contract::settings::suggest;
use selfheal_contract::{AboutProbe, Catalog, FieldSpec};

use crate::fault::{FaultKind, Refusal};

/// What a probe's reading looks like.
pub(crate) struct ProbeFacts {
    name: String,
    fields: &'static [FieldSpec],
    main_field: &'static str,
}

impl ProbeFacts {
    fn new(adapter: &str, about: &AboutProbe) -> Self {
        Self {
            name: format!("{adapter}::{}", about.name),
            fields: about.fields,
            main_field: about.main_field,
        }
    }

    /// The probe's name, as rules call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field that is meant where none is named.
    pub fn main_field(&self) -> &'static str {
        self.main_field
    }

    /// Whether a condition can be put on this field. One documented as `labels.*` stands for all below `labels`.
    pub fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|spec| match spec.name.strip_suffix(".*") {
            Some(parent) => below(parent, field),
            None => spec.name == field,
        })
    }

    /// Whether fields lie below this one.
    pub fn leads_on(&self, field: &str) -> bool {
        self.fields.iter().any(|spec| {
            below(field, spec.name) || spec.name.strip_suffix(".*").is_some_and(|parent| below(parent, field))
        })
    }

    /// Whether a reading may have this field: one that is documented, on the way to one, or within one that is a map.
    pub fn may_have(&self, field: &str) -> bool {
        self.has(field)
            || self.leads_on(field)
            || self.fields.iter().any(|spec| spec.name == field || below(spec.name, field))
            || self.fields.iter().any(|spec| spec.name.strip_suffix(".*") == Some(field))
    }

    /// What is said of a field that there is not.
    pub fn unknown(&self, kind: FaultKind, field: &str) -> Refusal {
        let refusal = Refusal::new(kind, format!("a reading of {} has no field {field}", self.name));
        let names = || self.fields.iter().map(|spec| spec.name);
        match suggest(field, names()) {
            Some(meant) => refusal.help(format!("did you mean {meant}?")),
            None => refusal.help(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
        }
    }
}

/// Whether the dotted path `field` lies below `parent`.
fn below(parent: &str, field: &str) -> bool {
    field.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}

/// The probes of all adapters, by the names of adapter and probe.
pub(crate) struct Readable(BTreeMap<&'static str, BTreeMap<&'static str, Arc<ProbeFacts>>>);

impl Readable {
    pub fn new(catalog: &Catalog) -> Self {
        let facts = |adapter: &'static str, about: AboutProbe| {
            (about.name, Arc::new(ProbeFacts::new(adapter, &about)))
        };
        let adapters = catalog.adapters().map(|adapter| {
            let probes = adapter.probes.iter().map(|probe| facts(adapter.name, probe.about()));
            (adapter.name, probes.collect())
        });
        Self(adapters.collect())
    }

    /// What the readings of a probe look like.
    pub fn probe(&self, adapter: &str, probe: &str) -> Option<&Arc<ProbeFacts>> {
        self.0.get(adapter)?.get(probe)
    }

    /// The names of all fields, each part of a dotted one by itself, in order and without repetition.
    pub fn names(&self) -> Vec<&'static str> {
        let probes = self.0.values().flat_map(BTreeMap::values);
        let mut names: Vec<&'static str> = probes
            .flat_map(|probe| probe.fields.iter().flat_map(|field| field.name.split('.')))
            .filter(|name| *name != "*")
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
