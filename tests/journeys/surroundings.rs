//! What stands around the servers that are healed: the exporters by which Prometheus sees them, and their clients.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use selfheal_test_servers::{Child, ChildOptions, Error, Missing, Port, Postgres, http, poll};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls};

/// How long an exporter may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A real exporter.
pub struct Exporter {
    _child: Child,
    port: Port,
    _directory: TempDir,
}

impl Exporter {
    /// The exporter of a PostgreSQL.
    pub fn of_postgres(postgres: &Postgres) -> Result<Self, Error> {
        let program = find("prometheus-postgres-exporter", "postgres_exporter")?;
        let source = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", postgres.port());
        Self::start("postgres-exporter", program, |command| {
            command.env("DATA_SOURCE_NAME", source);
        })
    }

    /// The exporter of a Redis.
    pub fn of_redis(url: &str) -> Result<Self, Error> {
        let program = find("prometheus-redis-exporter", "redis_exporter")?;
        let address = format!("--redis.addr={}", url.trim_end_matches('/'));
        Self::start("redis-exporter", program, |command| {
            command.arg(address);
        })
    }

    fn start(
        name: &'static str,
        program: PathBuf,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Self, Error> {
        let port = Port::reserve()?;
        let directory = tempfile::Builder::new().prefix("selfheal-exporter-").tempdir().unwrap();
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address={}", port.address()));
        configure(&mut command);
        let mut child = Child::spawn(name, command, &directory.path().join("log"), ChildOptions::default())?;
        let url = format!("http://{}/metrics", port.address());
        let ready = poll(START_LIMIT, || http::get(&url).ok().filter(http::Response::is_success));
        if ready.is_none() {
            let (reason, log) = ("it does not answer".to_owned(), child.log_tail());
            child.kill();
            return Err(Error::Failed { server: name.to_owned(), reason, log });
        }
        Ok(Self { _child: child, port, _directory: directory })
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        self.port.address()
    }
}

/// Finds an exporter by its name in Debian, or by its own.
fn find(debian: &'static str, own: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/local/bin", "/usr/bin"].map(PathBuf::from)).collect();
    let candidates = folders.iter().flat_map(|folder| [folder.join(debian), folder.join(own)]);
    candidates.into_iter().find(|file| file.is_file()).ok_or(Missing { program: debian, package: debian })
}

/// Connections of an application that does nothing.
pub struct Idle {
    clients: Vec<Client>,
    _runtime: Runtime,
}

impl Idle {
    /// Opens so many connections as the role `app`, and waits until each has been idle for so long.
    pub fn open(postgres: &Postgres, count: usize, idle: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let clients = runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..count {
                let mut config = Config::new();
                config.host("127.0.0.1").port(postgres.port()).dbname("postgres").user("app");
                let (client, connection) = config.connect(NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute("SELECT 1").await.unwrap();
                clients.push(client);
            }
            clients
        });
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle'
             AND clock_timestamp() - state_change > interval '{} milliseconds'",
            idle.as_millis()
        );
        let all_idle = poll(START_LIMIT, || (number(postgres, &sql) == count).then_some(()));
        all_idle.expect("the connections are idle");
        Self { clients, _runtime: runtime }
    }

    /// How many are still open.
    pub fn alive(&self) -> usize {
        self.clients.iter().filter(|client| !client.is_closed()).count()
    }
}

/// The roles as an operator would make them.
pub const ROLES: &str =
    "CREATE ROLE app LOGIN; CREATE ROLE selfheal LOGIN; GRANT pg_monitor, pg_signal_backend TO selfheal";

/// The number that a statement gives.
pub fn number(postgres: &Postgres, sql: &str) -> usize {
    let rows = postgres.sql(sql).unwrap();
    rows[0][0].as_deref().unwrap().parse().unwrap()
}
