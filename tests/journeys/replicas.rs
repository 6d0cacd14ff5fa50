//! Three processes on one PostgreSQL journal and one Redis ledger: one is killed and one frozen past its lease while they
//! are at work, and PostgreSQL is killed under load. What was acknowledged is in the journal, every issue ends with an
//! outcome, and no target is changed twice.
//!
//! Each issue has a target of its own, a Redis that counts how often it was told to change.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use selfheal_test_servers::{Postgres, Redis, require, wait_until};
use serde_json::{Value, json};

use crate::redis::{command, fill};
use crate::selfheal::{PATIENCE, Selfheal, alert};
use crate::surroundings::number;

/// Raises a limit to what does not help before the test has made room.
const RAISE: &str = r#"
const RULE = #{ matchers: [`alertname="Raise"`], priority: "critical", cooldown: "1h" };
fn observe(alert) { #{ memory: redis::memory(alert.labels.instance) } }
fn plan(alert, seen) {
    let target = alert.labels.instance;
    redis::config_set(target, "maxmemory", `${seen.memory.max_bytes + 1000}`).verify(redis::memory(target).share.at_most(0.85), "5m")
}
"#;

const KEEP: &str = r#"
const RULE = #{ matchers: [`alertname="Keep"`], priority: "critical" };
fn plan(alert, seen) { skip("only to be kept") }
"#;

const SINCE: &str = "2026-11-22T12:00:00Z";

/// Processes that share a journal and a ledger.
struct Replicas {
    all: Vec<Selfheal>,
}

impl Replicas {
    fn start(
        count: usize,
        postgres: &Postgres,
        ledger: &Redis,
        targets: &[Redis],
        rule: (&str, &str),
    ) -> Self {
        let named = |(place, redis): (usize, &Redis)| (format!("t{place}"), json!({ "url": redis.url() }));
        let targets: serde_json::Map<String, Value> = targets.iter().enumerate().map(named).collect();
        let mut settings = json!({
            "journal": { "url": format!("{}?sslmode=disable", postgres.url()) },
            "ledger": { "url": ledger.url() },
            "policy": { "storm_per_minute": 0, "settle": "1s" },
        });
        if !targets.is_empty() {
            settings["adapters"] = json!({ "redis": { "targets": targets } });
        }
        let mut all: Vec<Selfheal> =
            (0..count).map(|_| Selfheal::prepare(settings.clone(), &[rule])).collect();
        // Together, so that they come across each other in bringing the schema up to date.
        for one in &mut all {
            let start = one.command();
            one.run(start);
        }
        all.iter().for_each(Selfheal::wait_until_ready);
        Self { all }
    }
}

fn signal(selfheal: &Selfheal, signal: Signal) {
    let pid = Pid::from_raw(selfheal.pid().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// How often a Redis was told to change its configuration.
fn changes(redis: &Redis) -> u64 {
    let stats = command(redis, &["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_config|set:calls="));
    line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn one_is_killed_and_one_is_frozen_at_work() {
    let postgres = require!(Postgres::start());
    let ledger = require!(Redis::start());
    let targets: Vec<Redis> = (0..5).map(|_| Redis::start().unwrap()).collect();
    for target in &targets {
        fill(target);
        command(target, &["CONFIG", "RESETSTAT"]);
    }
    let mut replicas = Replicas::start(3, &postgres, &ledger, &targets, ("raise", RAISE));
    let raise = |place: usize| alert("Raise", &format!("t{place}"), SINCE);
    for (place, receiver) in [(0, 0), (1, 1), (2, 2), (3, 1)] {
        let answer = replicas.all[receiver].send(&[raise(place)]).unwrap();
        assert!(answer.is_success(), "{}", answer.body);
    }
    wait_until("each is changed", PATIENCE, || targets[..4].iter().all(|target| changes(target) == 1));

    replicas.all[0].kill();
    signal(&replicas.all[1], Signal::STOP);
    targets.iter().for_each(|target| drop(command(target, &["FLUSHALL"])));
    fill(&targets[4]);
    command(&targets[4], &["CONFIG", "RESETSTAT"]);
    // The pair of Alertmanagers repeats itself to whoever answers.
    for place in 0..5 {
        assert!(replicas.all[2].send(&[raise(place)]).unwrap().is_success());
    }
    command(&targets[4], &["FLUSHALL"]);
    let recovered =
        |replica: &Selfheal| replica.issues().iter().filter(|issue| issue["outcome"] == "recovered").count();
    wait_until("the one that is left has done all", PATIENCE, || recovered(&replicas.all[2]) == 5);

    signal(&replicas.all[1], Signal::CONT);
    wait_until("the frozen one learns that it is too late", PATIENCE, || {
        replicas.all[1].log().contains("another process has taken the issue")
    });
    replicas.all[0].start();
    for replica in &replicas.all {
        replica.wait_until_ready();
        assert_eq!((recovered(replica), replica.issues().len()), (5, 5));
    }
    for (place, target) in targets.iter().enumerate() {
        assert_eq!(changes(target), 1, "target {place}: {:#?}", replicas.all[2].issues());
    }
    for issue in replicas.all[2].issues() {
        let story = replicas.all[2].story(&issue);
        let count = |kind: &str| story.iter().filter(|found| *found == kind).count();
        assert_eq!((count("applied"), count("ended")), (1, 1), "{story:?}");
    }
}

/// Tells threads to stop.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn postgres_is_killed_under_load() {
    let postgres = require!(Postgres::start());
    let ledger = require!(Redis::start());
    let replicas = Replicas::start(2, &postgres, &ledger, &[], ("keep", KEEP));
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let acknowledged = Mutex::new(BTreeSet::new());
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Also when something else is not as it must be: a scope waits for its threads.
        let _stopping = Stopping(&stop);
        for (thread, replica) in replicas.all.iter().chain(&replicas.all).enumerate() {
            let (stop, sent, acknowledged, refused) = (&stop, &sent, &acknowledged, &refused);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let instance = format!("{thread}-{}", sent.fetch_add(1, Ordering::Relaxed));
                    match replica.send(&[alert("Keep", &instance, SINCE)]) {
                        Ok(answer) if answer.is_success() => {
                            acknowledged.lock().unwrap().insert(instance);
                        }
                        _ => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        for _ in 0..2 {
            let before = acknowledged.lock().unwrap().len();
            wait_until("some are acknowledged", PATIENCE, || {
                acknowledged.lock().unwrap().len() > before + 100
            });
            postgres.kill();
            let before = refused.load(Ordering::Relaxed);
            wait_until("some are refused", PATIENCE, || refused.load(Ordering::Relaxed) > before);
            postgres.restart().unwrap();
        }
        let before = acknowledged.lock().unwrap().len();
        wait_until("it goes on", PATIENCE, || acknowledged.lock().unwrap().len() > before + 100);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    let undecided =
        "SELECT (SELECT count(*) FROM receipts) + (SELECT count(*) FROM issues WHERE outcome IS NULL)";
    wait_until("every issue has an outcome", PATIENCE, || number(&postgres, undecided) == 0);
    let rows = postgres.sql("SELECT alert::json->'labels'->>'instance' FROM issues").unwrap();
    let kept: BTreeSet<String> = rows.iter().filter_map(|row| row[0].clone()).collect();
    let lost: Vec<&String> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} were lost: {lost:?}", lost.len(), acknowledged.len());
    assert_eq!(rows.len(), kept.len(), "one issue for each");
}
