//! Whole pages, from text to what the operator sees.

use selfheal_contract::settings::{Collector, Section};

use super::super::yaml;
use super::*;

/// The page for a file whose sections are checked by `check`.
fn page(text: &str, check: impl FnOnce(&mut Section<'_>)) -> String {
    let collector = Collector::default();
    if let Some(node) = yaml::read(text, &collector) {
        check(&mut Section::root(&node, &collector));
    }
    let Err(faults) = collector.accept(()) else { return String::new() };
    let faults: Vec<Fault> = faults.iter().cloned().collect();
    render(&faults, "config.yaml", text, &Origins::default())
}

fn check_targets(root: &mut Section<'_>) {
    for (_, mut target) in root.section("postgres").map("targets") {
        target.text("host");
        target.secret("password");
        target.secrets("tokens");
        target.optional_secret("pin");
        target.optional_secret_url("address", &["postgres"]);
        target.optional_url("page", &["http"]);
        target.integer_or("connections_max", 5, 1..=50);
        target.optional_text("timeout");
        target.finish();
    }
    root.finish();
}

#[test]
fn a_page_shows_place_line_and_help() {
    let text = "\
postgres:
  targets:
    main:
      host: db
      password: ${PASSWORD}
      timout: 5s
      connections_max: 500
    second:
      password: x
";
    let expected = "\
config.yaml:6:7: postgres.targets.main.timout: unknown key
6 |       timout: ...
  |       ^
  = help: did you mean \"timeout\"?

config.yaml:7:24: postgres.targets.main.connections_max: must be between 1 and 50, found 500
7 |       connections_max: 500
  |                        ^

config.yaml:8:5: postgres.targets.second.host: required, but missing
8 |     second:
  |     ^
";
    assert_eq!(page(text, check_targets), expected);
    assert_eq!(page("", check_targets), "");
}

#[test]
fn no_line_shows_a_secret() {
    let target = |entries: &str| format!("postgres:\n  targets:\n    main: {entries}\n");
    let cases = [
        target("{host: a, password: 133742}"),
        target("{host: a, pasword: h133742}"),
        target("{host: 1, password: h133742}"),
        target("{password: h133742, host: 1}"),
        target("{password: h133742, hst: 1}"),
        target("{host: a, tokens: [133742]}"),
        target("{host: a, password: 'h133742}"),
        target("\n      password: \"h133742"),
        target("\n      password: h133742: x"),
        target("\n      tokens:\n      - 133742\n"),
        target("\n      hots: postgres://u:h133742@db"),
        target("\n      tokens: h133742"),
        target("\n      pin: 133742"),
        target("\n      address: u:h133742@db"),
        target("\n      address: h133742"),
        target("\n      page: http://h133742@db"),
    ];
    for text in cases {
        let shown = page(&text, check_targets);
        assert!(shown.contains("config.yaml:"), "{text}");
        assert!(!shown.contains("133742"), "{shown}");
    }
}

#[test]
fn odd_lines_stay_harmless() {
    let wide = format!("{}: 1", "x".repeat(300));
    let cases = [
        ("a: \"\\x1b[31m\"", "1:1: a: unknown key\n1 | a: ...\n  | ^\n  = help: nothing can be set here\n"),
        ("\"\\x1b[31m\": 1", "config.yaml:1:1: [\"\\u{1b}[31m\"]: unknown key\n"),
        ("é: {ü: 1}", "config.yaml:1:1: é: unknown key\n1 | é: ...\n"),
        (&wide, "unknown key\n1 | xxx"),
        ("a: [1", "config.yaml:"),
        (
            "a: 1\n---\n",
            "config.yaml:2:1: a second document begins here, but there can be only one\n2 | ---\n",
        ),
    ];
    for (text, expected) in cases {
        let shown = page(text, |root| root.finish());
        assert!(shown.contains(expected), "{text:.40}: {shown}");
        assert!(!shown.contains('\u{1b}') && shown.lines().all(|line| line.chars().count() < 400), "{shown}");
    }
}
