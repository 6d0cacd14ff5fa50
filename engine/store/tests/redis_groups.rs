//! The ledger where several Redis servers stand in for each other, when one of them does.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::disallowed_methods, reason = "restoring goes by the servers' own time")]

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use selfheal_runtime::ports::ledger::Memory;
use selfheal_runtime::ports::{Claim, Ledger, LedgerFault, Reserved};
use selfheal_store::RedisLedger;
use selfheal_test_servers::{Redis, RedisCluster, RedisSentinels, require};

const TIMEOUT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(90);
/// What all processes of a test have as prefix, and with it the mark's key.
const PREFIX: &str = "selfheal";
const MARK: &str = "{selfheal}:memory";

fn claim(holder: &str, target: &str) -> Claim {
    Claim {
        holder: holder.to_owned(),
        duplicate_key: holder.to_owned(),
        targets: vec![target.to_owned()],
        rule: "rule".to_owned(),
        cooldown: Duration::ZERO,
        per_target_max: 1_000_000,
        in_all_max: 1_000_000,
        rate_window: Duration::from_secs(3600),
        concurrent_max: 1_000_000,
        lease: Duration::from_secs(3600),
    }
}

fn ledger(url: &str) -> RedisLedger {
    RedisLedger::connect(url, PREFIX, TIMEOUT).unwrap()
}

async fn reserve(ledger: &RedisLedger, claim: &Claim) -> Result<Reserved, LedgerFault> {
    ledger.reserve(claim, Timestamp::UNIX_EPOCH).await
}

/// Asks until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain until {what}");
        tokio::task::yield_now().await;
    }
}

async fn until_lost(ledger: &RedisLedger) -> Memory {
    until("the ledger says that it has lost its memory", async || ledger.lost().await.ok().flatten()).await
}

/// As the runtime does when there is nothing in the journal.
async fn until_restored(ledger: &RedisLedger) {
    until("the ledger is restored", async || match ledger.lost().await.ok()? {
        Some(memory) => ledger.restored(&memory).await.ok(),
        None => Some(()),
    })
    .await;
}

/// Ends the master, and says when another one is there.
async fn fail_over(ledger: &RedisLedger, master: &Redis) -> Memory {
    let before = ledger.lost().await.unwrap();
    assert_eq!(before, None);
    master.kill();
    until_lost(ledger).await
}

