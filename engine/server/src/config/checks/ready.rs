//! Ready-made checks of configured adapters, for the situations that the shipped rules heal: by the thresholds and the
//! targets that those rules use, under the names that they match.

use std::collections::BTreeMap;

use selfheal_core::span::Span;
use serde_json::{Map, Value as Json};

use super::super::adapters::Adapters;
use super::{Bound, Check, Usual};

/// A ready-made check.
struct Ready {
    /// The adapter's section, which must be there.
    adapter: &'static str,
    name: &'static str,
    probe: &'static str,
    /// Parameters, each by the setting that holds its value.
    params: &'static [(&'static str, &'static str)],
    /// The label by which the rule knows its target, and the setting that holds its value.
    label: (&'static str, &'static str),
    /// The setting that holds the bound.
    above: &'static str,
    alert: &'static str,
    severity: &'static str,
}

const READY: &[Ready] = &[
    Ready {
        adapter: "postgres",
        name: "postgres_connections",
        probe: "pg.connections",
        params: &[("database", "postgres_database")],
        label: ("selfheal_database", "postgres_database"),
        above: "postgres_conn_threshold",
        alert: "PostgresConnectionsHigh",
        severity: "high",
    },
    Ready {
        adapter: "redis",
        name: "redis_memory",
        probe: "redis.memory",
        params: &[("target", "redis_target")],
        label: ("selfheal_redis", "redis_target"),
        above: "redis_memory_threshold",
        alert: "RedisMemoryHigh",
        severity: "critical",
    },
    Ready {
        adapter: "redis",
        name: "redis_queue",
        probe: "redis.list_length",
        params: &[("target", "redis_target"), ("key", "queue_name")],
        label: ("key", "queue_name"),
        above: "queue_length_threshold",
        alert: "RedisQueueLength",
        severity: "warning",
    },
];

/// Those whose adapter is configured.
pub(super) fn checks(
    adapters: &Adapters,
    settings: &BTreeMap<String, Json>,
    usual: Usual,
) -> Vec<(String, Check)> {
    let is_configured = |ready: &&Ready| {
        adapters.iter().any(|adapter| adapter.configured && adapter.section == ready.adapter)
    };
    let text = |name: &str| settings.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let check = |ready: &Ready| Check {
        probe: ready.probe.to_owned(),
        params: ready
            .params
            .iter()
            .map(|(name, setting)| ((*name).to_owned(), Json::from(text(setting))))
            .collect::<Map<_, _>>(),
        field: None,
        bound: Bound::Above(settings.get(ready.above).and_then(Json::as_f64).unwrap_or(f64::MAX)),
        interval: usual.interval,
        timeout: usual.timeout.min(usual.interval),
        failures: usual.failures,
        lasting: Span::ZERO,
        successes: 1,
        alert: ready.alert.to_owned(),
        severity: ready.severity.to_owned(),
        labels: BTreeMap::from([(ready.label.0.to_owned(), text(ready.label.1))]),
        summary: None,
    };
    READY.iter().filter(is_configured).map(|ready| (ready.name.to_owned(), check(ready))).collect()
}
