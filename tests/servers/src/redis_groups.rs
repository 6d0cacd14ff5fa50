//! Several Redis servers that stand in for each other: a master with replicas that Sentinels watch, or a cluster.

use crate::{
    error::{Error, While},
    port::Port,
    program,
    redis::{Redis, RedisOptions, ready},
    server::{self, Recipe, Server, server_methods},
    wait::poll,
};
use rustix::process::Signal;
use std::{fs, process::Command, time::Duration};

/// How long servers may take to know each other.
const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// After how long without an answer a master is taken for dead.
const DEAD_AFTER: Duration = Duration::from_millis(500);

/// One Sentinel.
pub struct Sentinel {
    server: Server,
    port: Port,
}

server_methods!(Sentinel);

impl Sentinel {
    fn start(master: &Redis, quorum: usize) -> Result<Self, Error> {
        let program = program::find("redis-server", "redis-server")?;
        let port = Port::reserve()?;
        let directory = server::directory("sentinel", None)?;
        let (number, dead_after) = (port.number(), DEAD_AFTER.as_millis());
        let name = RedisSentinels::SERVICE;
        // A Sentinel writes what it learns into its own configuration.
        let file = directory.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {number}\ndir {}\n\
             sentinel monitor {name} 127.0.0.1 {} {quorum}\n\
             sentinel down-after-milliseconds {name} {dead_after}\n\
             sentinel failover-timeout {name} 3000\n",
            directory.path().display(),
            master.port(),
        );
        fs::write(&file, text).doing(|| format!("write {}", file.display()))?;
        let recipe = Recipe {
            name: "redis-sentinel",
            program,
            args: vec![file.display().to_string(), "--sentinel".to_owned()],
            run_as: None,
            stop_signal: Signal::TERM,
            drop_signal: Signal::KILL,
        };
        Ok(Self { server: Server::start(recipe, directory, move || ready(number))?, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

/// A master, its replicas, and the Sentinels that promote one of them when the master is gone.
pub struct RedisSentinels {
    /// The first is the master at the start.
    pub servers: Vec<Redis>,
    /// Most of them have to agree.
    pub sentinels: Vec<Sentinel>,
}

impl RedisSentinels {
    /// The name under which the Sentinels know the master.
    pub const SERVICE: &str = "main";

    /// Starts three servers, which refuse writes while they have no replica, and as many Sentinels; waits until all know
    /// each other.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the programs `redis-server` and `redis-cli`; others when they do not start.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"])
    }

    /// The same with these arguments for each server.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(args: &[&str]) -> Result<Self, Error> {
        let with = |more: &[&str]| {
            let quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
            let args = args.iter().chain(&quick).chain(more).map(|arg| (*arg).to_owned()).collect();
            Redis::start_with(&RedisOptions { args })
        };
        let master = with(&[])?;
        let port = master.port().to_string();
        let replicaof = ["--replicaof", "127.0.0.1", &port];
        let servers = vec![master, with(&replicaof)?, with(&replicaof)?];
        await_text(&servers[0], &["INFO", "replication"], |text| text.matches("state=online").count() == 2)?;
        let sentinels = (0..3).map(|_| Sentinel::start(&servers[0], 2)).collect::<Result<Vec<_>, _>>()?;
        for sentinel in &sentinels {
            await_answer(sentinel.port(), &["SENTINEL", "MASTERS"], |text| {
                let value = |name: &str| text.lines().skip_while(|line| *line != name).nth(1);
                value("num-slaves") == Some("2") && value("num-other-sentinels") == Some("2")
            })?;
        }
        Ok(Self { servers, sentinels })
    }

    /// `redis+sentinel://127.0.0.1:<port>,.../main`.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|sentinel| sentinel.port.address()).collect();
        format!("redis+sentinel://{}/{}", hosts.join(","), Self::SERVICE)
    }
}

/// A cluster of three masters with a replica each.
pub struct RedisCluster {
    /// All nodes, in no particular order.
    pub nodes: Vec<Redis>,
    _bus: Vec<Port>,
}

