//! The shipped rules, for running without a directory of rules.

use selfheal_script::RuleFile;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../rules/", $name, ".rhai")))),+]
    };
}

/// Names and texts, by ascending name.
const SHIPPED: &[(&str, &str)] = shipped![
    "agent_down",
    "certificate_expiry",
    "configuration_drift",
    "container_cpu_high",
    "container_memory_high",
    "deployment_regression",
    "high_error_rate",
    "high_latency",
    "image_pull_backoff",
    "kafka_consumer_lag",
    "network_latency",
    "pod_compromised",
    "pod_crash_looping",
    "pod_oom_killed",
    "pod_restart_loop",
    "postgres_connections",
    "postgres_slow_queries",
    "redis_memory",
    "redis_queue_length",
    "service_down",
    "service_failing",
    "volume_full",
    "vulnerability",
];

/// The shipped rules.
pub fn rules() -> Vec<RuleFile> {
    SHIPPED.iter().map(|(name, text)| RuleFile::new(*name, format!("rules/{name}.rhai"), *text)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_rule_of_the_directory_is_shipped() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
        let read = crate::watch::read_rules(&directory).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|file| (&*file.name, &*file.text)).collect();
        assert_eq!(read, SHIPPED);
    }
}
