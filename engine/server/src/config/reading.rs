//! Kinds of values that several sections read, beyond those of the settings reader.

use std::str::FromStr;

use jiff::Timestamp;
use selfheal_contract::settings::{Collector, Fault, Key, Node, Path, Section, Value, suggest};

/// A moment, as `2027-01-31T18:00:00Z` or with an offset.
pub(super) struct Moment(pub(super) Timestamp);

/// A text that is no moment.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a date and time with its offset, such as 2027-01-31T18:00:00Z or 2027-01-31T19:00:00+01:00"
)]
pub(super) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        text.parse().map(Self).map_err(|_| NoMoment)
    }
}

/// The names of the entries of the map under `name`, in the order of the file; none if there is no map.
pub(super) fn names<'a>(section: &mut Section<'a>, name: &str) -> Vec<&'a str> {
    match section.node(name) {
        Some(Node { value: Value::Map(entries), .. }) => {
            entries.iter().map(|(key, _)| key.name.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the operator wrote something under `name`, be it faulty; an empty list is nothing.
pub(super) fn is_written(section: &mut Section<'_>, name: &str) -> bool {
    match section.node(name) {
        Some(Node { value: Value::List(items), .. }) => !items.is_empty(),
        node => node.is_some(),
    }
}

/// One of the named choices that must be there; `None` is reported.
pub(super) fn required_choice<T: Copy>(
    section: &mut Section<'_>,
    name: &str,
    choices: &[(&str, T)],
) -> Option<T> {
    if section.node(name).is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = format!("write one of {}", names.join(", "));
        section.reject(name, "required, but missing", Some(&help));
        return None;
    }
    let choices: Vec<(&str, Option<T>)> = choices.iter().map(|(name, value)| (*name, Some(*value))).collect();
    section.one_of(name, &choices, None)
}

/// Those of the choices that the list under `name` names, each once, in the order of the list.
pub(super) fn chosen<T: Copy + PartialEq>(
    section: &mut Section<'_>,
    name: &str,
    choices: &[(&str, T)],
) -> Vec<T> {
    let mut chosen = Vec::new();
    for text in section.texts(name) {
        let Some((_, value)) = choices.iter().find(|(choice, _)| *choice == text) else {
            let known = || choices.iter().map(|(choice, _)| *choice);
            let expected = known().collect::<Vec<_>>().join(", ");
            let help = suggest(&text, known()).map(|meant| format!("did you mean {meant:?}?"));
            section.reject(name, format!("expected only {expected}, found {text:?}"), help.as_deref());
            continue;
        };
        if !chosen.contains(value) {
            chosen.push(*value);
        }
    }
    chosen
}

/// The addresses of the list under `name`, each as in [`Section::url`]; those of a variable are separated by commas.
pub(super) fn urls(section: &mut Section<'_>, name: &str, collector: &Collector) -> Vec<String> {
    let path = section.path().key(name);
    match section.node(name) {
        Some(Node { value: Value::List(items), .. }) => {
            let item = |(index, node): (usize, &Node)| url(node.clone(), &path.item(index), collector);
            items.iter().enumerate().filter_map(item).collect()
        }
        Some(Node { at, .. }) => {
            let node = |text| Node { value: Value::Text(text), at: *at };
            let texts = section.texts(name);
            texts.into_iter().filter_map(|text| url(node(text), &path, collector)).collect()
        }
        None => Vec::new(),
    }
}

/// Reads one address by a section made for it alone, since only sections know addresses.
fn url(node: Node, path: &Path, collector: &Collector) -> Option<String> {
    let at = node.at;
    let entry = (Key { name: "url".to_owned(), at }, node);
    let (map, own) = (Node { value: Value::Map(vec![entry]), at }, Collector::default());
    let url = Section::root(&map, &own).optional_url("url", &["http", "https"]);
    match own.accept(url) {
        Ok(url) => url.map(|url| url.trim_end_matches('/').to_owned()),
        Err(faults) => {
            faults.iter().for_each(|fault| collector.push(Fault { path: path.clone(), ..fault.clone() }));
            None
        }
    }
}

/// Whether a text can name something in metrics, texts and files: 1 to 64 letters, digits, `-` or `_`.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}
