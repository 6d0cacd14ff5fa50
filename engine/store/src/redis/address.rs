//! Where the ledger's Redis is, read from its URL: one server, whichever master the Sentinels name, or the node of a
//! cluster that has the ledger's keys.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// The ports that are meant where none is given.
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const EXPECTED: &str = "redis://[user:password@]host[:port][/database], \
    redis+sentinel://[user:password@]host[:port],.../service[/database] or \
    redis-cluster://[user:password@]host[:port],...; with TLS rediss instead of redis";

/// The address of a ledger that several processes share. Forms:
///
/// - `redis://[user:password@]host[:port][/database]`: one server.
/// - `redis+sentinel://[user:password@]host[:port],.../service[/database]`: the Sentinels, and the name by which they know the
///   master. User and password are the master's; those of the Sentinels, if they have any, are
///   `?sentinel_user=...&sentinel_password=...`.
/// - `redis-cluster://[user:password@]host[:port],...`: some nodes of a cluster.
///
/// `rediss`, `rediss+sentinel` and `rediss-cluster` are the same over TLS, for all connections.
#[derive(Clone)]
pub struct RedisAddress {
    pub(super) kind: Kind,
    /// Whom to ask; for one server, that server.
    pub(super) known: Vec<ConnectionInfo>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Single,
    Sentinel {
        service: String,
        /// How to log in to the master.
        login: RedisConnectionInfo,
    },
    Cluster,
}

/// What is wrong with an address. The text never quotes it, since it may hold a password.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{problem} (expected {EXPECTED})")]
pub struct RedisAddressFault {
    /// What it is.
    pub problem: String,
}

impl RedisAddressFault {
    /// What an address has to look like.
    pub const EXPECTED: &str = EXPECTED;
}

impl RedisAddress {
    /// What an address may begin with, without `://`.
    pub const SCHEMES: [&str; 6] =
        ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis-cluster", "rediss-cluster"];

    /// Reads an address.
    ///
    /// # Errors
    /// It has none of the forms above.
    pub fn parse(url: &str) -> Result<Self, RedisAddressFault> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| fault("no scheme"))?;
        if rest.contains('#') {
            return Err(fault("nothing can follow #; a server's certificate is always verified"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (login, hosts),
            None => ("", authority),
        };
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis" | "rediss" => {
                if hosts.contains(',') {
                    let hint = "one server has one host; for several, begin with redis+sentinel:// or redis-cluster://";
                    return Err(fault(hint));
                }
                no_query(query)?;
                let known = vec![server(tls, login, hosts, REDIS_PORT, path)?];
                Ok(Self { kind: Kind::Single, known })
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(fault(
                        "the service is missing, the name by which the Sentinels know the master",
                    ));
                }
                let sentinel_login = sentinel_login(query)?;
                let known = each(hosts, |host| server(tls, &sentinel_login, host, SENTINEL_PORT, ""))?;
                // Only how to log in counts here; the host is whatever the Sentinels say.
                let login = server(tls, login, "master", REDIS_PORT, database)?.redis_settings().clone();
                Ok(Self { kind: Kind::Sentinel { service: service.to_owned(), login }, known })
            }
            "redis-cluster" | "rediss-cluster" => {
                if !path.is_empty() {
                    return Err(fault("a cluster has one database, and nothing can follow its hosts"));
                }
                no_query(query)?;
                let known = each(hosts, |host| server(tls, login, host, REDIS_PORT, ""))?;
                Ok(Self { kind: Kind::Cluster, known })
            }
            _ => Err(fault("an unknown scheme")),
        }
    }

    /// Where a server is that one of the known ones named.
    pub(super) fn named(&self, by: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
        let addr = match by.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                let (insecure, tls_params) = (*insecure, tls_params.clone());
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        let named = by.clone().set_addr(addr);
        match &self.kind {
            Kind::Sentinel { login, .. } => named.set_redis_settings(login.clone()),
            Kind::Single | Kind::Cluster => named,
        }
    }
}

fn fault(problem: impl Into<String>) -> RedisAddressFault {
    RedisAddressFault { problem: problem.into() }
}

fn no_query(query: &str) -> Result<(), RedisAddressFault> {
    if query.is_empty() { Ok(()) } else { Err(fault("nothing can follow ?")) }
}

fn each(
    hosts: &str,
    server: impl Fn(&str) -> Result<ConnectionInfo, RedisAddressFault>,
) -> Result<Vec<ConnectionInfo>, RedisAddressFault> {
    hosts.split(',').map(server).collect()
}

