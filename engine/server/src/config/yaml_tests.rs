//! What is read, where it stands, and what is refused.

use selfheal_contract::settings::{Collector, Node, Value};

use super::*;

/// The tree in one line, each value with its place: `{a@1:1: 5@1:4}`.
fn shown(node: &Node) -> String {
    let value = match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Open(text) => format!("<{text}>"),
        Value::Faulty => "!".to_owned(),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, node): &(Key, Node)| format!("{}@{}: {}", key.name, key.at, shown(node));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{value}@{}", node.at)
}

fn read_shown(text: &str) -> (Option<String>, String) {
    let collector = Collector::default();
    let tree = read(text, &collector).as_ref().map(shown);
    let faults = collector.accept(()).err().map(|faults| faults.to_string());
    (tree, faults.unwrap_or_default())
}

#[test]
fn every_key_and_value_has_its_place() {
    let cases = [
        ("", "null@1:1"),
        ("# only a comment\n", "null@1:1"),
        ("---\n", "null@1:4"),
        ("a: 5", "{a@1:1: 5@1:4}@1:1"),
        ("a:\n  b: x # why\n  c:\n", r#"{a@1:1: {b@2:3: "x"@2:6, c@3:3: null@3:4}@2:3}@1:1"#),
        ("- 1\n- [true, 1.5]\n", "[1@1:3, [true@2:4, 1.5@2:10]@2:3]@1:1"),
        ("a: {b: 'x', \"c\": \"5\"}", r#"{a@1:1: {b@1:5: "x"@1:8, c@1:13: "5"@1:18}@1:4}@1:1"#),
        ("é: ü", r#"{é@1:1: "ü"@1:4}@1:1"#),
        ("1: a\ntrue: b\n", r#"{1@1:1: "a"@1:4, true@2:1: "b"@2:7}@1:1"#),
        ("a: !!str 5", r#"{a@1:1: "5"@1:10}@1:1"#),
        (
            "a: ${X}\nb: '${X}'\nc: ${X}y\n",
            r#"{a@1:1: <${X}>@1:4, b@2:1: "${X}"@2:4, c@3:1: "${X}y"@3:4}@1:1"#,
        ),
        ("a: ${X:-y z}", "{a@1:1: <${X:-y z}>@1:4}@1:1"),
        ("a: &x {b: 1}\nc: *x\n", "{a@1:1: {b@1:8: 1@1:11}@1:7, c@2:1: {b@1:8: 1@1:11}@1:7}@1:1"),
        ("a: 1\r\nb: 2\r\n", "{a@1:1: 1@1:4, b@2:1: 2@2:4}@1:1"),
        ("\u{feff}a: 1", "{a@1:1: 1@1:4}@1:1"),
    ];
    for (text, expected) in cases {
        assert_eq!(read_shown(text), (Some(expected.to_owned()), String::new()), "{text:?}");
    }
}

#[test]
fn block_texts_keep_their_lines() {
    let collector = Collector::default();
    let node = read("a: |\n  one\n  two\n", &collector).expect("it is valid");
    let Value::Map(entries) = node.value else { panic!("a map was written") };
    assert_eq!(entries[0].1.value, Value::Text("one\ntwo\n".to_owned()));
}

#[test]
fn faults_that_leave_a_tree() {
    let cases = [
        (
            "a: 1\nb: 2\na: 3\na: 4\n",
            "{a@1:1: 1@1:4, b@2:1: 2@2:4}@1:1",
            "3:1: a: given twice; the first is on line 1 (remove one of them)\n\
             4:1: a: given twice; the first is on line 1 (remove one of them)",
        ),
        (
            "x: {\"a\": 1, a: 2}",
            "{x@1:1: {a@1:5: 1@1:10}@1:4}@1:1",
            "1:13: x.a: given twice; the first is on line 1 (remove one of them)",
        ),
        ("a: !!int 5", r#"{a@1:1: "5"@1:10}@1:1"#, "1:10: a: the tag !!int is not supported (remove it)"),
        ("a: !secret {}", "{a@1:1: {}@1:12}@1:1", "1:12: a: the tag !secret is not supported (remove it)"),
        (
            "b: &b {x: 1}\na:\n  <<: *b\n",
            "{b@1:1: {x@1:8: 1@1:11}@1:7, a@2:1: {}@3:3}@1:1",
            "3:3: a[\"<<\"]: merge keys are not supported (write the entries out)",
        ),
        ("a: 1\n[b]: 2\nc: 3\n", "{a@1:1: 1@1:4, c@3:1: 3@3:4}@1:1", "2:1: a key must be plain text"),
    ];
    for (text, tree, faults) in cases {
        assert_eq!(read_shown(text), (Some(tree.to_owned()), faults.to_owned()), "{text:?}");
    }
}

#[test]
fn texts_that_cannot_be_read() {
    let nested = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
    let laughs: String =
        (1..20).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("{text}a{level}: &a{level} [{aliases}]\n")
        });
    let tower: String = (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [*a{}]\n", level - 1)
    });
    let wide = format!("a: &a {}\nb: [*a, *a, *a, *a, *a]\n", "x".repeat(EXPANDED_BYTES_MAX / 5));
    let many = "- 1\n".repeat(NODES_MAX);
    let long = " ".repeat(TEXT_BYTES_MAX + 1);
    let cases = [
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
        ("a: 1\n---\n", "2:1: a second document begins here"),
        ("a: [1", "1:4: a[0]: unclosed bracket"),
        ("a: 'x", "1:4: a: unclosed quote"),
        ("a: b: c", "1:5: mapping values are not allowed"),
        ("a: *x", "1:4: a: while parsing node, found unknown anchor"),
        (
            "a:\n\tb: 1",
            "2:2: a: tabs disallowed within this context (block indentation) (indent with spaces)",
        ),
        ("a: @x", "1:4: a: unexpected character"),
        ("a: [${X}]", "1:6: a[1]: while parsing a flow sequence"),
        ("a: [x", "1:4: a[0]: unclosed bracket"),
        ("a: {b", "1:4: a: unclosed bracket"),
        ("a: {b: ${X}}", "1:9: a: while parsing a flow mapping"),
        ("a: &a [*a]", "1:8: a[0]: the alias stands for a value that contains it"),
        ("a: &a {b: *a}", "1:11: a.b: the alias stands for a value that contains it"),
        (&nested, "1:33: [0]"),
        (&laughs, "5:25: a4[3]: more than 50000 values"),
        (&tower, "32:12: a31[0]: nested deeper"),
        (&wide, "2:21: b[4]: more than 4194304 bytes"),
        (&many, "50000:3: [49999]: more than 50000 values"),
        (&long, "1:1: longer than 1048576 bytes"),
    ];
    for (text, expected) in cases {
        let (tree, faults) = read_shown(text);
        assert_eq!(tree, None, "{text:.40}");
        assert!(faults.starts_with(expected), "{text:.40}: {faults}");
        assert_eq!(faults.lines().count(), 1, "{text:.40}: {faults}");
    }
}
