//! What fires and what is resolved: as Prometheus does it, every standing alert is told to both Alertmanagers again and
//! again, and for a while what is over, too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use selfheal_simulation::dice::Dice;
use serde_json::{Value, json};

use crate::house::{House, workload_name};
use crate::rules;

/// Between two tellings.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// For how long it is told that an alert is over; Prometheus does so for 15 minutes.
const TELL_RESOLVED: SignedDuration = SignedDuration::from_mins(15);
/// Of the resolved ones, the most that are told; the newest.
const RESOLVED_MAX: usize = 300;
/// An alert that nobody tells any more counts as resolved after this.
const STANDS: SignedDuration = SignedDuration::from_mins(10);
/// How long an alert fires that fires once more.
const AGAIN: Duration = Duration::from_secs(5);
/// Workloads about which there are so many alerts that limits are reached.
const HOT: u64 = 3;

/// An alert that stands.
struct Standing {
    labels: Value,
    starts_at: Timestamp,
    /// It is over at this time at the latest.
    until: Timestamp,
    /// It is about a workload, which was in this generation; a change ends it.
    workload: Option<(String, i64)>,
}

/// The alerts.
pub struct Feed {
    dice: Dice,
    workloads: u64,
    standing: BTreeMap<String, Standing>,
    /// With the time at which it was resolved.
    resolved: BTreeMap<String, (Standing, Timestamp)>,
    fired: u64,
    next_at: Timestamp,
    told_at: Option<Timestamp>,
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    selfheal_core::moment::later(at, by)
}

impl Feed {
    /// Nothing fires yet.
    #[must_use]
    pub fn new(seed: u64, workloads: usize, now: Timestamp) -> Self {
        let workloads = workloads as u64;
        Self {
            dice: Dice::new(seed, "alerts"),
            workloads,
            standing: BTreeMap::new(),
            resolved: BTreeMap::new(),
            fired: 0,
            next_at: now,
            told_at: None,
        }
    }

    /// How many have fired.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.fired
    }

    /// Resolves all alerts; none fires any more.
    pub fn end(&mut self, now: Timestamp) {
        self.next_at = Timestamp::MAX;
        self.standing.values_mut().for_each(|alert| alert.until = now);
    }

    /// Lets alerts with these labels fire once more, for a moment. An Alertmanager that could not deliver an alert while it
    /// fired never tells that it is over.
    pub fn fire_again(&mut self, alerts: Vec<Value>, now: Timestamp) {
        for labels in alerts {
            let alert = Standing { labels, starts_at: now, until: later(now, AGAIN), workload: None };
            let key = alert.labels.to_string();
            self.resolved.retain(|_, (resolved, _)| resolved.labels != alert.labels);
            self.standing.insert(key, alert);
        }
    }

    /// Lets time pass: alerts fire, are resolved, and are told of.
    pub fn pass(&mut self, house: &House, now: Timestamp) {
        while self.next_at <= now {
            self.fire(house, now);
            self.next_at = later(self.next_at, self.dice.between(Duration::ZERO, Duration::from_millis(600)));
        }
        let over: Vec<String> = self
            .standing
            .iter()
            .filter(|(_, alert)| alert.until <= now || alert.is_helped(house))
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            if let Some(alert) = self.standing.remove(&name) {
                self.resolved.insert(name, (alert, now));
            }
        }
        self.resolved.retain(|_, (_, at)| now.duration_since(*at) < TELL_RESOLVED);
        while self.resolved.len() > RESOLVED_MAX {
            let oldest = self.resolved.iter().min_by_key(|(_, (_, at))| *at).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.resolved.remove(&name));
        }
        if self.told_at.is_none_or(|at| later(at, TELL_EVERY) <= now) {
            self.told_at = Some(now);
            self.tell(house, now);
        }
    }

    fn fire(&mut self, house: &House, now: Timestamp) {
        let all: u64 = rules::ALL.iter().map(|(_, share, _)| share).sum();
        let mut drawn = self.dice.below(all);
        let name = rules::ALL.iter().find_map(|(name, share, _)| match drawn.checked_sub(*share) {
            None => Some(*name),
            Some(rest) => {
                drawn = rest;
                None
            }
        });
        let name = name.unwrap_or("Keep");
        self.fired += 1;
        let lasts = self.dice.between(Duration::from_secs(1), Duration::from_secs(40));
        if name == "Keep" {
            // Each only once, so that none can stand for another.
            let instance = format!("keep-{}", self.fired);
            let labels = json!({ "alertname": name, "instance": instance, "deployment": "none" });
            let until = later(now, lasts);
            self.standing.insert(instance, Standing { labels, starts_at: now, until, workload: None });
            return;
        }
        let hot = self.dice.chance(250);
        let number = self.dice.below(if hot { HOT } else { self.workloads });
        let workload = workload_name(usize::try_from(number).unwrap_or_default());
        let Some(generation) = generation(house, &workload) else { return };
        let labels = json!({ "alertname": name, "namespace": rules::NAMESPACE, "deployment": workload });
        let key = format!("{name} {workload}");
        // What has begun anew is not over, and one that stands already goes on.
        self.resolved.remove(&key);
        self.standing.entry(key).or_insert(Standing {
            labels,
            starts_at: now,
            until: later(now, lasts),
            workload: Some((workload, generation)),
        });
    }

    fn tell(&self, house: &House, now: Timestamp) {
        let alert = |alert: &Standing, ends_at: Timestamp| json!({ "labels": alert.labels, "startsAt": alert.starts_at, "endsAt": ends_at });
        let stands = now.checked_add(STANDS).unwrap_or(now);
        let mut all: Vec<Value> = self.standing.values().map(|standing| alert(standing, stands)).collect();
        all.extend(self.resolved.values().map(|(resolved, at)| alert(resolved, *at)));
        let text = Value::from(all).to_string();
        for alertmanager in &house.alertmanagers {
            // One that is down is told the next time.
            let _ = alertmanager.post_alerts(&text);
        }
    }
}

impl Standing {
    fn is_helped(&self, house: &House) -> bool {
        self.workload.as_ref().is_some_and(|(name, before)| {
            generation(house, name).is_some_and(|generation| generation != *before)
        })
    }
}

fn generation(house: &House, workload: &str) -> Option<i64> {
    house.cluster.get("deployments", rules::NAMESPACE, workload)?["metadata"]["generation"].as_i64()
}
