//! SIGKILL at every write that comes to the journal, before and after it is durable, and a restart each time: what was
//! acknowledged is there, and no effect happens twice.
//!
//! Redis itself counts how often it was told to change.

use selfheal_test_servers::{Redis, poll, require};
use serde_json::{Value, json};

use crate::redis::{command, fill, info};
use crate::selfheal::{PATIENCE, Selfheal, alert};

/// More writes than a healing makes.
const WRITES_MAX: u32 = 40;
/// Fewer than it makes.
const WRITES_MIN: u32 = 5;

/// How often Redis was told to change its configuration.
fn changes(redis: &Redis) -> u64 {
    let stats = command(redis, &["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_config|set:calls="));
    line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or_default()
}

/// One life with a death; says whether the process died.
fn live(redis: &Redis, moment: &str) -> bool {
    let limit = fill(redis);
    command(redis, &["CONFIG", "RESETSTAT"]);
    let settings = json!({ "adapters": { "redis": { "targets": { "main": { "url": redis.url() } } } } });
    let mut selfheal = Selfheal::prepare(settings, &[]);
    let firing: Value = alert("RedisMemoryHigh", "one", "2026-11-22T12:00:00Z");
    selfheal.start_doomed(moment);
    let acknowledged = selfheal.send(std::slice::from_ref(&firing)).is_ok_and(|answer| answer.is_success());
    let over = poll(PATIENCE, || {
        let died = selfheal.is_dead();
        // What comes after the outcome is the delivery of the news, in which it may die, too.
        let delivered = || selfheal.log().contains(r#""recovered"#);
        (died || (healed(&selfheal) && delivered())).then_some(died)
    });
    let mut died = over.unwrap_or_else(|| panic!("{moment}: {:#?}", selfheal.issues()));
    if !died {
        // The last write notes that the news was delivered.
        died = poll(std::time::Duration::from_secs(3), || selfheal.is_dead().then_some(())).is_some();
    }
    if died {
        selfheal.start();
        if acknowledged {
            assert_eq!(selfheal.issues().len(), 1, "{moment}: what was acknowledged is there");
        }
        let answer = selfheal.send(&[firing]).unwrap();
        assert!(answer.is_success(), "{moment}: {}", answer.body);
    }
    selfheal.wait_for_issue(moment, |issue| issue["outcome"] == "recovered" && issue["phase"] == "rested");
    assert_eq!(selfheal.issues().len(), 1, "{moment}");
    assert_eq!(changes(redis), 1, "{moment}: the change was made once\n{}", selfheal.log());
    assert_eq!(info(redis, "memory", "maxmemory"), limit + limit / 4, "{moment}");
    died
}

fn healed(selfheal: &Selfheal) -> bool {
    selfheal.issues().iter().any(|issue| issue["outcome"] == "recovered")
}

fn survive(when: &str) {
    let redis = require!(Redis::start());
    let survived = (1..WRITES_MAX).find(|number| !live(&redis, &format!("{when}:{number}")));
    let survived = survived.expect("a healing comes to its end");
    assert!(survived > WRITES_MIN, "a healing makes {survived} writes");
}

#[test]
fn killed_before_every_write() {
    survive("before");
}

#[test]
fn killed_after_every_write() {
    survive("after");
}