/// The Sentinels' own `user:password`, as it stands in an address.
fn sentinel_login(query: &str) -> Result<String, RedisAddressFault> {
    let (mut user, mut password) = ("", None);
    for field in query.split('&').filter(|field| !field.is_empty()) {
        match field.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = Some(value),
            _ => return Err(fault("only sentinel_user and sentinel_password can follow ?")),
        }
    }
    match password {
        Some(password) => Ok(format!("{user}:{password}")),
        None if user.is_empty() => Ok(String::new()),
        None => Err(fault("sentinel_user needs sentinel_password")),
    }
}

/// One server. The driver reads it, which knows about escapes and IPv6.
fn server(
    tls: bool,
    login: &str,
    host: &str,
    port: u16,
    database: &str,
) -> Result<ConnectionInfo, RedisAddressFault> {
    let (scheme, at) = (if tls { "rediss" } else { "redis" }, if login.is_empty() { "" } else { "@" });
    if host.is_empty() {
        return Err(fault("a host is missing"));
    }
    // A colon within brackets belongs to an IPv6 address.
    let has_port = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
    let port = if has_port { String::new() } else { format!(":{port}") };
    let info = format!("{scheme}://{login}{at}{host}{port}/{database}")
        .into_connection_info()
        // The driver's own words may quote a password.
        .map_err(|_| fault("host, port, login or database cannot be read"))?;
    // A script is one small packet each way; to wait for more would only delay it.
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, whom to ask, and as whom to log in to the master.
    fn shown(url: &str) -> String {
        let address = match RedisAddress::parse(url) {
            Ok(address) => address,
            Err(fault) => return fault.problem,
        };
        let login = |settings: &RedisConnectionInfo| {
            format!("{:?}:{:?}/{}", settings.username(), settings.password(), settings.db())
                .replace("None", "-")
                .replace("Some", "")
        };
        let hosts: Vec<String> = address
            .known
            .iter()
            .map(|info| match info.addr() {
                ConnectionAddr::Tcp(host, port) => format!("{host} {port}"),
                ConnectionAddr::TcpTls { host, port, insecure: false, .. } => format!("{host} {port} tls"),
                other => panic!("{other:?}"),
            })
            .collect();
        let (kind, to_master) = match &address.kind {
            Kind::Single => ("one".to_owned(), String::new()),
            Kind::Sentinel { service, login: to } => {
                (format!("sentinel {service}"), format!(" > {}", login(to)))
            }
            Kind::Cluster => ("cluster".to_owned(), String::new()),
        };
        format!("{kind}: {} {}{to_master}", hosts.join(", "), login(address.known[0].redis_settings()))
    }

    #[test]
    fn addresses_are_read_and_faults_named() {
        let cases = [
            ("redis://r", "one: r 6379 -:-/0"),
            ("redis://u:p%40w@[::1]:7000/3", "one: ::1 7000 (\"u\"):(\"p@w\")/3"),
            ("rediss://:p@r:7000", "one: r 7000 tls -:(\"p\")/0"),
            ("redis+sentinel://a,b:7000/main", "sentinel main: a 26379, b 7000 -:-/0 > -:-/0"),
            (
                "rediss+sentinel://u:p@a,[::1]/main/4?sentinel_password=s%26t",
                "sentinel main: a 26379 tls, ::1 26379 tls -:(\"s&t\")/0 > (\"u\"):(\"p\")/4",
            ),
            (
                "redis+sentinel://a/main?sentinel_user=v&sentinel_password=s",
                "sentinel main: a 26379 (\"v\"):(\"s\")/0 > -:-/0",
            ),
            ("redis-cluster://u:p@a,b:7000", "cluster: a 6379, b 7000 (\"u\"):(\"p\")/0"),
            ("rediss-cluster://a/", "cluster: a 6379 tls -:-/0"),
            ("r:6379", "no scheme"),
            ("http://r", "an unknown scheme"),
            ("redis://", "a host is missing"),
            ("redis-cluster://a,,b", "a host is missing"),
            (
                "redis://a,b",
                "one server has one host; for several, begin with redis+sentinel:// or redis-cluster://",
            ),
            ("redis://r:x", "host, port, login or database cannot be read"),
            ("redis://r/x", "host, port, login or database cannot be read"),
            ("redis+sentinel://a/main/x", "host, port, login or database cannot be read"),
            ("redis+sentinel://a", "the service is missing, the name by which the Sentinels know the master"),
            ("redis+sentinel://a/main?password=x", "only sentinel_user and sentinel_password can follow ?"),
            ("redis+sentinel://a/main?sentinel_user=x", "sentinel_user needs sentinel_password"),
            ("redis-cluster://a/1", "a cluster has one database, and nothing can follow its hosts"),
            ("redis://r?protocol=resp3", "nothing can follow ?"),
            ("rediss://r#insecure", "nothing can follow #; a server's certificate is always verified"),
        ];
        for (url, expected) in cases {
            assert_eq!(shown(url), expected, "{url}");
        }
    }
}
