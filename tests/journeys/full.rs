//! The journal cannot grow any more: what cannot be stored is not acknowledged, and when there is room again, all goes
//! on by itself.
//!
//! The system's limit on the size of a file (setrlimit) stands for a full disk: writes beyond it fail.

use std::collections::HashSet;
use std::process::Command;

use selfheal_test_servers::poll;
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal, alert};

/// Notifications before the disk is full, more than fit below the limit.
const NOTIFICATIONS_BEFORE: usize = 100;
/// Of each file, in bytes.
const FILE_BYTES_MAX: u32 = 64 * 1024;
/// Notifications that are tried then.
const NOTIFICATIONS_MAX: usize = 2000;
const ALERTS_EACH: usize = 20;

const RULE: &str = r#"
const RULE = #{ matchers: [`alertname="Full"`], priority: "low" };
fn plan(alert, seen) { skip("only to be kept") }
"#;

fn notification(number: usize) -> Vec<Value> {
    let one = |n| alert("Full", &format!("{number}-{n}-{}", "x".repeat(200)), "2026-11-22T12:00:00Z");
    (0..ALERTS_EACH).map(one).collect()
}

/// Sets how large a file of the process may become.
fn limit(selfheal: &Selfheal, bytes: &str) {
    let pid = selfheal.pid().to_string();
    // Only the soft limit, which can be raised again.
    let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
    assert!(set.unwrap().success());
}

#[test]
fn a_full_journal_is_said_and_survived() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: prlimit is missing (apt-get install util-linux)");
    }
    let settings =
        json!({ "policy": { "storm_per_minute": 0 }, "telemetry": { "log": { "level": "error" } } });
    let mut selfheal = Selfheal::prepare(settings, &[("full", RULE)]);
    let plain = selfheal.command();
    let mut limited = Command::new("bash");
    // The signal that comes with the limit is ignored, as it would not come with a full disk.
    limited.arg("-c").arg("trap '' XFSZ; exec \"$@\"").arg("bash");
    limited.arg(plain.get_program()).args(plain.get_args());
    selfheal.run(limited);
    selfheal.wait_until_ready();

    let mut kept = HashSet::new();
    let mut refused = None;
    for number in 0..NOTIFICATIONS_MAX {
        if number == NOTIFICATIONS_BEFORE {
            limit(&selfheal, &FILE_BYTES_MAX.to_string());
        }
        let answer = selfheal.send(&notification(number)).unwrap();
        match answer.status {
            200 => drop(kept.insert(number)),
            503 => {
                refused = Some((number, answer.body));
                break;
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    let (refused, why) = refused.expect("the journal is full at some time");
    assert!(why.contains("journal") && why.contains("send it again"), "{why}");
    assert!(!selfheal.is_dead());

    limit(&selfheal, "unlimited");
    let again =
        poll(PATIENCE, || selfheal.send(&notification(refused)).ok().filter(|answer| answer.status == 200));
    again.expect("it is taken when there is room");
    kept.insert(refused);
    let wanted = kept.len() * ALERTS_EACH;
    let found = poll(PATIENCE, || {
        let total = selfheal.api("/statistics").ok()?["total_issues_detected"].as_u64()?;
        (usize::try_from(total) == Ok(wanted)).then_some(())
    });
    assert!(found.is_some(), "wanted {wanted} issues: {:#}", selfheal.api("/statistics").unwrap());
}
