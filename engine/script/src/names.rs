//! The functions that a rule can call, by name and number of arguments: what the lint looks calls up in.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rhai::Engine;
use selfheal_contract::settings::suggest;
use selfheal_contract::{AnyAction, AnyProbe, Catalog, ParameterSpec};
use serde_json::{Map, Value};

/// Functions that Rhai handles itself, whatever their arguments.
const SYNTACTIC: &[&str] =
    &["print", "debug", "type_of", "call", "curry", "is_def_var", "is_def_fn", "is_shared", "Fn"];

/// What can be called.
pub(crate) struct Names {
    /// Plain functions and methods (with what they are called on counted as an argument).
    functions: BTreeMap<String, BTreeSet<usize>>,
    /// The adapters' actions and probes.
    adapters: BTreeMap<&'static str, BTreeMap<&'static str, Member>>,
}

/// What an adapter offers.
enum Member {
    Action(Arc<dyn AnyAction>),
    Probe(Arc<dyn AnyProbe>),
}

impl Member {
    fn parameters(&self) -> &'static [ParameterSpec] {
        match self {
            Self::Action(action) => action.parameters(),
            Self::Probe(probe) => probe.parameters(),
        }
    }
}

impl Names {
    pub fn new(engine: &Engine, catalog: &Catalog) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let known = engine.collect_fn_metadata(
            None,
            |function| {
                let name = function.metadata.name.as_str();
                let plain = function.namespace.is_empty() && !name.contains('$');
                plain.then(|| (name.to_owned(), function.metadata.num_params))
            },
            true,
        );
        for (name, arguments) in known {
            functions.entry(name).or_default().insert(arguments);
        }
        let mut adapters: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for adapter in catalog.adapters() {
            let entry = adapters.entry(adapter.name).or_default();
            let actions = adapter.actions.iter();
            entry.extend(actions.map(|action| (action.about().name, Member::Action(Arc::clone(action)))));
            let probes = adapter.probes.iter();
            entry.extend(probes.map(|probe| (probe.about().name, Member::Probe(Arc::clone(probe)))));
        }
        Self { functions, adapters }
    }

    /// The parameters of an adapter's action or probe.
    pub fn parameters(&self, adapter: &str, name: &str) -> Option<&'static [ParameterSpec]> {
        Some(self.adapters.get(adapter)?.get(name)?.parameters())
    }

    /// Why an action or probe refuses these parameters, as far as that can be told without asking its target.
    pub fn refusal(&self, adapter: &str, name: &str, params: &Map<String, Value>) -> Option<String> {
        let member = self.adapters.get(adapter)?.get(name)?;
        // One that panics fails the rule when it runs, and keeps nobody from compiling.
        let checked = catch_unwind(AssertUnwindSafe(|| match member {
            Member::Action(action) => action.assess(params).map(drop),
            Member::Probe(probe) => probe.check(params),
        }));
        checked.ok()?.err().map(|failure| failure.what)
    }

    pub fn has_adapter(&self, adapter: &str) -> bool {
        self.adapters.contains_key(adapter)
    }

    /// The adapter that was probably meant, or what there is.
    pub fn adapter_help(&self, adapter: &str) -> String {
        match suggest(adapter, self.adapters.keys().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("there are {}", join(self.adapters.keys().copied())),
        }
    }

    /// The action or probe that was probably meant, or what there is.
    pub fn member_help(&self, adapter: &str, name: &str) -> String {
        let members = || self.adapters.get(adapter).into_iter().flat_map(|members| members.keys().copied());
        match suggest(name, members()) {
            Some(meant) => format!("did you mean {adapter}::{meant}?"),
            None => format!("{adapter} has {}", join(members())),
        }
    }

    /// Whether a plain function of this name exists, and with which numbers of arguments; `None` where any will do.
    pub fn arities(&self, name: &str) -> Option<Option<&BTreeSet<usize>>> {
        if SYNTACTIC.contains(&name) {
            return Some(None);
        }
        self.functions.get(name).map(Some)
    }

    /// The function that was probably meant by a name; `own` are those of the rule itself.
    pub fn function_help<'n>(&'n self, name: &str, own: impl Iterator<Item = &'n str>) -> Option<String> {
        let words = self.functions.keys().map(String::as_str).filter(|name| name.chars().all(is_word));
        let meant = suggest(name, words.chain(own).chain(SYNTACTIC.iter().copied()));
        if let Some(meant) = meant {
            return Some(format!("did you mean {meant}?"));
        }
        let owner = self.adapters.iter().find(|(_, members)| members.contains_key(name));
        owner.map(|(adapter, _)| format!("did you mean {adapter}::{name}?"))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
