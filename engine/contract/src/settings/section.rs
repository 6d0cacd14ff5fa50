//! The reader over one map of the configuration: it remembers what was asked for, so that whatever else
//! the operator wrote there can be pointed out. The typed accessors are in `fields`.

use std::collections::BTreeSet;

use super::fault::{Collector, Fault};
use super::node::{Key, Location, Node, Value};
use super::path::Path;
use super::read;
use super::suggest::suggest;

/// One map of the configuration while it is being checked.
///
/// Accessors never fail: what is wrong goes to the [`Collector`], and a default or stand-in is returned.
/// Call [`Section::finish`] once everything known has been asked for.
#[derive(Debug)]
pub struct Section<'a> {
    entries: &'a [(Key, Node)],
    /// Entries of another section that hold here as well.
    inherited: Vec<&'a (Key, Node)>,
    path: Path,
    at: Location,
    collector: &'a Collector,
    /// What stands here is not a map, which was reported; that its entries are missing says nothing more.
    broken: bool,
    asked: BTreeSet<String>,
}

/// What is wrong with one value, before it is known where that value stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) help: Option<String>,
    pub(super) secret: bool,
}

impl Problem {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), help: None, secret: false }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Marks the value at fault as a secret.
    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}

impl<'a> Section<'a> {
    /// The section that a whole configuration is. An empty file is an empty section.
    pub fn root(node: &'a Node, collector: &'a Collector) -> Self {
        Self::over(node, Path::default(), node.at, collector)
    }

    fn over(node: &'a Node, path: Path, at: Location, collector: &'a Collector) -> Self {
        let mut section = Self {
            entries: &[],
            inherited: Vec::new(),
            path,
            at,
            collector,
            broken: false,
            asked: BTreeSet::new(),
        };
        match &node.value {
            Value::Map(entries) => section.entries = entries,
            value if value.is_absent() => {}
            Value::Faulty => section.broken = true,
            value => {
                section.broken = true;
                let problem = format!("expected a map of settings, found {}", value.describe());
                section.report(section.path.clone(), node.at, Problem::new(problem));
            }
        }
        section
    }

    /// The path of this section from the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where this section begins: at its name, if it has one.
    pub fn at(&self) -> Location {
        self.at
    }

