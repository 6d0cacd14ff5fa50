//! The ledger in Redis when Redis is not as it should be: down, hanging, forgetful, evicting, a replica.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use selfheal_runtime::ports::{Claim, Ledger};
use selfheal_store::RedisLedger;
use selfheal_test_servers::{Redis, RedisOptions, require};

const TIMEOUT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

fn claim(holder: &str) -> Claim {
    Claim {
        holder: holder.to_owned(),
        duplicate_key: holder.to_owned(),
        targets: vec!["t".to_owned(), "u".to_owned()],
        rule: "rule".to_owned(),
        cooldown: Duration::from_secs(300),
        per_target_max: 10,
        in_all_max: 100,
        rate_window: Duration::from_secs(3600),
        concurrent_max: 10,
        lease: Duration::from_secs(30),
    }
}

fn ledger(server: &Redis, prefix: &str) -> RedisLedger {
    RedisLedger::connect(&server.url(), prefix, TIMEOUT).unwrap()
}

fn with(args: &[&str]) -> RedisOptions {
    RedisOptions { args: args.iter().map(|arg| (*arg).to_owned()).collect() }
}

/// As the runtime does, restores a ledger that has lost its memory.
async fn until_granted(ledger: &RedisLedger, claim: &Claim) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(Some(memory)) = ledger.lost().await {
            let _ = ledger.restored(&memory).await;
        }
        match ledger.reserve(claim, Timestamp::UNIX_EPOCH).await {
            Ok(answer) => return assert!(answer.granted, "{answer:?}"),
            Err(fault) => assert!(Instant::now() < deadline, "{fault}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_when_redis_does() {
    let server = require!(Redis::start());
    let ledger = ledger(&server, "selfheal");
    until_granted(&ledger, &claim("a")).await;
    server.stop();
    let fault = ledger.reserve(&claim("b"), Timestamp::UNIX_EPOCH).await.unwrap_err().to_string();
    assert!(fault.starts_with("Redis"), "{fault}");
    assert!(ledger.check().await.is_err());
    server.restart().unwrap();
    // The new process knows neither the connection nor the scripts.
    until_granted(&ledger, &claim("b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_made_while_redis_is_down() {
    let server = require!(Redis::start());
    server.stop();
    let ledger = ledger(&server, "selfheal");
    assert!(ledger.check().await.is_err());
    server.restart().unwrap();
    until_granted(&ledger, &claim("a")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_a_fault_in_time() {
    let server = require!(Redis::start());
    let ledger = ledger(&server, "selfheal");
    until_granted(&ledger, &claim("a")).await;
    server.pause();
    let begun = Instant::now();
    assert!(ledger.reserve(&claim("b"), Timestamp::UNIX_EPOCH).await.is_err());
    assert!(begun.elapsed() < PATIENCE);
    server.resume();
    // The lost answer may have been a grant: asking again with the same holder is safe. The first still has the target.
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        match ledger.reserve(&claim("b"), Timestamp::UNIX_EPOCH).await {
            Ok(answer) => break answer,
            Err(fault) => assert!(Instant::now() < deadline, "{fault}"),
        }
    };
    assert_eq!(answer.reading.busy, Some(("t".to_owned(), "a".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_in_the_hash_tag_and_ends() {
    let server = require!(Redis::start());
    let ledger = ledger(&server, "selfheal:test");
    until_granted(&ledger, &claim("a")).await;
    ledger.renew(&claim("a"), Timestamp::UNIX_EPOCH).await.unwrap();
    ledger.release(&claim("b"), Timestamp::UNIX_EPOCH).await.unwrap();
    let mut connection =
        redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 11, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("{selfheal:test}:"), "{key}");
        let remaining: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!(remaining > 0, "{key} lives for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_has_forgotten_grants_nothing_until_it_is_restored() {
    let server = require!(Redis::start());
    let ledger = ledger(&server, "selfheal");
    assert!(ledger.lost().await.unwrap().is_some(), "it was never told anything");
    let mut connection =
        redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await.unwrap();
    let now = Timestamp::from_second(seconds).unwrap();
    until_granted(&ledger, &claim("a")).await;
    assert_eq!(ledger.lost().await.unwrap(), None);
    // Without persistence.
    server.kill();
    server.restart().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let memory = loop {
        match ledger.lost().await {
            Ok(Some(memory)) => break memory,
            _ => assert!(Instant::now() < deadline),
        }
    };
    let fault = ledger.reserve(&claim("b"), now).await.unwrap_err().to_string();
    assert!(fault.contains("lost the cooldowns"), "{fault}");
    for _ in 0..2 {
        ledger.restore(&claim("a"), now, false).await.unwrap();
    }
    ledger.restored(&memory).await.unwrap();
    let held = ledger.reserve(&claim("b"), now).await.unwrap();
    assert!(!held.granted && held.reading.cooling_until.is_some(), "{held:?}");
    // Restored twice, counted once.
    let second =
        Claim { per_target_max: 2, cooldown: Duration::ZERO, rule: "other".to_owned(), ..claim("c") };
    assert!(ledger.reserve(&second, now).await.unwrap().granted);
    let third = Claim {
        holder: "d".to_owned(),
        duplicate_key: "d".to_owned(),
        targets: vec!["t".to_owned()],
        ..second
    };
    ledger.release(&claim("c"), now).await.unwrap();
    let full = ledger.reserve(&third, now).await.unwrap();
    assert!(full.reading.target_full.is_some(), "{full:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_are_apart() {
    let server = require!(Redis::start());
    until_granted(&ledger(&server, "one"), &claim("a")).await;
    until_granted(&ledger(&server, "two"), &claim("b")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_would_lose_limits_is_refused() {
    let master = require!(Redis::start());
    let port = master.port().to_string();
    let cases: [(&[&str], &str); 3] = [
        (&["--maxmemory-policy", "allkeys-lru"], "maxmemory-policy allkeys-lru"),
        (&["--maxmemory-policy", "volatile-ttl"], "maxmemory-policy volatile-ttl"),
        (&["--replicaof", "127.0.0.1", &port], "address of the master"),
    ];
    for (args, expected) in cases {
        let server = require!(Redis::start_with(&with(args)));
        let fault = ledger(&server, "selfheal").check().await.unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
    ledger(&master, "selfheal").check().await.unwrap();
}

/// Who may ask how Redis is, and not write the ledger's keys, is of no use, and that is seen before a claim is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_on_the_keys_is_told_of() {
    let server = require!(Redis::start());
    let mut connection =
        redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let cases = [("~other:*", false), ("%R~{selfheal}:*", false), ("~{selfheal}:*", true)];
    for (number, (keys, fit)) in cases.into_iter().enumerate() {
        let user = format!("heal{number}");
        let set = redis::cmd("ACL").arg("SETUSER").arg(&user).arg(&["on", ">pass", "+@all", keys]).to_owned();
        set.query_async::<()>(&mut connection).await.unwrap();
        let url = server.url().replace("redis://", &format!("redis://{user}:pass@"));
        let checked = RedisLedger::connect(&url, "selfheal", TIMEOUT).unwrap().check().await;
        assert_eq!(checked.is_ok(), fit, "{keys}: {checked:?}");
        if let Err(fault) = checked {
            assert!(fault.to_string().contains("Redis says"), "{fault}");
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let cases = [
        ("http://127.0.0.1", "selfheal", "an unknown scheme"),
        ("redis://user:hunter2@127.0.0.1:notaport", "selfheal", "cannot be read"),
        ("redis://127.0.0.1", "", "prefix \"\""),
        ("redis://127.0.0.1", "a{b}", "without braces"),
    ];
    for (url, prefix, expected) in cases {
        let fault = RedisLedger::connect(url, prefix, TIMEOUT).err().unwrap().to_string();
        assert!(fault.contains(expected) && !fault.contains("hunter2"), "{fault}");
    }
}
