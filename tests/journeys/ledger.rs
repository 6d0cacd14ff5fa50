//! The ledger is away: alerts are taken in, nothing is done; it comes back, and what was held goes on.

use selfheal_test_servers::{Redis, RedisCluster, RedisSentinels, http, require, wait_until};
use serde_json::json;

use crate::redis::{fill, info};
use crate::selfheal::{PATIENCE, Selfheal, alert};

#[test]
fn nothing_is_done_without_the_ledger_and_nothing_is_lost() {
    let healed = require!(Redis::start());
    let ledger = require!(Redis::start());
    let limit = fill(&healed);
    let mut selfheal = Selfheal::prepare(
        json!({
            "ledger": { "url": ledger.url(), "timeout": "500ms" },
            "adapters": { "redis": { "targets": { "main": { "url": healed.url() } } } },
        }),
        &[],
    );
    selfheal.start();
    ledger.kill();
    let answer = selfheal.send(&[alert("RedisMemoryHigh", "one", "2026-11-22T12:00:00Z")]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let held = selfheal.wait_for_issue("the plan is held", |issue| {
        issue["why"].as_str().is_some_and(|why| why.contains("the ledger cannot be asked"))
    });
    assert_eq!(held["phase"], "waiting");
    assert_eq!(info(&healed, "memory", "maxmemory"), limit);
    // What was found a moment before is still said.
    wait_until("it says that it is degraded", PATIENCE, || {
        let ready = http::get(&selfheal.url("/ready")).unwrap();
        ready.status == 200 && ready.body.contains("degraded")
    });

    ledger.restart().unwrap();
    selfheal.wait_for_issue("it is healed", |issue| issue["outcome"] == "recovered");
    assert_eq!(info(&healed, "memory", "maxmemory"), limit + limit / 4);
}

/// The ledger's master is killed while nothing is under way; what comes then is healed after another one was promoted and
/// told what the journal knows.
fn heals_after_a_fail_over(url: &str, master: &Redis) {
    let healed = require!(Redis::start());
    let limit = fill(&healed);
    let mut selfheal = Selfheal::prepare(
        json!({
            "ledger": { "url": url, "timeout": "500ms" },
            "adapters": { "redis": { "targets": { "main": { "url": healed.url() } } } },
        }),
        &[],
    );
    selfheal.start();
    master.kill();
    let answer = selfheal.send(&[alert("RedisMemoryHigh", "one", "2026-11-22T12:00:00Z")]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    selfheal.wait_for_issue("it is healed", |issue| issue["outcome"] == "recovered");
    assert_eq!(info(&healed, "memory", "maxmemory"), limit + limit / 4);
}

#[test]
fn a_promoted_master_behind_sentinels_goes_on() {
    let servers = require!(RedisSentinels::start());
    heals_after_a_fail_over(&servers.url(), &servers.servers[0]);
}

#[test]
fn a_promoted_master_in_a_cluster_goes_on() {
    let cluster = require!(RedisCluster::start());
    heals_after_a_fail_over(&cluster.url(), cluster.master_of("{selfheal}:memory").unwrap());
}