/// What a promoted replica grants: nothing, until what the journal knows was told to it and not to another.
async fn grants_nothing_until_restored(url: &str, master: &Redis) {
    let (one, other) = (ledger(url), ledger(url));
    until_restored(&one).await;
    assert!(reserve(&one, &claim("a", "t")).await.unwrap().granted);
    let earlier = Memory("of an earlier master".to_owned());
    let memory = fail_over(&one, master).await;
    // The mark came over with all else that was replicated, and counts for nothing. No process is slower to see that.
    for ledger in [&one, &other] {
        let faults = [
            reserve(ledger, &claim("b", "u")).await.map(|_| ()),
            ledger.look(&claim("b", "u"), Timestamp::UNIX_EPOCH).await.map(|_| ()),
            ledger.renew(&claim("a", "t"), Timestamp::UNIX_EPOCH).await,
            ledger.restored(&earlier).await,
        ];
        for fault in faults {
            let fault = fault.unwrap_err().to_string();
            assert!(fault.contains("has failed over"), "{fault}");
        }
    }
    until("a replica joined the new master", async || {
        one.restore(&claim("a", "t"), Timestamp::now(), true).await.ok()
    })
    .await;
    one.restored(&memory).await.unwrap();
    let refused = reserve(&other, &claim("b", "t")).await.unwrap();
    assert_eq!(refused.reading.busy, Some(("t".to_owned(), "a".to_owned())));
    assert!(reserve(&other, &claim("b", "u")).await.unwrap().granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_sentinels_promote_grants_nothing_until_it_is_restored() {
    let servers = require!(RedisSentinels::start());
    grants_nothing_until_restored(&servers.url(), &servers.servers[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_a_cluster_promotes_grants_nothing_until_it_is_restored() {
    let cluster = require!(RedisCluster::start());
    let master = cluster.master_of(MARK).unwrap();
    grants_nothing_until_restored(&cluster.url(), master).await;
}

/// Claims of processes that treat targets: reserved, journalled, confirmed, used, released.
#[derive(Default)]
struct Work {
    ordinal: AtomicU32,
    /// What the journal knows to be under way.
    journal: Mutex<HashMap<String, Claim>>,
    at_work: Mutex<HashSet<String>>,
    done: AtomicU32,
    ended: AtomicBool,
}

impl Work {
    async fn treat(&self, ledger: &RedisLedger, worker: u32) {
        while !self.ended.load(Ordering::Relaxed) {
            let ordinal = self.ordinal.fetch_add(1, Ordering::Relaxed);
            let target = format!("t{}", ordinal % 3);
            let claim = Claim {
                rate_window: Duration::ZERO,
                lease: Duration::from_secs(2),
                ..claim(&format!("{worker}/{ordinal}"), &target)
            };
            if !matches!(reserve(ledger, &claim).await, Ok(Reserved { granted: true, .. })) {
                tokio::task::yield_now().await;
                continue;
            }
            self.journal.lock().unwrap().insert(claim.holder.clone(), claim.clone());
            let confirmed = until("the ledger answers", async || reserve(ledger, &claim).await.ok()).await;
            if confirmed.granted {
                assert!(self.at_work.lock().unwrap().insert(target.clone()), "two are at work on {target}");
                tokio::task::yield_now().await;
                self.at_work.lock().unwrap().remove(&target);
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            self.journal.lock().unwrap().remove(&claim.holder);
            // What cannot be released ends with its lease.
            let _ = ledger.release(&claim, Timestamp::UNIX_EPOCH).await;
        }
    }

    /// As the runtime does, at shorter intervals.
    async fn restore(&self, ledger: &RedisLedger) {
        while !self.ended.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
            let Ok(Some(memory)) = ledger.lost().await else { continue };
            let claims: Vec<Claim> = self.journal.lock().unwrap().values().cloned().collect();
            let mut told = true;
            for claim in &claims {
                told &= ledger.restore(claim, Timestamp::now(), true).await.is_ok();
            }
            if told {
                let _ = ledger.restored(&memory).await;
            }
        }
    }

    async fn until_done(&self, more: u32) {
        let goal = self.done.load(Ordering::Relaxed) + more;
        until("work goes on", async || (self.done.load(Ordering::Relaxed) >= goal).then_some(())).await;
    }
}

async fn no_two_are_at_work_on_one_target(url: &str, end_master: impl AsyncFn()) {
    let work = Work::default();
    let ledgers: Vec<RedisLedger> = (0..3).map(|_| ledger(url)).collect();
    let workers = (0..6).map(|worker| work.treat(&ledgers[worker as usize % ledgers.len()], worker));
    let story = async {
        work.until_done(200).await;
        end_master().await;
        work.until_done(200).await;
        work.ended.store(true, Ordering::Relaxed);
    };
    let restoring = ledgers.iter().map(|ledger| work.restore(ledger));
    futures::join!(futures::future::join_all(workers), futures::future::join_all(restoring), story);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_by_sentinels_under_load_gives_no_target_to_two() {
    let servers = require!(RedisSentinels::start());
    no_two_are_at_work_on_one_target(&servers.url(), async || servers.servers[0].kill()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_freezes_and_wakes_gives_no_target_to_two() {
    let servers = require!(RedisSentinels::start());
    let master = &servers.servers[0];
    let promoted = async || {
        master.pause();
        until("another one is the master", async || {
            let masters = servers.servers[1..]
                .iter()
                .filter(|server| server.ask(&["ROLE"]).is_ok_and(|role| role.starts_with("master")));
            (masters.count() == 1).then_some(())
        })
        .await;
        master.resume();
    };
    no_two_are_at_work_on_one_target(&servers.url(), promoted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_in_a_cluster_under_load_gives_no_target_to_two() {
    let cluster = require!(RedisCluster::start());
    let master = cluster.master_of(MARK).unwrap();
    no_two_are_at_work_on_one_target(&cluster.url(), async || master.kill()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_move_to_another_node() {
    let cluster = require!(RedisCluster::start());
    let ledger = ledger(&cluster.url());
    until_restored(&ledger).await;
    assert!(reserve(&ledger, &claim("a", "t")).await.unwrap().granted);
    let from = cluster.master_of(MARK).unwrap();
    let to = cluster
        .nodes
        .iter()
        .find(|node| node.port() != from.port() && node.ask(&["ROLE"]).unwrap().starts_with("master"))
        .unwrap();
    cluster.move_slot(MARK, from, to).unwrap();
    // What is there was written by another history: it is doubted, and restored.
    until_lost(&ledger).await;
    assert!(reserve(&ledger, &claim("b", "t")).await.is_err());
    until_restored(&ledger).await;
    assert_eq!(reserve(&ledger, &claim("b", "t")).await.unwrap().reading.busy.unwrap().1, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn some_sentinels_are_enough_and_none_leaves_what_there_is() {
    let servers = require!(RedisSentinels::start());
    let [first, second, third] = &servers.sentinels[..] else { panic!("three were started") };
    first.kill();
    second.pause();
    let one = ledger(&servers.url());
    until_restored(&one).await;
    third.kill();
    assert!(reserve(&one, &claim("a", "t")).await.unwrap().granted, "the connection is still there");
    let fault = reserve(&ledger(&servers.url()), &claim("b", "u")).await.unwrap_err().to_string();
    assert!(fault.contains("no master is found") || fault.contains("not answered"), "{fault}");
    third.restart().unwrap();
    until("a Sentinel is asked again", async || {
        let other = ledger(&servers.url());
        reserve(&other, &claim("b", "u")).await.ok().filter(|reserved| reserved.granted)
    })
    .await;
    let wrong = servers.url().replace("/main", "/mian");
    let fault = reserve(&ledger(&wrong), &claim("c", "v")).await.unwrap_err().to_string();
    assert!(fault.contains("knows no master \"mian\"") || fault.contains("not answered"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_may_be_two_or_evicts_is_refused() {
    let servers = require!(RedisSentinels::start());
    let ledger = ledger(&servers.url());
    until_restored(&ledger).await;
    assert_eq!(ledger.unfit().await, None);
    let cases = [
        (["min-replicas-to-write", "0", "1"], "min-replicas-to-write"),
        (["maxmemory-policy", "allkeys-lru", "noeviction"], "maxmemory-policy allkeys-lru"),
    ];
    for ([parameter, wrong, right], expected) in cases {
        let set = |value| servers.servers[0].ask(&["CONFIG", "SET", parameter, value]).unwrap();
        set(wrong);
        let why = ledger.unfit().await.unwrap();
        assert!(why.contains(expected), "{why}");
        // Whoever notices keeps everybody from using it.
        let fault = reserve(&ledger, &claim("a", "t")).await.unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
        set(right);
        ledger.check().await.unwrap();
    }
    assert!(reserve(&ledger, &claim("a", "t")).await.unwrap().granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_becomes_a_replica_is_not_used_and_not_believed_afterwards() {
    let (server, other) = (require!(Redis::start()), require!(Redis::start()));
    let ledger = ledger(&server.url());
    until_restored(&ledger).await;
    server.ask(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).unwrap();
    let fault = reserve(&ledger, &claim("a", "t")).await.unwrap_err().to_string();
    assert!(fault.contains("Redis says"), "{fault}");
    assert!(ledger.unfit().await.unwrap().contains("address of the master"));
    server.ask(&["REPLICAOF", "NO", "ONE"]).unwrap();
    until_lost(&ledger).await;
    assert!(reserve(&ledger, &claim("a", "t")).await.is_err());
    until_restored(&ledger).await;
    assert!(reserve(&ledger, &claim("a", "t")).await.unwrap().granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_take_too_long_are_faults_and_grant_nothing_twice() {
    let server = require!(Redis::start());
    let ledger = ledger(&server.url());
    until_restored(&ledger).await;
    // Longer than the time-out, and over by itself.
    server.ask(&["CLIENT", "PAUSE", "1500", "ALL"]).unwrap();
    let begun = Instant::now();
    let fault = reserve(&ledger, &claim("a", "t")).await.unwrap_err().to_string();
    assert!(fault.contains("not answered within 500ms") || fault.contains("timed out"), "{fault}");
    assert!(begun.elapsed() < PATIENCE);
    let limited = Claim { per_target_max: 1, ..claim("a", "t") };
    let again = until("Redis answers", async || reserve(&ledger, &limited).await.ok()).await;
    assert!(again.granted, "what it granted late is the holder's own: {again:?}");
}
