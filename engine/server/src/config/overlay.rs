//! Lays flags and environment variables over the tree of the file: flags beat the environment, which beats the file.
//!
//! This happens before `${...}` is filled in, so that a value of the file that is covered is not even asked for.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Collector, Fault, Key, Location, Node, Path, Value};

use super::Overrides;
use super::origins::{Origin, Origins};
use super::variables::{Said, VARIABLES, Variable};

/// What lies over a file.
pub(super) struct Overlay<'a> {
    /// The environment, by name.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// The flags.
    pub(super) overrides: &'a Overrides,
    /// The sections of the adapters that there are.
    pub(super) adapters: &'a [&'a str],
}

/// What laying it over leaves behind besides the tree.
#[derive(Default)]
pub(super) struct Traces {
    /// Where the values came from.
    pub(super) origins: Origins,
    /// What the operator should know, although it is no fault.
    pub(super) notes: Vec<String>,
}

impl Overlay<'_> {
    /// Puts everything into the tree.
    pub(super) fn apply(&self, root: &mut Node, collector: &Collector) -> Traces {
        let mut traces = Traces::default();
        for variable in VARIABLES {
            if let Some(text) = self.environment.get(variable.name) {
                self.variable(root, variable, text, collector, &mut traces);
            }
        }
        for (flag, name, given) in self.overrides.flags() {
            if let Some(text) = given {
                let at = traces.origins.place(Origin::Flag(flag));
                // Text, so that an empty flag is a fault rather than absent.
                set(root, &[name], &Node { value: Value::Text(literal(text)), at });
            }
        }
        traces
    }

    fn variable(
        &self,
        root: &mut Node,
        variable: &Variable,
        text: &str,
        collector: &Collector,
        traces: &mut Traces,
    ) {
        let Variable { name, path, .. } = variable;
        let value = match variable.said(text) {
            Said::Nothing => return,
            Said::Value(text) => Ok(Value::Open(literal(&text))),
            Said::Fault(expected) => Err(format!("{expected}, found {:?}", shortened(text))),
        };
        if let ["adapters", section, ..] = path
            && !self.adapters.contains(section)
        {
            let note =
                format!("{name} is set, but does nothing: there is no adapter {section} in this program");
            return traces.notes.push(note);
        }
        let at = traces.origins.place(Origin::Variable(name));
        let value = value.unwrap_or_else(|problem| {
            let path = path_of(path);
            collector.push(Fault { path, at, problem, help: None, secret: false });
            Value::Faulty
        });
        set(root, path, &Node { value, at });
    }
}

/// The path of a place, as faults name it.
pub(super) fn path_of(names: &[&str]) -> Path {
    names.iter().fold(Path::default(), |path, name| path.key(name))
}

/// A text that stays what it is when `${...}` is filled in.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Puts a value into its place and makes the maps on the way. What stands there and is no map stays: its reader
/// reports it.
fn set(node: &mut Node, path: &[&str], new: &Node) {
    let Some((name, rest)) = path.split_first() else {
        new.clone_into(node);
        return;
    };
    if node.value.is_absent() {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return };
    let place = entries.iter().position(|(key, _)| key.name == *name).unwrap_or_else(|| {
        entries.push(entry(name, new.at));
        entries.len() - 1
    });
    set(&mut entries[place].1, rest, new);
}

fn entry(name: &str, at: Location) -> (Key, Node) {
    (Key { name: name.to_owned(), at }, Node { value: Value::Null, at })
}
