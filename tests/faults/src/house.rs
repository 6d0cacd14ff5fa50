//! Everything that runs: three replicas on one PostgreSQL and one Redis with a replica, fed by a pair of Alertmanagers,
//! healing one cluster, telling one Kafka.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use selfheal_simulation::dice::Dice;
use selfheal_test_kubernetes::ApiDouble;
use selfheal_test_servers::{Alertmanager, Error, Port, Postgres, Redis, RedisOptions, poll};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::door::{Door, Hall};
use crate::draw::REPLICAS;
use crate::kafka::{Kafka, TOPIC};
use crate::replica::{Program, Replica, WEBHOOK_TOKEN, Ways};
use crate::rules;
use crate::way::Way;

/// How long the house may take to stand.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How often in a thousand looks a workload settles that was changed: after about a second.
const SETTLES: u32 = 40;

/// The operator's limits in this house.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Remediations at the same time.
    pub concurrent: usize,
    /// Remediations of one target within an hour.
    pub per_target: usize,
    /// Remediations in all within an hour.
    pub in_all: usize,
}

/// What differs from one house to another, drawn from the seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether Alertmanager has a URL for each replica, or one for all.
    pub url_each: bool,
    /// By what alerts are grouped.
    pub group_by: &'static str,
    /// The operator's limits.
    pub limits: Limits,
    /// How many workloads there are.
    pub workloads: usize,
}

impl Plan {
    /// Draws a plan for a run with so many faults.
    #[must_use]
    pub fn draw(seed: u64, faults: usize) -> Self {
        let mut dice = Dice::new(seed, "house");
        let limits = Limits {
            concurrent: *dice.pick(&[2, 4, 8]),
            per_target: *dice.pick(&[3, 6, 12]),
            in_all: *dice.pick(&[40 + 3 * faults, 100_000]),
        };
        let group_by = *dice.pick(&["alertname", "...", "deployment"]);
        Self { url_each: dice.chance(500), group_by, limits, workloads: 12 + faults / 4 }
    }
}

/// The house. Fields are dropped in their order: first those who use the others.
pub struct House {
    /// The replicas.
    pub replicas: Vec<Replica>,
    /// The pair.
    pub alertmanagers: [Alertmanager; 2],
    /// Where they post to.
    doors: Vec<Door>,
    /// What the doors share.
    pub hall: Arc<Hall>,
    /// The journal.
    pub postgres: Postgres,
    /// The ledger and its replica: which of them is which changes.
    redis: [Redis; 2],
    /// Which of them is the master.
    master: AtomicUsize,
    /// The cluster that is healed.
    pub cluster: ApiDouble,
    /// Where news goes.
    pub kafka: Kafka,
    _runtime: Runtime,
}

impl House {
    /// Starts everything, and waits until the replicas are ready.
    ///
    /// # Errors
    /// [`Error::Missing`] when a server is not installed; others when it does not start.
    pub fn start(plan: &Plan, program: &Program) -> Result<Self, Error> {
        let io = |what: &str, source| Error::Io { what: what.to_owned(), source };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|source| io("start the proxies' threads", source))?;
        let postgres = Postgres::start()?;
        // A replica has everything at once, and leaves nothing on the disk that a later start would find.
        let args =
            ["--repl-diskless-sync-delay", "0", "--rdb-del-sync-files", "yes"].map(str::to_owned).to_vec();
        let options = RedisOptions { args };
        let redis = [Redis::start_with(&options)?, Redis::start_with(&options)?];
        let cluster = ApiDouble::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|source| io("start the Kubernetes API", source))?;
        for number in 0..plan.workloads {
            cluster.create(workload(number));
            cluster.settle("deployments", rules::NAMESPACE, &workload_name(number));
        }
        let kafka = Kafka::start()?;

        let ports = (0..REPLICAS).map(|_| Port::reserve()).collect::<Result<Vec<_>, _>>()?;
        let hall = Hall::new(ports.iter().map(Port::number));
        let everybody = || (0..REPLICAS).collect::<Vec<_>>();
        let doors = if plan.url_each {
            everybody().into_iter().map(|replica| Door::open(&hall, vec![replica])).collect()
        } else {
            Door::open(&hall, everybody()).map(|door| vec![door])
        }?;
        let urls: Vec<String> = doors.iter().map(Door::url).collect();
        let alertmanagers = Alertmanager::start_pair(&configuration(plan, &urls))?;

        let settings = settings(plan, &alertmanagers, kafka.bootstrap());
        let prepare = |(number, port)| {
            let way = |upstream, fits| Way::open(runtime.handle(), upstream, fits);
            let ways = Ways {
                journal: way(postgres.port(), |_| true)?,
                ledger: way(redis[0].port(), |_| true)?,
                target: way(cluster.address().port(), is_change)?,
            };
            Replica::prepare(number, program.clone(), port, ways, settings.clone(), &rules::ALL)
        };
        let replicas = ports.into_iter().enumerate().map(prepare).collect::<Result<Vec<_>, _>>()?;
        let house = Self {
            replicas,
            alertmanagers,
            doors,
            hall,
            postgres,
            redis,
            master: AtomicUsize::new(0),
            cluster,
            kafka,
            _runtime: runtime,
        };
        house.follow(0)?;
        house.replicas.iter().try_for_each(Replica::start)?;
        house.wait_until_ready()?;
        Ok(house)
    }

    fn wait_until_ready(&self) -> Result<(), Error> {
        let failed = |replica: &Replica, reason: String| Error::Failed {
            server: "selfheal".to_owned(),
            reason,
            log: replica.log_tail(),
        };
        let ready = poll(START_LIMIT, || {
            let ended = self.replicas.iter().find_map(|replica| {
                let status = replica.ended_by_itself()?;
                Some(Err(failed(replica, format!("it ended with {status} instead of starting"))))
            });
            ended.or_else(|| self.replicas.iter().all(Replica::is_ready).then_some(Ok(())))
        });
        ready.unwrap_or_else(|| {
            let late = self.replicas.iter().find(|replica| !replica.is_ready());
            let reason = format!("it was not ready within {START_LIMIT:?}");
            late.map_or(Ok(()), |replica| Err(failed(replica, reason)))
        })
    }

    /// Redis is killed and comes back with nothing; its replica follows.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn empty_redis(&self) -> Result<(), Error> {
        let master = self.master.load(Ordering::Relaxed);
        self.redis[master].kill();
        self.redis[master].restart()?;
        self.follow(master)
    }

    /// The replica of Redis stops to follow its master.
    pub fn stall_redis(&self) {
        self.redis[1 - self.master.load(Ordering::Relaxed)].pause();
    }

    /// The master of Redis is killed, and its replica takes over with what it has. The former master comes back as the
    /// replica.
    ///
    /// # Errors
    /// When one of them does not do as it is told.
    pub fn fail_over(&self) -> Result<(), Error> {
        let former = self.master.load(Ordering::Relaxed);
        let next = 1 - former;
        self.redis[former].kill();
        self.redis[next].resume();
        command(&self.redis[next], "REPLICAOF NO ONE")?;
        self.master.store(next, Ordering::Relaxed);
        for replica in &self.replicas {
            replica.ways.ledger.redirect(self.redis[next].port());
            replica.ways.ledger.reset();
        }
        self.redis[former].restart()?;
        self.follow(next)
    }

    /// Makes whoever is not the master its replica.
    fn follow(&self, master: usize) -> Result<(), Error> {
        let port = self.redis[master].port();
        self.redis[1 - master].resume();
        command(&self.redis[1 - master], &format!("REPLICAOF 127.0.0.1 {port}"))
    }

    /// Lets some of the workloads that were changed settle, so that most remediations take a while.
    pub fn settle_some(&self, dice: &mut Dice) {
        for workload in self.cluster.list("deployments", rules::NAMESPACE) {
            let settled = workload["metadata"]["generation"] == workload["status"]["observedGeneration"];
            if let Some(name) = workload["metadata"]["name"].as_str().filter(|_| !settled)
                && dice.chance(SETTLES)
            {
                self.cluster.settle("deployments", rules::NAMESPACE, name);
            }
        }
    }

    /// Lets go of what is kept only for a look.
    pub fn forget(&self) {
        self.doors.iter().for_each(Door::forget);
    }

    /// What was applied how often: changes of the cluster by requests.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.cluster.changes().by_requests().len()
    }
}