    /// The section under `name`; an empty one if it is absent, so that its defaults apply.
    pub fn section(&mut self, name: &str) -> Section<'a> {
        self.optional_section(name).unwrap_or_else(|| Section {
            entries: &[],
            inherited: Vec::new(),
            path: self.path.key(name),
            at: self.at,
            collector: self.collector,
            broken: self.broken,
            asked: BTreeSet::new(),
        })
    }

    /// The same section, where the keys of each group are taken from `other` if it has none of that group itself.
    #[must_use]
    pub fn inheriting(mut self, other: &Section<'a>, groups: &[&[&str]]) -> Self {
        let lacking: Vec<_> = groups
            .iter()
            .filter(|group| !group.iter().any(|name| self.has(name)))
            .copied()
            .flatten()
            .collect();
        self.inherited.extend(other.entries.iter().filter(|(key, _)| lacking.contains(&&key.name.as_str())));
        self
    }

    /// The section under `name`, or `None` if the key is absent. A key without a value is an empty section.
    pub fn optional_section(&mut self, name: &str) -> Option<Section<'a>> {
        let (key, node) = self.entry(name)?;
        Some(Self::over(node, self.path.key(name), key.at, self.collector))
    }

    /// The sections of the map under `name`, in the order of the file; empty if it is absent.
    pub fn map(&mut self, name: &str) -> Vec<(&'a str, Section<'a>)> {
        let Some((key, node)) = self.entry(name) else { return Vec::new() };
        let map = Self::over(node, self.path.key(name), key.at, self.collector);
        let child = |(key, node): &'a (Key, Node)| {
            (key.name.as_str(), Self::over(node, map.path.key(&key.name), key.at, map.collector))
        };
        map.entries.iter().map(child).collect()
    }

    /// The sections of the list under `name`; empty if it is absent.
    pub fn list(&mut self, name: &str) -> Vec<Section<'a>> {
        let path = self.path.key(name);
        let items = self.optional(name, |node| read::list(node, "a list of maps")).unwrap_or_default();
        let child =
            |(index, node): (usize, &'a Node)| Self::over(node, path.item(index), node.at, self.collector);
        items.iter().enumerate().map(child).collect()
    }

    /// The unchecked value under `name`, for parts that are free in form; `None` if absent or empty.
    pub fn node(&mut self, name: &str) -> Option<&'a Node> {
        self.value(name)
    }

    /// Whether `name` is there and has a value. Does not count as asking for it.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some_and(|(_, node)| !node.value.is_absent())
    }

    /// Reports a fault that only the owner of this section can see, such as two values that contradict each
    /// other. It points at the value under `name`, or at the section if that is absent.
    pub fn reject(&self, name: &str, problem: impl Into<String>, help: Option<&str>) {
        let at = self.find(name).map_or(self.at, |(_, node)| node.at);
        let help = help.map(str::to_owned);
        self.report(self.path.key(name), at, Problem { help, ..Problem::new(problem) });
    }

    /// Reports every key that nothing asked for, with the known name that was probably meant; and where one that was not known
    /// further within is known here, says so.
    pub fn finish(&mut self) {
        let unset: Vec<&str> =
            self.asked.iter().map(String::as_str).filter(|known| self.find(known).is_none()).collect();
        let unknown = self.entries.iter().map(|(key, _)| key).filter(|key| !self.asked.contains(&key.name));
        for key in unknown {
            let help = match suggest(&key.name, unset.iter().copied()) {
                Some(meant) => Some(format!("did you mean {meant:?}?")),
                None => self.known_names(),
            };
            let (path, problem) = (self.path.key(&key.name), "unknown key".to_owned());
            let fault = Fault { path, at: key.at, problem, help, secret: false };
            self.collector.push_unknown(fault, &key.name);
        }
        self.collector.known(&self.path, &self.asked);
        // A second call reports nothing again.
        self.asked.extend(self.entries.iter().map(|(key, _)| key.name.clone()));
    }

    fn known_names(&self) -> Option<String> {
        const LISTED_MAX: usize = 16;
        let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        match known.len() {
            0 => Some("nothing can be set here".to_owned()),
            1..=LISTED_MAX => Some(format!("known here: {}", known.join(", "))),
            _ => None,
        }
    }

    /// The value under `name` as `read` sees it; `None` if it is absent, or faulty and therefore reported.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<T> {
        let node = self.value(name)?;
        self.attempt(self.path.key(name), node, read)
    }

    /// As [`Section::optional`], but it is a fault if the value is absent.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<T> {
        if self.value(name).is_none() && !self.broken {
            let text =
                if self.find(name).is_some() { "a value is required" } else { "required, but missing" };
            self.reject(name, text, None);
        }
        self.optional(name, read)
    }

    /// The items of the list under `name`, which `list` finds, as `read` sees them, without the faulty ones.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        list: impl FnOnce(&'a Node) -> Result<&'a [Node], Problem>,
        read: impl Fn(&'a Node) -> Result<T, Problem>,
    ) -> Vec<T> {
        let path = self.path.key(name);
        let items = self.optional(name, list).unwrap_or_default();
        let item = |(index, node)| self.attempt(path.item(index), node, &read);
        items.iter().enumerate().filter_map(item).collect()
    }

    /// The entries of the map under `name` as `read` sees them, without the faulty ones.
    pub(super) fn entries<T>(
        &mut self,
        name: &str,
        read: impl Fn(&'a Node) -> Result<T, Problem>,
    ) -> Vec<(&'a str, T)> {
        let Some((key, node)) = self.entry(name) else { return Vec::new() };
        let map = Self::over(node, self.path.key(name), key.at, self.collector);
        let entry = |(key, node): &'a (Key, Node)| {
            let value = map.attempt(map.path.key(&key.name), node, &read)?;
            Some((key.name.as_str(), value))
        };
        map.entries.iter().filter_map(entry).collect()
    }

    /// The value under `name`, which is hereby asked for, unless it is absent.
    pub(super) fn value(&mut self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|(_, node)| node).filter(|node| !node.value.is_absent())
    }

    fn entry(&mut self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.asked.insert(name.to_owned());
        self.collector.ask(name);
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        let named = |(key, _): &&'a (Key, Node)| key.name == name;
        let found = self.entries.iter().find(named).or_else(|| self.inherited.iter().copied().find(named));
        found.map(|(key, node)| (key, node))
    }

    fn attempt<T>(
        &self,
        path: Path,
        node: &'a Node,
        read: impl FnOnce(&'a Node) -> Result<T, Problem>,
    ) -> Option<T> {
        if node.value == Value::Faulty {
            return None;
        }
        read(node).map_err(|problem| self.report(path, node.at, problem)).ok()
    }

    fn report(&self, path: Path, at: Location, problem: Problem) {
        let Problem { text: problem, help, secret } = problem;
        self.collector.push(Fault { path, at, problem, help, secret });
    }
}
