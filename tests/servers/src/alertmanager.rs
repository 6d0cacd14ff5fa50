//! A real Alertmanager, alone or as a pair that shares its notification log.

mod configuration;

pub use configuration::{Credentials, WebhookRoute};

use crate::{
    error::{Error, While},
    http,
    port::Port,
    program,
    server::{self, Recipe, Server, server_methods},
};
use rustix::process::Signal;
use std::{fs, path::PathBuf};

/// What a test may want to be otherwise.
#[derive(Debug, Clone, Default)]
pub struct AlertmanagerOptions {
    /// Further arguments, such as `["--data.retention=1h"]`.
    pub args: Vec<String>,
}

/// A running Alertmanager.
pub struct Alertmanager {
    server: Server,
    port: Port,
    configuration: PathBuf,
    /// Reserved as long as the server may come back to it.
    _cluster: Option<Port>,
}

server_methods!(Alertmanager);

impl Alertmanager {
    /// Starts one server without a cluster and waits until it is ready.
    ///
    /// `configuration` is the text of `alertmanager.yml`; [`WebhookRoute`] writes the usual one.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the program `prometheus-alertmanager` or `alertmanager`; others when it does not start,
    /// with its words about a faulty configuration.
    pub fn start(configuration: &str) -> Result<Self, Error> {
        Self::start_with(configuration, &AlertmanagerOptions::default())
    }

    /// Starts one server with these options.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(configuration: &str, options: &AlertmanagerOptions) -> Result<Self, Error> {
        let mut args = vec!["--cluster.listen-address=".to_owned()];
        args.extend(options.args.iter().cloned());
        Self::launch(configuration, args, None)
    }

    /// Starts two servers that gossip, and waits until each sees the other: of one notification the second sends nothing
    /// unless the first fails to. Alerts have to be sent to both, as Prometheus does.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start); also when they do not find each other.
    pub fn start_pair(configuration: &str) -> Result<[Self; 2], Error> {
        let clusters = [Port::reserve()?, Port::reserve()?];
        let addresses = clusters.each_ref().map(Port::address);
        let member = |cluster: Port| {
            let own = cluster.address();
            let args = addresses
                .iter()
                .filter(|address| **address != own)
                .map(|address| format!("--cluster.peer={address}"))
                .chain([
                    format!("--cluster.listen-address={own}"),
                    format!("--cluster.advertise-address={own}"),
                    "--cluster.gossip-interval=50ms".to_owned(),
                    "--cluster.pushpull-interval=1s".to_owned(),
                    "--cluster.reconnect-interval=1s".to_owned(),
                ])
                .collect();
            Self::launch(configuration, args, Some(cluster))
        };
        let [first, second] = clusters;
        let pair = [member(first)?, member(second)?];
        for one in &pair {
            one.await_peers(2)?;
        }
        Ok(pair)
    }

    fn launch(configuration: &str, args: Vec<String>, cluster: Option<Port>) -> Result<Self, Error> {
        let program = program::find("prometheus-alertmanager", "prometheus-alertmanager")
            // The name outside Debian.
            .or_else(|missing| program::find("alertmanager", missing.package).map_err(|_| missing))?;
        let port = Port::reserve()?;
        let directory = server::directory("alertmanager", None)?;
        let file = directory.path().join("alertmanager.yml");
        fs::write(&file, configuration).doing(|| format!("write {}", file.display()))?;
        let mut all = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", directory.path().join("data").display()),
            format!("--web.listen-address={}", port.address()),
            "--log.level=info".to_owned(),
        ];
        all.extend(args);
        let recipe = Recipe {
            name: "prometheus-alertmanager",
            program,
            args: all,
            run_as: None,
            stop_signal: Signal::TERM,
            drop_signal: Signal::KILL,
        };
        let url = format!("http://{}/-/ready", port.address());
        let server = Server::start(recipe, directory, move || server::answers(&url))?;
        Ok(Self { server, port, configuration: file, _cluster: cluster })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `127.0.0.1:<port>`, as [`PrometheusOptions::alertmanagers`](crate::PrometheusOptions::alertmanagers) wants it.
    #[must_use]
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Sends alerts: the JSON array of `POST /api/v2/alerts`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with Alertmanager's words; [`Error::Io`] when it does not answer.
    pub fn post_alerts(&self, json: &str) -> Result<(), Error> {
        let answer = http::post_json(&format!("{}/api/v2/alerts", self.url()), json);
        server::expect_success("prometheus-alertmanager", "POST /api/v2/alerts", answer).map(drop)
    }

    /// The alerts that it has: the JSON of `GET /api/v2/alerts`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it does not answer.
    pub fn alerts(&self) -> Result<String, Error> {
        let answer = http::get(&format!("{}/api/v2/alerts", self.url()));
        server::expect_success("prometheus-alertmanager", "GET /api/v2/alerts", answer)
    }

    /// Replaces the configuration and reloads it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with Alertmanager's words about a faulty one, and the former stays in force.
    pub fn configure(&self, configuration: &str) -> Result<(), Error> {
        fs::write(&self.configuration, configuration)
            .doing(|| format!("write {}", self.configuration.display()))?;
        let answer = http::request("POST", &format!("{}/-/reload", self.url()), &[], b"");
        server::expect_success("prometheus-alertmanager", "a reload", answer).map(drop)
    }

    fn await_peers(&self, count: usize) -> Result<(), Error> {
        let url = format!("{}/api/v2/status", self.url());
        let mut seen = String::new();
        let found = crate::poll(server::START_LIMIT, || {
            seen = http::get(&url).map(|response| response.body).unwrap_or_default();
            // The addresses in the status are those of the cluster's members, itself included.
            (seen.contains(r#""status":"ready""#) && seen.matches(r#""address":"#).count() == count)
                .then_some(())
        });
        found.ok_or_else(|| Error::Failed {
            server: "prometheus-alertmanager".to_owned(),
            reason: format!("the cluster did not come to {count} members; its status: {seen}"),
            log: self.log(),
        })
    }
}
