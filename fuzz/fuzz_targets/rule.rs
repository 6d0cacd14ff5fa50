//! Any text as a rule: no panic, bounded time; one that compiles is asked about an alert, twice, with the same answer.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use selfheal_contract::Catalog;
use selfheal_core::notification::Notification;
use selfheal_core::span::Span;
use selfheal_script::{Compiler, Limits, View};

const ALERT: &[u8] = br#"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A","x":"\"\n"},
    "annotations":{},"startsAt":"2026-01-01T00:00:00Z"}]}"#;

fuzz_target!(|text: &str| {
    let compiler = Compiler::new(&Catalog::default(), BTreeMap::new(), Limits::default());
    let Ok(rule) = compiler.compile("fuzz", text) else { return };
    let (_, alert) = Notification::read(ALERT).expect("it is one").alerts.remove(0);
    let view = View::new(alert, Span::from_secs(1), 0);
    let (first, second) = (rule.plan(&view, &BTreeMap::new()), rule.plan(&view, &BTreeMap::new()));
    if let (Ok(first), Ok(second)) = (first, second) {
        assert_eq!(first, second);
    }
});
