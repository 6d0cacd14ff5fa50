//! The one list of adapters.

use selfheal_contract::RosterEntry;

/// The adapters that this build has.
pub const ROSTER: &[RosterEntry] = &[
    #[cfg(feature = "argo_rollouts")]
    selfheal_argo_rollouts::ENTRY,
    #[cfg(feature = "health")]
    selfheal_health::ENTRY,
    #[cfg(feature = "kafka")]
    selfheal_kafka::ENTRY,
    #[cfg(feature = "kubernetes")]
    selfheal_kubernetes::ENTRY,
    #[cfg(feature = "log")]
    selfheal_log::ENTRY,
    #[cfg(feature = "postgres")]
    selfheal_postgres::ENTRY,
    #[cfg(feature = "prometheus")]
    selfheal_prometheus::ENTRY,
    #[cfg(feature = "redis")]
    selfheal_redis::ENTRY,
];
