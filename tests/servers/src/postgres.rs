//! A real PostgreSQL with a fresh, empty database.
//!
//! `initdb` takes seconds, so it runs once a machine and version; every server starts from a copy. PostgreSQL refuses
//! to run as root, so a root's test runs it as the user `postgres`.

mod session;
mod template;

pub use session::{Row, Session};

use crate::{
    error::{Error, While},
    port::Port,
    program,
    server::{self, Recipe, Server, server_methods},
};
use rustix::process::Signal;

/// The superuser, whom anyone on 127.0.0.1 may be.
const USER: &str = "postgres";

/// What a test may want to be otherwise.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// How many connections the server takes, its reserved ones included; 100 by default, at least 10.
    pub max_connections: u32,
    /// Whether commits survive a crash of the machine; off by default, for speed. A killed process loses nothing
    /// either way.
    pub fsync: bool,
    /// Further settings as in `postgresql.conf`, which win over all others.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { max_connections: 100, fsync: false, settings: Vec::new() }
    }
}

/// A running PostgreSQL, superuser `postgres` without password, database `postgres`.
pub struct Postgres {
    server: Server,
    port: Port,
}

server_methods!(Postgres);

impl Postgres {
    /// Starts a server with the default options and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the programs `postgres` and `initdb`; others when it does not start.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&PostgresOptions::default())
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(options: &PostgresOptions) -> Result<Self, Error> {
        let program = program::find_postgres("postgres")?;
        let user = program::unprivileged("postgres")?;
        let port = Port::reserve()?;
        let directory = server::directory("postgres", user)?;
        let data = directory.path().join("data");
        template::copy(&program, user, &data)?;
        let on_off = |on: bool| if on { "on" } else { "off" };
        let settings = [
            ("port", port.number().to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", String::new()),
            ("max_connections", options.max_connections.to_string()),
            ("fsync", on_off(options.fsync).to_owned()),
            ("full_page_writes", on_off(options.fsync).to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            // Not in /dev/shm, which is small in containers and where a killed server's files would stay.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
        ];
        let further = options.settings.iter().map(|(key, value)| (key.as_str(), value.clone()));
        let mut args = vec!["-D".to_owned(), data.display().to_string()];
        for (key, value) in settings.into_iter().chain(further) {
            args.extend(["-c".to_owned(), format!("{key}={value}")]);
        }
        let recipe = Recipe {
            name: "postgres",
            program,
            args,
            run_as: user,
            // "Fast": without waiting for clients to leave.
            stop_signal: Signal::INT,
            // "Immediate": a SIGKILL would leave a shared memory segment behind on the machine.
            drop_signal: Signal::QUIT,
        };
        let number = port.number();
        let ready =
            move || Session::connect(number, "selfheal-test-ready").map(drop).map_err(|e| e.to_string());
        Ok(Self { server: Server::start(recipe, directory, ready)?, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.port.address())
    }

    /// Opens a connection, idle until it is used and closed on Drop.
    ///
    /// # Errors
    ///
    /// When the server refuses it, for example because it has too many, or does not answer within 10 s.
    pub fn session(&self, application_name: &str) -> Result<Session, Error> {
        Session::connect(self.port(), application_name).doing(|| format!("connect as {application_name}"))
    }

    /// Opens many idle connections.
    ///
    /// # Errors
    ///
    /// As for [`session`](Self::session); those opened until then are closed.
    pub fn idle_sessions(&self, count: usize, application_name: &str) -> Result<Vec<Session>, Error> {
        (0..count).map(|_| self.session(application_name)).collect()
    }

    /// Runs SQL, one or several statements, in a session of its own and returns all rows.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's message; as for [`session`](Self::session).
    pub fn sql(&self, text: &str) -> Result<Vec<Row>, Error> {
        self.session("selfheal-test-sql")?.sql(text)
    }
}
