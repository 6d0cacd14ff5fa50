//! The configured servers and what the operator lets actions touch, shared by all actions and probes.

use selfheal_contract::Failure;
use selfheal_contract::settings::suggest;

use crate::configuration::{self, Setting};
use crate::pattern::Pattern;
use crate::server::Server;
use crate::settings::Limits;
use crate::text::quoted;

/// Bytes of a key's name. Redis takes more; an alert's label that long is a mistake or an attack.
const KEY_BYTES_MAX: usize = 512;

/// The configured servers, and the limits that hold at all of them.
pub(crate) struct Targets {
    servers: Vec<Server>,
    limits: Limits,
}

impl Targets {
    pub(crate) fn new(servers: Vec<Server>, limits: Limits) -> Self {
        Self { servers, limits }
    }

    /// The server of this name.
    ///
    /// # Errors
    /// `Refused`, with the names that are configured.
    pub(crate) fn find(&self, name: &str) -> Result<&Server, Failure> {
        let names = || self.servers.iter().map(Server::name);
        self.servers.iter().find(|server| server.name() == name).ok_or_else(|| {
            let near = if name.len() <= 64 { suggest(name, names()) } else { None };
            let help = match near {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if self.servers.is_empty() => {
                    "none is configured; add one under adapters.redis.targets".to_owned()
                }
                None => format!("configured are {}", names().collect::<Vec<_>>().join(", ")),
            };
            Failure::refused(format!("there is no redis target {}; {help}", quoted(name)))
        })
    }

    /// The most entries that a trim may delete without a person's approval.
    pub(crate) fn trim_unasked_max(&self) -> u64 {
        self.limits.trim_unasked_max
    }

    /// The parameter of this name, if the operator lets it be set.
    pub(crate) fn settable(&self, name: &str) -> Result<&'static Setting, Failure> {
        let setting = setting(name)?;
        if self.limits.settable.contains(&setting) {
            return Ok(setting);
        }
        Err(Failure::refused(format!(
            "the parameter {name:?} may not be set; to permit it, add it to adapters.redis.settable"
        )))
    }

    /// Checks that the operator lets this key be given an expiry.
    pub(crate) fn expirable(&self, key: &str) -> Result<(), Failure> {
        permitted(&self.limits.expirable, key, "given an expiry", "expirable")
    }

    /// Checks that the operator lets this list be trimmed.
    pub(crate) fn trimmable(&self, key: &str) -> Result<(), Failure> {
        permitted(&self.limits.trimmable, key, "trimmed", "trimmable")
    }
}

/// The parameter of this name, whether it may be set or not.
pub(crate) fn setting(name: &str) -> Result<&'static Setting, Failure> {
    let name = if name.len() <= 64 { name } else { "" };
    configuration::find(name)
        .map_err(|help| Failure::refused(format!("selfheal knows no parameter {}; {help}", quoted(name))))
}

/// Checks the form of a key's name.
pub(crate) fn key(key: &str) -> Result<(), Failure> {
    match key.len() {
        0 => Err(Failure::refused("the key is empty; expected the name of a key")),
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => Err(Failure::refused(format!(
            "the key {} has {bytes} bytes; expected at most {KEY_BYTES_MAX}",
            quoted(key)
        ))),
    }
}

fn permitted(patterns: &[Pattern], name: &str, done: &str, list: &str) -> Result<(), Failure> {
    key(name)?;
    if patterns.iter().any(|pattern| pattern.covers(name)) {
        return Ok(());
    }
    let listed: Vec<String> = patterns.iter().map(|pattern| quoted(&pattern.to_string())).collect();
    let now = if listed.is_empty() {
        "now none is listed".to_owned()
    } else {
        format!("now {}", listed.join(", "))
    };
    Err(Failure::refused(format!(
        "the key {} may not be {done}; to permit it, add it or a pattern to adapters.redis.{list} ({now})",
        quoted(name)
    )))
}
