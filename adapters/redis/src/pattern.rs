//! Patterns over key names, with which an operator says which keys may be touched.

use std::fmt;
use std::str::FromStr;

/// A pattern: `*` stands for any run of characters, `?` for one, `\` takes the next character literally.
///
/// Redis' character classes are left out: a `[` that is taken literally by one reader and as a class by the other would
/// open keys that nobody meant, so it must be escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Run,
    One,
    Literal(char),
}

impl Pattern {
    /// Whether the pattern covers the whole key. Takes time in proportion to both lengths multiplied, at worst.
    pub(crate) fn covers(&self, key: &str) -> bool {
        let key: Vec<char> = key.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where the last run stood, and how far it has reached: the only place to which one ever has to go back.
        let mut run: Option<(usize, usize)> = None;
        while at < key.len() {
            match self.parts.get(part) {
                Some(Part::Run) => {
                    run = Some((part, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => {}
                Some(Part::Literal(c)) if *c == key[at] => {}
                _ => {
                    let Some((run_part, reach)) = run else { return false };
                    run = Some((run_part, reach + 1));
                    (part, at) = (run_part + 1, reach + 1);
                    continue;
                }
            }
            at += 1;
            part += 1;
        }
        self.parts[part..].iter().all(|part| *part == Part::Run)
    }
}

impl FromStr for Pattern {
    type Err = &'static str;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let mut chars = written.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::Run,
                '?' => Part::One,
                '\\' => Part::Literal(chars.next().ok_or("a pattern cannot end with a single \\")?),
                '[' => return Err("character classes are not known here; write \\[ for a bracket"),
                c => Part::Literal(c),
            });
        }
        Ok(Self { written: written.to_owned(), parts })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_keys() {
        let cases = [
            ("celery", "celery", true),
            ("celery", "celery2", false),
            ("celery", "xcelery", false),
            ("cache:*", "cache:", true),
            ("cache:*", "cache:a:b\nc", true),
            ("cache:*", "Cache:a", false),
            ("*:tmp", "a:tmp:tmp", true),
            ("*:tmp", "a:tmp:x", false),
            ("a*b*c", "a--b-bc", true),
            ("a*b*c", "a--c-b", false),
            ("a?c", "aßc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("**", "x", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"a\[1]", "a[1]", true),
        ];
        for (pattern, key, expected) in cases {
            assert_eq!(pattern.parse::<Pattern>().unwrap().covers(key), expected, "{pattern} {key:?}");
        }
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for pattern in ["a\\", "user:[ab]"] {
            assert!(pattern.parse::<Pattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_hostile_key_takes_no_exponential_time() {
        let pattern: Pattern = "*a*a*a*a*a*a*a*a*b".parse().unwrap();
        assert!(!pattern.covers(&"a".repeat(2000)));
    }
}
