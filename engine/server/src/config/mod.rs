//! From the text of a configuration file to checked values.
//!
//! ```text
//! text -> yaml -> tree -> overlay (environment, flags) -> interpolate (${...}) -> sections -> Configuration
//! ```
//!
//! Pure: text, environment, flags and the way to read a file are arguments, and nothing is connected. A fault stops
//! nothing, so that an operator sees all of them at once, each with its line, variable or flag. Each section is
//! read by a file of its own, those of the adapters by the adapters themselves.

mod access;
mod adapters;
mod alertmanager;
mod bytes;
mod check;
mod checks;
mod intake;
pub mod interpolate;
mod maintenance;
pub mod origins;
mod overlay;
pub(crate) mod parts;
mod people;
mod policy;
mod reading;
mod refused;
pub mod render;
mod settings;
mod shown;
mod sinks;
mod storage;
mod summary;
mod telemetry;
mod variables;
pub mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use selfheal_core::policy::Policy;
use serde::Serialize;

pub use access::{
    API_TOKENS_MAX, Api, ApiToken, BasicUser, LOCAL_NAME, Role, SECRET_CHARS_MIN, WEBHOOK_CREDENTIALS_MAX,
    WebhookCredentials,
};
pub use adapters::{Adapters, CheckedAdapter};
pub use alertmanager::{ALERTMANAGERS_MAX, Alertmanager, ClientCredentials};
pub use bytes::{Bytes, NoAmount};
pub use check::check;
pub use checks::{Bound, CHECKS_MAX, Check, Checks};
pub use intake::{BACKLOG_SHARE_MAX, Intake};
pub use interpolate::{Missing, Sources};
pub use people::{LEVELS_MAX, Level, SLACK_USERS_MAX, Slack, SlackUser};
pub use refused::{Refusal, Refused};
pub use settings::{SETTINGS_MAX, TEXT_BYTES_MAX};
pub use sinks::{DEFAULT_SINK, Receiver, Sink};
pub use storage::{Audit, Journal, Ledger, OLD_KEYS_MAX, Retention};
pub use telemetry::{Log, LogFilter, LogFormat, NoFilter, Otlp, Telemetry};
pub use variables::{FILE_VARIABLE, VARIABLES, Variable};

/// Everything that can be set, checked. Serialises in the shape of the file, with secrets as `***`.
#[derive(Serialize)]
pub struct Configuration {
    /// Where HTTP is served; `127.0.0.1:8400` by default. Beyond loopback, webhook and API need credentials.
    pub listen: SocketAddr,
    /// The directory for what must outlive the process; `./data` by default.
    pub data: PathBuf,
    /// The directory of the rules; `./rules` by default.
    pub rules: PathBuf,
    /// Where people reach this selfheal, for links in messages, without a slash at the end. No links, if absent.
    pub external_url: Option<String>,
    /// The webhook.
    pub intake: Intake,
    /// The HTTP API and the dashboard.
    pub api: Api,
    /// The switch of automatic remediation.
    pub switch: Switch,
    /// Whether `best` orders alternatives by recorded success (the default) rather than as they are written.
    pub learning: bool,
    /// The operator's limits.
    #[serde(serialize_with = "policy::show")]
    pub policy: Policy,
    /// What rules see as `settings`: numbers, texts, booleans. At most [`SETTINGS_MAX`].
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The journal.
    pub journal: Journal,
    /// How long what is over is kept.
    pub retention: Retention,
    /// Signatures over the audit chain.
    pub audit: Audit,
    /// The ledger.
    pub ledger: Ledger,
    /// Alertmanager's own API.
    pub alertmanager: Alertmanager,
    /// What selfheal looks at by itself.
    pub checks: Checks,
    /// Where news goes, by name; at least one.
    pub sinks: BTreeMap<String, Sink>,
    /// Who is told when nobody takes an issue in hand; nobody else, if empty.
    pub escalation: Vec<Level>,
    /// Slack's buttons, if they are to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// Logs and traces.
    pub telemetry: Telemetry,
    /// The adapters of the roster.
    pub adapters: Adapters,
    /// What is no fault, but what the operator should know; one sentence each.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The switch of automatic remediation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// How it stands when selfheal starts for the first time; `true` by default. Once a person or selfheal itself has
    /// turned it, the journal knows better.
    pub enabled: bool,
}

impl Configuration {
    /// The journal's file.
    pub fn journal_path(&self) -> PathBuf {
        self.data.join(&self.journal.path)
    }
}

/// The directory of rules when nothing else is said. Where it does not exist, the shipped rules are used.
pub const RULES_DEFAULT: &str = "./rules";

/// What flags of the command line say; they beat the environment and the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`: an address with its port.
    pub listen: Option<String>,
    /// `--data`: a directory.
    pub data: Option<String>,
    /// `--rules`: a directory.
    pub rules: Option<String>,
}

impl Overrides {
    /// Each flag with the key that it sets.
    fn flags(&self) -> [(&'static str, &'static str, Option<&str>); 3] {
        [
            ("--listen", "listen", self.listen.as_deref()),
            ("--data", "data", self.data.as_deref()),
            ("--rules", "rules", self.rules.as_deref()),
        ]
    }
}

#[cfg(test)]
mod tests;