/// Whether a request changes something in the cluster.
fn is_change(request: &[u8]) -> bool {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.starts_with(b"PATCH ") && !line.windows(6).any(|part| part == b"dryRun")
}

/// Tells a Redis something that it answers with OK.
fn command(redis: &Redis, text: &str) -> Result<(), Error> {
    let tell = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(format!("{text}\r\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = tell().map_err(|source| Error::Io { what: format!("tell Redis {text}"), source })?;
    if line.starts_with("+OK") {
        return Ok(());
    }
    let (server, request) = ("redis-server".to_owned(), text.to_owned());
    Err(Error::Refused { server, request, reason: line })
}

/// The name of a workload.
#[must_use]
pub fn workload_name(number: usize) -> String {
    format!("web-{number}")
}

fn workload(number: usize) -> Value {
    let name = workload_name(number);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": rules::NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "app", "image": "shop:1", "resources": {
                    "limits": { "memory": "512Mi", "cpu": "1" } } }] },
            },
        },
    })
}

fn configuration(plan: &Plan, urls: &[String]) -> String {
    let webhooks: Vec<Value> = urls
        .iter()
        .map(|url| {
            json!({ "url": url, "send_resolved": true, "http_config": {
                "authorization": { "credentials": WEBHOOK_TOKEN } } })
        })
        .collect();
    // JSON is YAML.
    json!({
        "global": { "resolve_timeout": "5m" },
        "route": {
            "receiver": "selfheal", "group_by": [plan.group_by], "group_wait": "200ms", "group_interval": "1s",
            "repeat_interval": "30s",
        },
        "receivers": [{ "name": "selfheal", "webhook_configs": webhooks }],
    })
    .to_string()
}

fn settings(plan: &Plan, alertmanagers: &[Alertmanager; 2], brokers: &str) -> Value {
    let Limits { concurrent, per_target, in_all } = plan.limits;
    let urls = alertmanagers.each_ref().map(Alertmanager::url);
    let sinks: BTreeMap<&str, Value> = BTreeMap::from([(
        "events",
        json!({ "kind": "kafka", "topic": TOPIC,
            "events": ["opened", "plan", "outcome", "person", "closed"] }),
    )]);
    json!({
        "journal": { "connect_timeout": "2s", "statement_timeout": "3s" },
        "ledger": { "timeout": "1s" },
        "alertmanager": { "urls": urls, "interval": "5s", "timeout": "2s" },
        "policy": {
            "settle": "2s", "cooldown_min": "0s", "storm_per_minute": 0, "concurrent": concurrent,
            "per_target_per_hour": per_target, "in_all_per_hour": in_all, "failure_share_max": 1.0,
            "breaker": { "failures": 5, "open": "5s" }, "target_wait": "30s",
        },
        "adapters": {
            "kubernetes": { "timeout": "2s", "connect_timeout": "1s" },
            "kafka": { "clusters": { "main": { "bootstrap": brokers } }, "timeout": "3s" },
        },
        "sinks": sinks,
        "telemetry": { "log": { "level": "info" } },
    })
}
