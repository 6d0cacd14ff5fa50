//! Whether a Redis can be trusted with safety limits: it answers, it is a master, and it never evicts a key.

use redis::RedisResult;
use redis::aio::ConnectionManager;

/// What Redis says about itself, as far as it matters here.
pub(super) type Report = String;

/// Asks for it. `INFO` is allowed where `CONFIG` is not, as on managed servers.
pub(super) async fn ask(connection: &mut ConnectionManager) -> RedisResult<Report> {
    let (_pong, replication, memory): (String, Report, Report) = redis::pipe()
        .cmd("PING")
        .cmd("INFO")
        .arg("replication")
        .cmd("INFO")
        .arg("memory")
        .query_async(connection)
        .await?;
    Ok(format!("{replication}{memory}"))
}

/// Says what is wrong and what to do, if anything is.
pub(super) fn judge(report: &str) -> Result<(), String> {
    let field = |name: &str| {
        let mut fields = report.lines().filter_map(|line| line.trim_end().split_once(':'));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    };
    match field("role") {
        Some("master") => {}
        Some(role) => {
            return Err(format!("Redis is a {role} and cannot be written; give the address of the master"));
        }
        None => return Err("Redis does not say whether it is a master (INFO replication)".to_owned()),
    }
    match field("maxmemory_policy") {
        Some("noeviction") => Ok(()),
        Some(policy) => Err(format!(
            "Redis may evict cooldowns and limits (maxmemory-policy {policy}); set it to noeviction, or use a Redis of its own"
        )),
        None => Err("Redis does not say whether it evicts keys (INFO memory)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_master_that_never_evicts_will_do() {
        let cases = [
            ("role:master\r\nmaxmemory_policy:noeviction\r\n", None),
            ("# Memory\r\nmaxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\n", None),
            ("role:slave\r\nmaxmemory_policy:noeviction\r\n", Some("address of the master")),
            ("role:master\r\nmaxmemory_policy:allkeys-lru\r\n", Some("allkeys-lru")),
            ("role:master\r\nmaxmemory_policy:volatile-ttl\r\n", Some("volatile-ttl")),
            ("role:master\r\n", Some("INFO memory")),
            ("maxmemory_policy:noeviction\r\n", Some("INFO replication")),
        ];
        for (report, problem) in cases {
            match (judge(report), problem) {
                (Ok(()), None) => {}
                (Err(said), Some(problem)) => assert!(said.contains(problem), "{said}"),
                (said, _) => panic!("{report:?}: {said:?}"),
            }
        }
    }
}
