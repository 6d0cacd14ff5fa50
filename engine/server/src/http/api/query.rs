//! Reads the query of an address: what is not known, given twice or out of range is named, never ignored.

use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::web;

use super::super::answer::Fault;

/// The query's parameters.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads the text after the `?`. Every parameter must be one of `known`.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, Fault> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|error| Fault::wrong(format!("the query cannot be read: {error}")))?
            .into_inner();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = match known {
                    [] => "none is".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                return Err(Fault::wrong(format!("the parameter {} is not known", shown(name))).help(known));
            }
            if pairs[..index].iter().any(|(other, _)| other == name) {
                return Err(Fault::wrong(format!("the parameter {name} is given twice")));
            }
        }
        Ok(Self { pairs })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A value that is read from its text.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(wrong(name, text, expected)),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.parsed(name, "true or false")
    }

    /// One of some names.
    pub(super) fn one_of<T: Copy>(&self, name: &str, names: &[(&str, T)]) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match names.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                Err(wrong(name, text, &format!("one of {}", names.join(", "))))
            }
        }
    }

    /// `limit`, within its range.
    pub(super) fn limit(&self, default: u32, range: RangeInclusive<u32>) -> Result<u32, Fault> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let limit = self.parsed("limit", &expected)?.unwrap_or(default);
        match range.contains(&limit) {
            true => Ok(limit),
            false => Err(wrong("limit", &limit.to_string(), &expected)),
        }
    }

    /// The address of the page that goes on before `last`, for a `Link` header.
    pub(super) fn next(&self, path: &str, last: &str) -> String {
        // Values were checked: names, numbers and identifiers. Anything else is written as its bytes.
        let mut address = format!("{path}?");
        for (name, value) in self.pairs.iter().filter(|(name, _)| name != "before") {
            address.push_str(&format!("{name}={}&", escaped(value)));
        }
        format!("<{address}before={last}>; rel=\"next\"")
    }
}

fn wrong(name: &str, found: &str, expected: &str) -> Fault {
    Fault::wrong(format!("the parameter {name} is {}, expected {expected}", shown(found)))
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(64).collect::<String>())
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let known = ["limit", "open", "phase"];
        let read = |text: &str| -> Result<(u32, Option<bool>, Option<u8>), Fault> {
            let query = Query::read(text, &known)?;
            let phase = query.one_of("phase", &[("waiting", 1_u8), ("closed", 2)])?;
            Ok((query.limit(100, 1..=1000)?, query.flag("open")?, phase))
        };
        let cases = [
            ("", Ok((100, None, None))),
            ("limit=1&open=true&phase=closed", Ok((1, Some(true), Some(2)))),
            ("limit=1000&open=false", Ok((1000, Some(false), None))),
            ("limit=0", Err("limit is \"0\", expected a whole number from 1 to 1000")),
            ("limit=1001", Err("from 1 to 1000")),
            ("limit=-1", Err("from 1 to 1000")),
            ("limit=99999999999999", Err("from 1 to 1000")),
            ("limit=ten", Err("limit is \"ten\"")),
            ("open=yes", Err("open is \"yes\", expected true or false")),
            ("phase=Closed", Err("phase is \"Closed\", expected one of waiting, closed")),
            ("limit=1&limit=2", Err("limit is given twice")),
            ("lmit=1", Err("\"lmit\" is not known; known are limit, open, phase")),
        ];
        for (text, expected) in cases {
            match (read(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{text}: {fault}"),
                (found, expected) => panic!("{text}: found {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn the_next_page_asks_for_the_same() {
        let query = Query::read("limit=2&before=issue-9&phase=a%20b", &["limit", "before", "phase"]).unwrap();
        assert_eq!(
            query.next("/issues", "issue-5"),
            "</issues?limit=2&phase=a%20b&before=issue-5>; rel=\"next\""
        );
    }
}
