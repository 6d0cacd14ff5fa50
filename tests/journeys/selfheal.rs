//! The process under test: its configuration, its life, and what it answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use selfheal_test_servers::http::{self, Response};
use selfheal_test_servers::{Child, ChildOptions, Port, WebhookRoute, poll, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What Alertmanager shows at the door.
pub const WEBHOOK_TOKEN: &str = "a-token-for-the-webhook";
/// What the test shows at the API.
pub const API_TOKEN: &str = "a-token-for-the-journeys";
/// The rules that are shipped.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules");

/// selfheal, with a directory of its own.
pub struct Selfheal {
    child: Option<Child>,
    port: Port,
    rules: PathBuf,
    /// Removed when the process is gone.
    directory: TempDir,
}

impl Selfheal {
    /// Makes a directory with this configuration, to which address and credentials are added. Without rules of its own
    /// the process has those that are shipped.
    pub fn prepare(mut settings: Value, rules: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("selfheal-journey-").tempdir().unwrap();
        let own = json!({
            "intake": { "bearer_tokens": [WEBHOOK_TOKEN] },
            "api": { "tokens": [{ "name": "journeys", "token": API_TOKEN, "role": "admin" }] },
        });
        merge(&mut settings, own);
        // JSON is YAML.
        fs::write(directory.path().join("selfheal.yaml"), settings.to_string()).unwrap();
        let own_rules = directory.path().join("rules");
        fs::create_dir(&own_rules).unwrap();
        for (name, text) in rules {
            fs::write(own_rules.join(format!("{name}.rhai")), text).unwrap();
        }
        let rules = if rules.is_empty() { PathBuf::from(SHIPPED) } else { own_rules };
        Self { child: None, port: Port::reserve().unwrap(), rules, directory }
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) {
        self.spawn(None);
        self.wait_until_ready();
    }

    /// Starts a process that kills itself; it may do so before it is ready.
    pub fn start_doomed(&mut self, moment: &str) {
        self.spawn(Some(moment));
        poll(PATIENCE, || (self.is_ready() || self.is_dead()).then_some(())).expect("it is ready or dead");
    }

    fn spawn(&mut self, moment: Option<&str>) {
        let mut command = self.command();
        if let Some(moment) = moment {
            command.env("SELFHEAL_TEST_KILL_AT", moment);
        }
        self.run(command);
    }

    /// The command that starts the process.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selfheal-under-test"));
        let path = |path: PathBuf| path.into_os_string();
        command.arg("serve").arg("--listen").arg(self.port.address());
        command.arg("--config").arg(path(self.directory.path().join("selfheal.yaml")));
        command.arg("--data").arg(path(self.directory.path().join("data"))).arg("--rules").arg(&self.rules);
        // What happens to stand in the tester's environment is not part of a journey.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.contains("PROXY")
                || name_text.contains("proxy")
                || name_text.starts_with("SELFHEAL_")
            {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Starts a process by this command, without waiting.
    pub fn run(&mut self, command: Command) {
        self.child = None;
        let log = self.directory.path().join("log");
        self.child = Some(Child::spawn("selfheal", command, &log, ChildOptions::default()).unwrap());
    }

    /// Waits until it is ready.
    pub fn wait_until_ready(&self) {
        wait_until("selfheal is ready", PATIENCE, || self.is_ready());
    }

    fn is_ready(&self) -> bool {
        http::get(&self.url("/ready")).is_ok_and(|answer| answer.is_success())
    }

    /// Whether the process has ended.
    pub fn is_dead(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.exit_status().is_some())
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(child) = self.child.as_mut() {
            child.kill();
        }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was started").pid()
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.child.as_ref().map(Child::log).unwrap_or_default()
    }

    /// Its own directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// An address at it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.port.address())
    }

    /// How Alertmanager sends to it.
    pub fn route(&self) -> WebhookRoute {
        let credentials = selfheal_test_servers::Credentials::Bearer(WEBHOOK_TOKEN.to_owned());
        WebhookRoute {
            credentials: Some(credentials),
            ..WebhookRoute::new(self.url("/webhook/alertmanager"))
        }
    }

    /// Sends a notification with these alerts, as Alertmanager would.
    pub fn send(&self, alerts: &[Value]) -> std::io::Result<Response> {
        let body = json!({
            "version": "4", "receiver": "selfheal", "status": "firing", "groupKey": "{}:{}", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0, "alerts": alerts,
        });
        let authorization = format!("Bearer {WEBHOOK_TOKEN}");
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        http::request("POST", &self.url("/webhook/alertmanager"), &headers, body.to_string().as_bytes())
    }

    /// Asks its API.
    pub fn api(&self, path: &str) -> std::io::Result<Value> {
        let authorization = format!("Bearer {API_TOKEN}");
        let url = self.url(&format!("/api/self-healing{path}"));
        let answer = http::request("GET", &url, &[("authorization", &authorization)], b"")?;
        assert!(answer.is_success(), "{path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// All issues, newest first.
    pub fn issues(&self) -> Vec<Value> {
        let issues = self.api("/issues?limit=1000").ok();
        issues.and_then(|issues| issues.as_array().cloned()).unwrap_or_default()
    }

    /// Waits for an issue that fits.
    #[track_caller]
    pub fn wait_for_issue(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = poll(PATIENCE, || self.issues().into_iter().find(&fits));
        found.unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain until {what}: {:#?}", self.issues()))
    }

    /// The kinds of what an issue's story tells, in order.
    pub fn story(&self, issue: &Value) -> Vec<String> {
        let story = self.api(&format!("/issues/{}", issue["id"].as_str().unwrap())).unwrap();
        let entries = story["story"].as_array().unwrap();
        entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Selfheal {
    fn drop(&mut self) {
        // Before its directory.
        self.child = None;
    }
}

/// An alert that fires since a moment that tells it from all others of its name.
pub fn alert(name: &str, instance: &str, since: &str) -> Value {
    json!({
        "status": "firing",
        "labels": { "alertname": name, "instance": instance },
        "annotations": {},
        "startsAt": since,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
    })
}

fn merge(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else { panic!("settings are a map") };
    into.extend(from);
}
