//! The way from the root of a configuration to a value, as an operator would write it.

use std::fmt;

/// A path such as `adapters.postgres.targets.main.url` or `sinks[2].url`. Empty at the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path of an entry. A name that a dot would make ambiguous is quoted: `labels["a.b"]`.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let Self(parent) = self;
        if name.is_empty() || !name.chars().all(plain) {
            Self(format!("{parent}[{name:?}]"))
        } else if parent.is_empty() {
            Self(name.to_owned())
        } else {
            Self(format!("{parent}.{name}"))
        }
    }

    /// The path of a list's item, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Whether this is the path of something within what stands at `other`.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| other.0.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_within_another() {
        let redis = Path::default().key("adapters").key("redis");
        assert!(redis.key("targets").is_below(&redis) && redis.is_below(&Path::default()));
        assert!(redis.item(0).is_below(&redis));
        assert!(!redis.is_below(&redis) && !Path::default().key("adapters").key("redis2").is_below(&redis));
    }

    #[test]
    fn paths_read_like_the_file() {
        let root = Path::default();
        let cases = [
            (root.clone(), ""),
            (root.key("adapters").key("postgres"), "adapters.postgres"),
            (root.key("sinks").item(2).key("url"), "sinks[2].url"),
            (root.key("labels").key("a.b").key("c"), r#"labels["a.b"].c"#),
            (root.key(""), r#"[""]"#),
        ];
        for (path, expected) in cases {
            assert_eq!(path.to_string(), expected);
        }
    }
}