impl RedisCluster {
    /// Starts six nodes, makes a cluster of them, and waits until each says that it is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the programs `redis-server` and `redis-cli`; others when they do not start.
    pub fn start() -> Result<Self, Error> {
        let bus = (0..6).map(|_| Port::reserve()).collect::<Result<Vec<_>, _>>()?;
        let node = |bus: &Port| {
            let timeout = DEAD_AFTER.as_millis().to_string();
            let port = bus.number().to_string();
            let args =
                ["--cluster-enabled", "yes", "--cluster-node-timeout", &timeout, "--cluster-port", &port];
            Redis::start_with(&RedisOptions { args: args.map(str::to_owned).to_vec() })
        };
        let nodes = bus.iter().map(node).collect::<Result<Vec<_>, _>>()?;
        let hosts = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        let args: Vec<String> = ["--cluster".to_owned(), "create".to_owned()]
            .into_iter()
            .chain(hosts)
            .chain(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned))
            .collect();
        cli("the cluster", &args)?;
        for node in &nodes {
            await_text(node, &["CLUSTER", "INFO"], |text| text.contains("cluster_state:ok"))?;
            await_text(node, &["CLUSTER", "NODES"], |text| text.matches("slave ").count() == 3)?;
            await_text(node, &["INFO", "replication"], |text| {
                text.contains("state=online") || text.contains("master_link_status:up")
            })?;
        }
        Ok(Self { nodes, _bus: bus })
    }

    /// `redis-cluster://127.0.0.1:<port>,...`, all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// The master that has a key, as the first node that answers knows it.
    ///
    /// # Errors
    ///
    /// When no node answers, or no master has the key.
    pub fn master_of(&self, key: &str) -> Result<&Redis, Error> {
        // A master says OK or NIL; whoever else has the key's slot says MOVED, and so does its replica.
        let owner = |node: &&Redis| node.ask(&["GET", key]).is_ok_and(|text| !text.contains("MOVED"));
        let failed = || Error::Failed {
            server: "redis cluster".to_owned(),
            reason: format!("no master has {key}"),
            log: String::new(),
        };
        self.nodes.iter().filter(|node| node.is_running()).find(owner).ok_or_else(failed)
    }
}

impl RedisCluster {
    /// Moves the slot of a key, with all that is in it, from one master to another.
    ///
    /// # Errors
    ///
    /// When the cluster does not do it.
    pub fn move_slot(&self, key: &str, from: &Redis, to: &Redis) -> Result<(), Error> {
        let id = |node: &Redis| node.ask(&["CLUSTER", "MYID"]).map(|id| id.trim().to_owned());
        let slot = from.ask(&["CLUSTER", "KEYSLOT", key])?;
        let (slot, from_id, to_id) = (slot.trim(), id(from)?, id(to)?);
        let done = |node: &Redis, command: &[&str]| {
            let said = node.ask(command)?;
            if matches!(said.trim(), "OK" | "NOKEY") {
                return Ok(());
            }
            let (server, request) = (format!("redis at {}", node.port()), command.join(" "));
            Err(Error::Refused { server, request, reason: said })
        };
        done(to, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id])?;
        done(from, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id])?;
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "10000"])?;
        let port = to.port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        let command: Vec<&str> =
            migrate.into_iter().chain(keys.lines().filter(|key| !key.is_empty())).collect();
        if command.len() > migrate.len() {
            done(from, &command)?;
        }
        // First those concerned, so that no moment leaves the slot to nobody; then the other masters.
        let others = self.nodes.iter().filter(|node| ![from.port(), to.port()].contains(&node.port()));
        let masters = others.filter(|node| node.ask(&["ROLE"]).is_ok_and(|role| role.starts_with("master")));
        for node in [to, from].into_iter().chain(masters) {
            done(node, &["CLUSTER", "SETSLOT", slot, "NODE", &to_id])?;
        }
        Ok(())
    }
}

impl Redis {
    /// Asks the server with `redis-cli` and returns what it prints.
    ///
    /// # Errors
    ///
    /// Without the program, or when the server cannot be reached.
    pub fn ask(&self, command: &[&str]) -> Result<String, Error> {
        ask(self.port(), command)
    }
}

fn ask(port: u16, command: &[&str]) -> Result<String, Error> {
    let port = port.to_string();
    let args: Vec<String> = ["-p", &port].iter().chain(command).map(|arg| (*arg).to_owned()).collect();
    cli(&format!("redis at {port}"), &args)
}

fn cli(server: &str, args: &[String]) -> Result<String, Error> {
    let program = program::find("redis-cli", "redis-tools")?;
    // It waits for ever for a server that hangs.
    let output = Command::new("timeout")
        .arg("60")
        .arg(&program)
        .args(args)
        .output()
        .doing(|| "run redis-cli".to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    if output.status.success() {
        return Ok(text);
    }
    let reason = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Refused { server: server.to_owned(), request: args.join(" "), reason })
}

fn await_text(server: &Redis, command: &[&str], holds: impl Fn(&str) -> bool) -> Result<(), Error> {
    await_answer(server.port(), command, holds)
}

fn await_answer(port: u16, command: &[&str], holds: impl Fn(&str) -> bool) -> Result<(), Error> {
    let mut seen = String::new();
    let found = poll(JOIN_LIMIT, || {
        seen = ask(port, command).unwrap_or_else(|error| error.to_string());
        holds(&seen).then_some(())
    });
    found.ok_or_else(|| Error::Failed {
        server: format!("redis at {port}"),
        reason: format!("{} did not come to what was expected within {JOIN_LIMIT:?}", command.join(" ")),
        log: seen,
    })
}
