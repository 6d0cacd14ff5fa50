//! A real Prometheus that scrapes, evaluates rules and tells Alertmanagers what a test configures.

use crate::{
    error::{Error, While},
    http,
    port::Port,
    program,
    server::{self, Recipe, Server, server_methods},
    yaml,
};
use rustix::process::Signal;
use std::{fmt::Write, fs, time::Duration};

/// One address that Prometheus scrapes at `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    /// The label `job`; several targets may share one.
    pub job: String,
    /// `host:port`, which becomes the label `instance`.
    pub address: String,
}

impl ScrapeTarget {
    /// A target.
    #[must_use]
    pub fn new(job: impl Into<String>, address: impl Into<String>) -> Self {
        Self { job: job.into(), address: address.into() }
    }
}

/// What a Prometheus does.
#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// What to scrape.
    pub targets: Vec<ScrapeTarget>,
    /// The text of each rule file.
    pub rule_files: Vec<String>,
    /// The Alertmanagers to tell, each `host:port`.
    pub alertmanagers: Vec<String>,
    /// Between two scrapes, and the longest that one may take; 1 s by default, whole milliseconds.
    pub scrape_interval: Duration,
    /// Between two evaluations of the rules; 1 s by default, whole milliseconds.
    pub evaluation_interval: Duration,
    /// Further arguments, such as `["--query.lookback-delta=10s"]`.
    pub args: Vec<String>,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            rule_files: Vec::new(),
            alertmanagers: Vec::new(),
            scrape_interval: Duration::from_secs(1),
            evaluation_interval: Duration::from_secs(1),
            args: Vec::new(),
        }
    }
}

/// A running Prometheus.
pub struct Prometheus {
    server: Server,
    port: Port,
}

server_methods!(Prometheus);

impl Prometheus {
    /// Starts a server and waits until it is ready to answer queries.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without the program `prometheus`; others when it does not start, with its words about a faulty
    /// rule file.
    pub fn start(options: &PrometheusOptions) -> Result<Self, Error> {
        let program = program::find("prometheus", "prometheus")?;
        let port = Port::reserve()?;
        let directory = server::directory("prometheus", None)?;
        for (number, text) in options.rule_files.iter().enumerate() {
            write(&directory.path().join(format!("rules-{number}.yml")), text)?;
        }
        let configuration = directory.path().join("prometheus.yml");
        write(&configuration, &configuration_text(options))?;
        let mut args = vec![
            format!("--config.file={}", configuration.display()),
            format!("--storage.tsdb.path={}", directory.path().join("data").display()),
            format!("--web.listen-address={}", port.address()),
            "--web.enable-lifecycle".to_owned(),
            "--log.level=warn".to_owned(),
        ];
        args.extend(options.args.iter().cloned());
        let recipe = Recipe {
            name: "prometheus",
            program,
            args,
            run_as: None,
            stop_signal: Signal::TERM,
            drop_signal: Signal::KILL,
        };
        let url = format!("http://{}/-/ready", port.address());
        Ok(Self { server: Server::start(recipe, directory, move || server::answers(&url))?, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Asks an instant query; the answer is the JSON of `/api/v1/query`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with Prometheus' words about a faulty query; [`Error::Io`] when it does not answer.
    pub fn query(&self, promql: &str) -> Result<String, Error> {
        let url = format!("{}/api/v1/query?query={}", self.url(), http::encode(promql));
        server::expect_success("prometheus", promql, http::get(&url))
    }

    /// Replaces the text of the rule file of this number, as given at start or one more, and reloads.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with Prometheus' words about a faulty text, and the former rules stay in force.
    pub fn set_rules(&self, number: usize, text: &str) -> Result<(), Error> {
        write(&self.path().join(format!("rules-{number}.yml")), text)?;
        let reload = format!("{}/-/reload", self.url());
        server::expect_success("prometheus", "a reload", http::request("POST", &reload, &[], b"")).map(drop)
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}

fn configuration_text(options: &PrometheusOptions) -> String {
    let scrape = yaml::duration(options.scrape_interval);
    let evaluation = yaml::duration(options.evaluation_interval);
    let mut text = format!(
        "global:\n  scrape_interval: {scrape}\n  scrape_timeout: {scrape}\n  evaluation_interval: {evaluation}\n\
         rule_files: [\"rules-*.yml\"]\n\
         alerting:\n  alertmanagers:\n    - static_configs: [{{targets: {}}}]\n\
         scrape_configs:\n",
        yaml::list(options.alertmanagers.iter().map(String::as_str)),
    );
    let mut jobs: Vec<&str> = options.targets.iter().map(|target| target.job.as_str()).collect();
    jobs.sort_unstable();
    jobs.dedup();
    for job in jobs {
        let addresses = options.targets.iter().filter(|target| target.job == job);
        let addresses = yaml::list(addresses.map(|target| target.address.as_str()));
        let job = yaml::quoted(job);
        writeln!(text, "  - job_name: {job}\n    static_configs: [{{targets: {addresses}}}]")
            .expect("writing to a String cannot fail");
    }
    text
}
