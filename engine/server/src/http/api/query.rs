//! The query of an address: each route names the parameters that it knows, and what is not known, given twice or out of
//! range is named, never ignored. The OpenAPI document is written from the same list.

use std::ops::RangeInclusive;
use std::str::FromStr;

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::super::answer::Fault;

/// The longest text of a parameter, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 200;

/// One parameter that a route knows.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) kind: Kind,
}

/// What a parameter may be.
pub(super) enum Kind {
    /// 1 to [`TEXT_CHARS_MAX`] characters.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number(RangeInclusive<u32>),
    /// A moment, such as `2026-11-22T03:34:39Z`.
    Time,
    /// One of some names.
    OneOf(fn() -> Vec<&'static str>),
    /// A name of something: its pattern, an example, and whether a text is one.
    Name(&'static str, &'static str, fn(&str) -> bool),
    /// Where an earlier page ended, from its `Link` header.
    Cursor,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, about, kind }
    }
}

/// The names of a closed set.
pub(super) fn names<T>(all: &[(&'static str, T)]) -> Vec<&'static str> {
    all.iter().map(|(name, _)| *name).collect()
}

impl Kind {
    fn expected(&self) -> String {
        match self {
            Self::Text => format!("1 to {TEXT_CHARS_MAX} characters"),
            Self::Flag => "true or false".to_owned(),
            Self::Number(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Time => "a time such as 2026-11-22T03:34:39Z".to_owned(),
            Self::OneOf(names) => format!("one of {}", names().join(", ")),
            Self::Name(_, example, _) => format!("a name such as {example}"),
            Self::Cursor => "the cursor of an earlier page's Link header".to_owned(),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Text => !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX,
            Self::Flag => matches!(text, "true" | "false"),
            Self::Number(range) => text.parse().is_ok_and(|number| range.contains(&number)),
            Self::Time => text.parse::<Timestamp>().is_ok(),
            Self::OneOf(names) => names().contains(&text),
            Self::Name(_, _, is_name) => is_name(text),
            Self::Cursor => decoded(text).is_some(),
        }
    }
}

/// The query's parameters, each known, given once and of its kind.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads the text after the `?`.
    ///
    /// # Errors
    /// 400 for what is not among `known`, given twice, or not of its kind.
    pub(super) fn read(text: &str, known: &[Parameter]) -> Result<Self, Fault> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text)
            .map_err(|error| Fault::wrong(format!("the query cannot be read: {error}")))?
            .into_inner();
        for (index, (name, value)) in pairs.iter().enumerate() {
            let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
                let known: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                let known = match known.as_slice() {
                    [] => "none is".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                return Err(Fault::wrong(format!("the parameter {} is not known", shown(name))).help(known));
            };
            if pairs[..index].iter().any(|(other, _)| other == name) {
                return Err(Fault::wrong(format!("the parameter {name} is given twice")));
            }
            if !parameter.kind.fits(value) {
                let expected = parameter.kind.expected();
                let found = shown(value);
                return Err(Fault::wrong(format!("the parameter {name} is {found}, expected {expected}")));
            }
        }
        Ok(Self { pairs })
    }

    /// A parameter's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter's value, which its kind has let in.
    pub(super) fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// What the cursor stands for.
    ///
    /// # Errors
    /// 400 when it is that of another list.
    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, Fault> {
        let Some(cursor) = self.text("cursor") else { return Ok(None) };
        let found = decoded(cursor).and_then(|text| text.parse().ok());
        let wrong =
            || Fault::wrong(format!("the parameter cursor is {}, and not of this list", shown(cursor)));
        found.map(Some).ok_or_else(wrong)
    }

    /// The address of the page that goes on after `last`, for a `Link` header.
    pub(super) fn next(&self, path: &str, last: &str) -> String {
        let mut address = format!("{path}?");
        for (name, value) in
            self.pairs.iter().filter(|(name, _)| !matches!(name.as_str(), "before" | "cursor"))
        {
            address.push_str(&format!("{name}={}&", escaped(value)));
        }
        format!("<{address}cursor={}>; rel=\"next\"", URL_SAFE_NO_PAD.encode(last))
    }
}

fn decoded(cursor: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
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

    const KNOWN: &[Parameter] = &[
        Parameter::new("limit", Kind::Number(1..=1000), ""),
        Parameter::new("open", Kind::Flag, ""),
        Parameter::new("phase", Kind::OneOf(|| vec!["waiting", "closed"]), ""),
        Parameter::new("since", Kind::Time, ""),
        Parameter::new("text", Kind::Text, ""),
        Parameter::new("cursor", Kind::Cursor, ""),
    ];

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("", Ok(())),
            ("limit=1&open=true&phase=closed", Ok(())),
            ("since=2026-11-22T03:34:39%2B01:00&text=%25", Ok(())),
            ("limit=0", Err("limit is \"0\", expected a whole number from 1 to 1000")),
            ("limit=1001", Err("from 1 to 1000")),
            ("limit=-1", Err("from 1 to 1000")),
            ("limit=99999999999999", Err("from 1 to 1000")),
            ("limit=ten", Err("limit is \"ten\"")),
            ("open=yes", Err("open is \"yes\", expected true or false")),
            ("phase=Closed", Err("phase is \"Closed\", expected one of waiting, closed")),
            ("since=yesterday", Err("expected a time such as")),
            ("text=", Err("1 to 200 characters")),
            ("cursor=*", Err("Link header")),
            ("limit=1&limit=2", Err("limit is given twice")),
            ("lmit=1", Err("\"lmit\" is not known; known are limit, open, phase")),
        ];
        for (text, expected) in cases {
            match (Query::read(text, KNOWN), expected) {
                (Ok(_), Ok(())) => {}
                (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{text}: {fault}"),
                (found, expected) => panic!("{text}: {:?}, expected {expected:?}", found.err()),
            }
        }
    }

    #[test]
    fn the_next_page_asks_for_the_same_after_where_this_one_ended() {
        let query = Query::read("limit=2&text=a%20b&cursor=OQ", KNOWN).unwrap();
        assert_eq!(query.cursor::<u32>().unwrap(), Some(9));
        let next = query.next("/issues", "issue-5");
        assert_eq!(next, "</issues?limit=2&text=a%20b&cursor=aXNzdWUtNQ>; rel=\"next\"");
        let query = next.trim_start_matches("</issues?").split('>').next().unwrap();
        let query = Query::read(query, KNOWN).unwrap();
        assert_eq!(query.cursor::<String>().unwrap().as_deref(), Some("issue-5"));
        assert!(query.cursor::<u32>().is_err(), "it is of another list");
    }
}
