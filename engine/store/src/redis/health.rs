//! Whether a Redis can be trusted with safety limits: it answers, it is a master, it never evicts a key, and where another
//! one may take its place, it does not go on beside it.

use redis::RedisResult;
use redis::aio::MultiplexedConnection;

use super::address::Kind;
use super::trouble::Trouble;

/// What Redis says about itself, as far as it matters here.
pub(super) type Report = String;

/// Asks for it. `INFO` is allowed where `CONFIG` is not, as on managed servers.
pub(super) async fn ask(mut connection: MultiplexedConnection) -> RedisResult<Report> {
    let (_pong, replication, memory): (String, Report, Report) = redis::pipe()
        .cmd("PING")
        .cmd("INFO")
        .arg("replication")
        .cmd("INFO")
        .arg("memory")
        .query_async(&mut connection)
        .await?;
    Ok(format!("{replication}{memory}"))
}

/// Says what is wrong and what to do, if anything is.
pub(super) fn judge(report: &str, kind: &Kind) -> Result<(), Trouble> {
    let field = |name: &str| {
        let mut fields = report.lines().filter_map(|line| line.trim_end().split_once(':'));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    };
    let unfit = |what: &str| Err(Trouble::Unfit(what.to_owned()));
    match (field("role"), kind) {
        (Some("master"), _) => {}
        (Some(role), Kind::Single) => {
            return unfit(&format!(
                "Redis is a {role} and cannot be written; give the address of the master"
            ));
        }
        // Whoever named it does not know yet of a fail-over.
        (Some(role), _) => return Err(Trouble::Nowhere(format!("it names a {role}"))),
        (None, _) => return unfit("Redis does not say whether it is a master (INFO replication)"),
    }
    if field("master_replid").is_none() {
        return unfit(
            "Redis does not say which history of its data it writes (master_replid in INFO replication)",
        );
    }
    match field("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => {
            return unfit(&format!(
                "Redis may evict cooldowns and limits (maxmemory-policy {policy}); set it to noeviction, or use a \
                 Redis of its own"
            ));
        }
        None => return unfit("Redis does not say whether it evicts keys (INFO memory)"),
    }
    // A cluster's master that is cut off stops by itself.
    if matches!(kind, Kind::Sentinel { .. }) && field("min_slaves_good_slaves").is_none() {
        return unfit(
            "a Redis that is cut off would go on granting while the Sentinels promote another; set \
             min-replicas-to-write to 1 or more on every server, and min-replicas-max-lag to less than the Sentinels' \
             down-after-milliseconds",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redis::RedisConnectionInfo;

    use super::*;

    #[test]
    fn only_a_master_that_never_evicts_will_do() {
        let sentinel = Kind::Sentinel { service: "main".to_owned(), login: RedisConnectionInfo::default() };
        let cases = [
            ("role:master\r\nmaster_replid:a\r\nmaxmemory_policy:noeviction\r\n", Kind::Single, None),
            (
                "# Memory\r\nmaxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\nmaster_replid:a\r\n",
                Kind::Single,
                None,
            ),
            ("role:slave\r\nmaxmemory_policy:noeviction\r\n", Kind::Single, Some("address of the master")),
            ("role:slave\r\nmaxmemory_policy:noeviction\r\n", Kind::Cluster, Some("it names a slave")),
            (
                "role:master\r\nmaster_replid:a\r\nmaxmemory_policy:allkeys-lru\r\n",
                Kind::Cluster,
                Some("allkeys-lru"),
            ),
            (
                "role:master\r\nmaster_replid:a\r\nmaxmemory_policy:volatile-ttl\r\n",
                Kind::Single,
                Some("volatile-ttl"),
            ),
            ("role:master\r\nmaster_replid:a\r\n", Kind::Single, Some("INFO memory")),
            ("maxmemory_policy:noeviction\r\n", Kind::Single, Some("INFO replication")),
            ("role:master\r\nmaxmemory_policy:noeviction\r\n", Kind::Single, Some("master_replid")),
            ("role:master\r\nmaster_replid:a\r\nmaxmemory_policy:noeviction\r\n", Kind::Cluster, None),
            (
                "role:master\r\nmaster_replid:a\r\nmaxmemory_policy:noeviction\r\n",
                sentinel.clone(),
                Some("min-replicas-to-write"),
            ),
            (
                "role:master\r\nmaster_replid:a\r\nmin_slaves_good_slaves:0\r\nmaxmemory_policy:noeviction\r\n",
                sentinel,
                None,
            ),
        ];
        for (report, kind, problem) in cases {
            match (judge(report, &kind), problem) {
                (Ok(()), None) => {}
                (Err(said), Some(problem)) => assert!(said.to_string().contains(problem), "{said}"),
                (said, _) => panic!("{report:?}: {said:?}"),
            }
        }
    }
}
