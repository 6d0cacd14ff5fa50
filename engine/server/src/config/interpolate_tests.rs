//! Each text is one value; what becomes of it, and what is reported.

use std::collections::BTreeMap;
use std::io;

use selfheal_contract::settings::{Key, Location};

use super::*;

const AT: Location = Location { line: 3, column: 7 };

fn interpolated(value: Value) -> (Value, String) {
    let (value, faults, left_open) = interpolated_where(value, Missing::Refused);
    assert_eq!(left_open, [] as [&str; 0]);
    (value, faults)
}

fn interpolated_where(value: Value, missing: Missing) -> (Value, String, Vec<String>) {
    let environment: BTreeMap<String, String> =
        [("HOST", "db"), ("PORT", "5432"), ("EMPTY", ""), ("_X1", "$HOST ${HOST}")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let read_file = |path: &std::path::Path| match path.to_str() {
        Some("/run/secret") => Ok("s3cret\n".to_owned()),
        Some("/run/lines") => Ok("a\r\nb\r\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let collector = Collector::default();
    let sources = Sources { environment: &environment, read_file: &read_file, missing };
    let mut left_open = Vec::new();
    let node = interpolate(Node { value, at: AT }, &sources, &collector, &mut left_open);
    let faults = collector.accept(()).err().map(|faults| faults.to_string());
    (node.value, faults.unwrap_or_default(), left_open)
}

#[test]
fn what_cannot_be_had_can_be_left_open_and_what_is_wrong_cannot() {
    let left_open = |text: &str| interpolated_where(Value::Text(text.to_owned()), Missing::LeftOpen);
    for (text, reference) in
        [("x${NOPE}", "${NOPE}"), ("${file:/nope}", "${file:/nope}"), ("${HOST}${NOPE}${NO}", "${NOPE}")]
    {
        assert_eq!(left_open(text), (Value::Faulty, String::new(), vec![reference.to_owned()]), "{text}");
    }
    for text in ["${A B}", "x${HOST", "${A:-${HOST}}"] {
        let (value, faults, open) = left_open(text);
        assert!(value == Value::Faulty && !faults.is_empty() && open.is_empty(), "{text}");
    }
    assert_eq!(left_open("${HOST}"), (Value::Text("db".to_owned()), String::new(), Vec::new()));
}

#[test]
fn texts_are_filled() {
    let cases = [
        ("plain", "plain"),
        ("${HOST}", "db"),
        ("postgres://${HOST}:${PORT}/x", "postgres://db:5432/x"),
        ("${NOPE:-a:-b}", "a:-b"),
        ("${EMPTY:-a}", "a"),
        ("${EMPTY}", ""),
        ("${NOPE:-}", ""),
        ("${HOST:-a}", "db"),
        ("${_X1}", "$HOST ${HOST}"),
        ("${file:/run/secret}", "s3cret"),
        ("${file:/run/lines}", "a\r\nb"),
        ("$$", "$"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$db"),
        ("a$", "a$"),
        ("^x$|$HOST", "^x$|$HOST"),
        ("}{", "}{"),
    ];
    for (text, expected) in cases {
        for wrap in [Value::Text, Value::Open] {
            let found = interpolated(wrap(text.to_owned()));
            assert_eq!(found, (wrap(expected.to_owned()), String::new()), "{text:?}");
        }
    }
}

#[test]
fn what_cannot_be_had_is_a_fault() {
    let syntax = "write ${NAME}, ${NAME:-default} or ${file:/path}, and $$ for a dollar sign";
    let cases = [
        (
            "${NOPE}",
            "the environment variable NOPE is not set (set it, or give a default: ${NOPE:-value})".to_owned(),
        ),
        ("x${HOST", "`${` without `}` (close it, or write $$ for a dollar sign)".to_owned()),
        ("${}", format!("`${{}}` names no environment variable ({syntax})")),
        ("${1X}", format!("`${{1X}}` names no environment variable ({syntax})")),
        ("${A B:-c}", format!("`${{A B:-c}}` names no environment variable ({syntax})")),
        ("${A-b}", format!("`${{A-b}}` names no environment variable ({syntax})")),
        ("${A:-${HOST}}", "the default of A holds another `${` (a default is plain text)".to_owned()),
        (
            "${file:/nope}",
            "cannot read the file \"/nope\": entity not found (check that it exists, is text, and may be read by selfheal's user)"
                .to_owned(),
        ),
    ];
    for (text, expected) in cases {
        let found = interpolated(Value::Text(text.to_owned()));
        assert_eq!(found, (Value::Faulty, format!("3:7: {expected}")), "{text:?}");
    }
}

#[test]
fn faults_deep_in_the_tree_name_their_path_and_other_values_stay() {
    let node = |value| Node { value, at: AT };
    let key = Key { name: "${HOST}".to_owned(), at: AT };
    let tree = |text: &str| {
        let items = vec![node(Value::Integer(5)), node(Value::Text(text.to_owned()))];
        Value::Map(vec![(key.clone(), node(Value::List(items)))])
    };
    assert_eq!(interpolated(tree("${HOST}")), (tree("db"), String::new()));
    let (_, faults) = interpolated(tree("${NOPE}"));
    assert!(faults.starts_with(r#"3:7: ["${HOST}"][1]: the environment variable NOPE"#), "{faults}");
}

#[test]
fn one_reference_is_told_from_more() {
    let cases = [
        ("${X}", true),
        ("${X:-a}", true),
        ("${X}${Y}", false),
        ("a${X}", false),
        ("${X", false),
        ("", false),
    ];
    for (text, expected) in cases {
        assert_eq!(is_one_reference(text), expected, "{text:?}");
    }
}
