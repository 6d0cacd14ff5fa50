//! Sections over trees built by hand: the n-th entry of a map stands on line n, values at column 10.

use std::net::SocketAddr;

use selfheal_core::span::Span;

use super::{Collector, Key, Location, Node, Section, Value};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn open(text: &str) -> Value {
    Value::Open(text.to_owned())
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    let item = |value| Node { value, at: Location { line: 1, column: 12 } };
    Value::List(items.into_iter().map(item).collect())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entry = |(index, (name, value)): (usize, (&str, Value))| {
        let at = |column| Location { line: index + 1, column };
        (Key { name: name.to_owned(), at: at(1) }, Node { value, at: at(10) })
    };
    Value::Map(entries.into_iter().enumerate().map(entry).collect())
}

/// What `read` makes of a tree, and the faults it leaves.
fn read<T>(tree: Value, read: impl FnOnce(&mut Section<'_>) -> T) -> (T, String) {
    let node = Node { value: tree, at: Location::START };
    let collector = Collector::default();
    let value = read(&mut Section::root(&node, &collector));
    let faults = collector.accept(()).err().map(|faults| faults.to_string());
    (value, faults.unwrap_or_default())
}

/// One value under `x`, read by one accessor and printed.
type Case = (Value, fn(&mut Section<'_>) -> String, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (value, accessor, expected, faults) in cases {
        let found = read(map([("x", value.clone())]), accessor);
        assert_eq!(found, ((*expected).to_owned(), (*faults).to_owned()), "{value:?}");
    }
}

#[test]
fn texts() {
    let required = |section: &mut Section<'_>| section.text("x");
    let or = |section: &mut Section<'_>| section.text_or("x", "default");
    let optional = |section: &mut Section<'_>| format!("{:?}", section.optional_text("x"));
    let many = |section: &mut Section<'_>| section.texts("x").join("|");
    check(&[
        (text("a"), required, "a", ""),
        (open("123"), required, "123", ""),
        (text(""), required, "", "1:10: x: must not be empty"),
        (Value::Null, required, "", "1:10: x: a value is required"),
        (open(""), required, "", "1:10: x: a value is required"),
        (Value::Faulty, required, "", ""),
        (Value::Integer(5), required, "", "1:10: x: expected text, found the number 5 (put it in quotes)"),
        (Value::Bool(true), required, "", "1:10: x: expected text, found true (put it in quotes)"),
        (list([]), required, "", "1:10: x: expected text, found a list"),
        (text(""), or, "", ""),
        (Value::Null, or, "default", ""),
        (map([]), or, "default", "1:10: x: expected text, found a map"),
        (Value::Null, optional, "None", ""),
        (text(""), optional, "None", "1:10: x: must not be empty"),
        (list([text("a"), text("b")]), many, "a|b", ""),
        (list([text("a"), Value::Null]), many, "a", "1:12: x[1]: expected text, found nothing"),
        (text("a"), many, "", r#"1:10: x: expected a list of texts, found the text "a""#),
        (open("a, b,,c"), many, "a|b|c", ""),
    ]);
}

#[test]
fn numbers_and_switches() {
    let whole = |section: &mut Section<'_>| section.integer_or("x", 7_u16, 1..=9000).to_string();
    let needed = |section: &mut Section<'_>| section.integer("x", 1..=9_usize).to_string();
    let float = |section: &mut Section<'_>| section.float_or("x", 0.3, 0.0..=1.0).to_string();
    let switch = |section: &mut Section<'_>| section.bool_or("x", true).to_string();
    check(&[
        (Value::Integer(12), whole, "12", ""),
        (open("12"), whole, "12", ""),
        (Value::Null, whole, "7", ""),
        (Value::Integer(0), whole, "7", "1:10: x: must be between 1 and 9000, found 0"),
        (Value::Integer(70_000), whole, "7", "1:10: x: must be between 1 and 9000, found 70000"),
        (Value::Integer(-1), needed, "1", "1:10: x: must be between 1 and 9, found -1"),
        (Value::Null, needed, "1", "1:10: x: a value is required"),
        (text("12"), whole, "7", r#"1:10: x: expected a whole number, found the text "12""#),
        (Value::Float(1.5), whole, "7", "1:10: x: expected a whole number, found the number 1.5"),
        (Value::Float(0.5), float, "0.5", ""),
        (Value::Integer(1), float, "1", ""),
        (open(".5"), float, "0.5", ""),
        (Value::Float(f64::NAN), float, "0.3", "1:10: x: must be between 0 and 1, found NaN"),
        (Value::Bool(false), switch, "false", ""),
        (open("false"), switch, "false", ""),
        (text("false"), switch, "true", r#"1:10: x: expected true or false, found the text "false""#),
        (open("no"), switch, "true", r#"1:10: x: expected true or false, found the text "no""#),
    ]);
}

#[test]
fn spans_choices_and_parsed_values() {
    let span = |section: &mut Section<'_>| {
        section.span_or("x", Span::from_secs(2), Span::from_millis(100)..=Span::from_secs(60)).to_string()
    };
    let choice = |section: &mut Section<'_>| {
        section.one_of("x", &[("shadow", 1), ("approve", 2), ("auto", 3)], 1).to_string()
    };
    let address = |section: &mut Section<'_>| {
        section.parsed_or("x", SocketAddr::from(([127, 0, 0, 1], 8400))).to_string()
    };
    check(&[
        (text("5s"), span, "5s", ""),
        (open("500ms"), span, "500ms", ""),
        (Value::Null, span, "2s", ""),
        (text("2m"), span, "2s", "1:10: x: must be between 100ms and 1m, found 2m"),
        (
            Value::Integer(5),
            span,
            "2s",
            "1:10: x: expected a duration, found the number 5 (add the unit: 500ms, 30s, 5m, 1h or 7d)",
        ),
        (Value::Bool(true), span, "2s", "1:10: x: expected a duration such as 30s or 5m, found true"),
        (text("auto"), choice, "3", ""),
        (open("approve"), choice, "2", ""),
        (
            text("aprove"),
            choice,
            "1",
            r#"1:10: x: expected one of shadow, approve, auto, found the text "aprove" (did you mean "approve"?)"#,
        ),
        (Value::Bool(true), choice, "1", "1:10: x: expected one of shadow, approve, auto, found true"),
        (text("0.0.0.0:80"), address, "0.0.0.0:80", ""),
        (
            text("localhost"),
            address,
            "127.0.0.1:8400",
            r#"1:10: x: invalid socket address syntax, found the text "localhost""#,
        ),
    ]);
    let (_, faults) = read(map([("x", text("5 s"))]), span);
    assert!(faults.starts_with("1:10: x: \"5 s\" is no span of time"), "{faults}");
}

#[test]
fn secrets_are_never_quoted() {
    let secret = |section: &mut Section<'_>| section.secret("x").expose().to_owned();
    let secrets = |section: &mut Section<'_>| section.secrets("x").len().to_string();
    let url = |section: &mut Section<'_>| section.url("x", &["http"]);
    let secret_url = |section: &mut Section<'_>| section.secret_url("x", &["postgres"]).expose().to_owned();
    check(&[
        (text("hunter2"), secret, "hunter2", ""),
        (open("0123"), secret, "0123", ""),
        (
            Value::Integer(123),
            secret,
            "",
            "1:10: x: expected a secret as text (put it in quotes, or use ${NAME} or ${file:/path})",
        ),
        (text(""), secret, "", "1:10: x: a secret must not be empty (leave the key out if there is none)"),
        (
            list([text("a"), Value::Integer(5)]),
            secrets,
            "1",
            "1:12: x[1]: expected a secret as text (put it in quotes, or use ${NAME} or ${file:/path})",
        ),
        (
            text("hunter2"),
            secrets,
            "0",
            "1:10: x: expected a list of secrets (write each behind a dash, even a single one)",
        ),
        (text("http://host:1/a"), url, "http://host:1/a", ""),
        (
            text("http://u:hunter2@host"),
            url,
            "",
            "1:10: x: must not hold a user name or password (take them out of the address and give them in their own fields)",
        ),
        (text("postgres://u:hunter2@a,b/db"), secret_url, "postgres://u:hunter2@a,b/db", ""),
        (text("hunter2"), secret_url, "", "1:10: x: expected an address that begins with postgres://"),
    ]);
}

#[test]
fn all_faults_are_found_at_once_and_unknown_keys_get_a_suggestion() {
    let target = |mut section: Section<'_>| {
        section.secret("url");
        section.span_or("timeout", Span::from_secs(2), Span::ZERO..=Span::MAX);
        section.finish();
    };
    let whole = |section: &mut Section<'_>| {
        let mut postgres = section.section("adapters").section("postgres");
        for (_, entry) in postgres.map("targets") {
            target(entry);
        }
        postgres.finish();
        section.finish();
    };
    let tree = |targets| map([("adapters", map([("postgres", map([("targets", targets)]))]))]);
    let cases = [
        (tree(map([("main", map([("url", text("x"))]))])), ""),
        (Value::Null, ""),
        (map([]), ""),
        (
            tree(map([
                ("main", map([("timout", text("5s")), ("colour", Value::Null)])),
                ("a.b", Value::Null),
                ("other", text("x")),
                ("faulty", Value::Faulty),
            ])),
            "1:1: adapters.postgres.targets.main.url: required, but missing\n\
             1:1: adapters.postgres.targets.main.timout: unknown key (did you mean \"timeout\"?)\n\
             2:1: adapters.postgres.targets.main.colour: unknown key (known here: timeout, url)\n\
             2:1: adapters.postgres.targets[\"a.b\"].url: required, but missing\n\
             3:10: adapters.postgres.targets.other: expected a map of settings, found the text \"x\"",
        ),
        (tree(list([])), "1:10: adapters.postgres.targets: expected a map of settings, found a list"),
        (
            map([("adapters", text("x")), ("adapter", Value::Null)]),
            "1:10: adapters: expected a map of settings, found the text \"x\"\n\
             2:1: adapter: unknown key (known here: adapters)",
        ),
        (list([]), "1:1: expected a map of settings, found a list"),
    ];
    for (tree, expected) in cases {
        assert_eq!(read(tree.clone(), whole).1, expected, "{tree:?}");
    }
}

