//! Label and field selectors.

use crate::refusal::Refusal;
use serde_json::Value;

/// Which objects a list or a watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    /// Path in the object, value, whether it shall differ.
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug, Clone)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    pub(crate) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Refusal> {
        let labels = split(labels.unwrap_or_default()).into_iter().map(requirement).collect();
        let fields = split(fields.unwrap_or_default()).into_iter().map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub(crate) fn fits(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let labels = self.labels.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        });
        labels
            && self.fields.iter().all(|(path, value, differ)| {
                let found = path.split('.').fold(object, |at, key| &at[key]);
                let found = match found {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (found == *value) != *differ
            })
    }
}

/// At commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Requirement {
    let own = |text: &str| text.trim().to_owned();
    let set = |text: &str| text.trim().trim_matches(['(', ')']).split(',').map(own).collect();
    if let Some((key, values)) = text.split_once(" notin ") {
        Requirement::NotIn(own(key), set(values))
    } else if let Some((key, values)) = text.split_once(" in ") {
        Requirement::In(own(key), set(values))
    } else if let Some((key, value)) = text.split_once("!=") {
        Requirement::NotIn(own(key), vec![own(value)])
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        Requirement::In(own(key), vec![own(value)])
    } else if let Some(key) = text.strip_prefix('!') {
        Requirement::Absent(own(key))
    } else {
        Requirement::Exists(own(text))
    }
}

/// The real server knows a few fields for each resource; here any field of `metadata`, `spec`, `status` and of the events'
/// `involvedObject`, `reason` and `type` will do.
fn field(text: &str) -> Result<(String, String, bool), Refusal> {
    let (path, value, differ) =
        match (text.split_once("!="), text.split_once("==").or_else(|| text.split_once('='))) {
            (Some((path, value)), _) => (path, value, true),
            (_, Some((path, value))) => (path, value, false),
            _ => {
                return Err(Refusal::bad_request(format!(
                    "invalid field selector {text:?}: expected field=value or field!=value"
                )));
            }
        };
    Ok((path.trim().to_owned(), value.trim().to_owned(), differ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select() {
        let object = json!({ "metadata": { "name": "a", "labels": { "app": "web", "tier": "x" } }, "status": { "phase": "Failed" } });
        for (labels, fields, expected) in [
            ("", "", true),
            ("app=web,tier==x", "", true),
            ("app in (api, web),!gone", "metadata.name=a", true),
            ("app notin (web)", "", false),
            ("app!=web", "", false),
            ("tier", "status.phase!=Running", true),
            ("", "spec.nodeName=n1", false),
        ] {
            let selector = Selector::parse(Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.fits(&object), expected, "{labels} {fields}");
        }
    }
}