#[test]
fn lists_maps_and_own_faults() {
    let tree = map([
        ("sinks", list([map([("kind", text("slack"))]), text("x")])),
        ("headers", map([("a", text("1")), ("b", Value::Integer(2))])),
        ("min", Value::Integer(5)),
        ("free", map([("anything", Value::Bool(true))])),
    ]);
    let (found, faults) = read(tree, |section| {
        let kinds: Vec<String> = section.list("sinks").iter_mut().map(|sink| sink.text("kind")).collect();
        let headers = section.text_map("headers");
        let min = section.integer_or("min", 1, 0..=9);
        let max = section.integer_or("max", 3, 0..=9);
        if min > max {
            section.reject(
                "min",
                format!("must not exceed max, which is {max}"),
                Some("lower it, or raise max"),
            );
            section.reject("max", "is below min", None);
        }
        let free = section.node("free").is_some() && section.has("free") && !section.has("max");
        section.finish();
        section.finish();
        (kinds, headers, free)
    });
    let headers = vec![("a".to_owned(), "1".to_owned())];
    assert_eq!(found, (vec!["slack".to_owned(), String::new()], headers, true));
    assert_eq!(
        faults,
        "1:1: max: is below min\n\
         1:12: sinks[1]: expected a map of settings, found the text \"x\"\n\
         2:10: headers.b: expected text, found the number 2 (put it in quotes)\n\
         3:10: min: must not exceed max, which is 3 (lower it, or raise max)"
    );
}

#[test]
fn groups_of_keys_are_inherited_where_none_of_them_is_there() {
    let groups: &[&[&str]] = &[&["a", "b"], &["c"]];
    for (own, expected) in
        [(map([]), "a1 b1 c1"), (map([("a", text("2"))]), "a2 b- c1"), (map([("c", text("2"))]), "a1 b1 c2")]
    {
        let other = map([("a", text("1")), ("b", text("1")), ("c", text("1")), ("d", text("1"))]);
        let (found, faults) = read(map([("own", own), ("other", other)]), |root| {
            let other = root.section("other");
            let mut section = root.section("own").inheriting(&other, groups);
            let found = ["a", "b", "c"].map(|name| {
                format!("{name}{}", section.optional_text(name).unwrap_or_else(|| "-".to_owned()))
            });
            section.finish();
            found.join(" ")
        });
        assert_eq!((found.as_str(), faults.as_str()), (expected, ""));
    }
}
