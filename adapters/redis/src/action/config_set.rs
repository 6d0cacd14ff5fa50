//! `redis::config_set`: a parameter of a server, set absolutely.
//!
//! `CONFIG SET` has no precondition and runs in no script. So the value in force is looked at before, and once more in
//! the same write as the change: a change that somebody else made in between cannot be prevented, but it is noticed. A
//! transaction would not do: a server that is over its memory limit queues no command, and then is when it is needed.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use redis::pipe;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::configuration::Setting;
use crate::info::{self, Info};
use crate::probe::right;
use crate::server::Server;
use crate::targets::Targets;
use crate::text::quoted;

selfheal_contract::parameters! {
    /// Which parameter of which server, and its value.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The parameter's name, one of adapters.redis.settable.
        pub parameter: String,
        /// Its new value as text, as Redis writes it: "512mb", "allkeys-lru", "300".
        pub value: String,
    }
}

/// What was in force, in Redis' own spelling.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    value: String,
}

pub(super) struct Action(pub(super) Arc<Targets>);

/// A use of the action, checked.
struct Use<'a> {
    server: &'a Server,
    setting: &'static Setting,
    /// The new value, in Redis' own spelling.
    wanted: String,
}

impl Action {
    fn check(&self, params: &Parameters) -> Result<Use<'_>, Failure> {
        let server = self.0.find(&params.target)?;
        let setting = self.0.settable(&params.parameter)?;
        let wanted = setting.canonical(&params.value).map_err(|expected| {
            Failure::refused(format!("{} is no value of {}: {expected}", quoted(&params.value), setting.name))
        })?;
        Ok(Use { server, setting, wanted })
    }
}

impl Use<'_> {
    fn name(&self) -> &'static str {
        self.setting.name
    }

    async fn current(&self) -> Result<String, Failure> {
        let mut question = pipe();
        question.cmd("CONFIG").arg("GET").arg(self.name());
        let (mut found,): (HashMap<String, String>,) = self.server.read(&question).await?;
        found.remove(self.name()).ok_or_else(|| {
            Failure::refused(format!(
                "{} has no parameter {:?}; its version is too old",
                self.server,
                self.name()
            ))
        })
    }

    /// Refuses a limit below what is in use: Redis would delete keys, or refuse writes, until it fits.
    async fn refuse_too_little_memory(&self, value: &str) -> Result<(), Failure> {
        if self.name() != "maxmemory" || value == "0" {
            return Ok(());
        }
        let (text,): (Vec<u8>,) = self.server.read(&info::question()).await?;
        let (used, limit) = (Info::parse(&text).number("used_memory"), value.parse::<u64>().ok());
        match (used, limit) {
            (Some(used), Some(limit)) if used <= limit => Ok(()),
            (Some(used), _) => Err(Failure::refused(format!(
                "{} uses {used} bytes; with maxmemory {value} it would at once delete keys or refuse writes",
                self.server
            ))),
            (None, _) => {
                Err(Failure::refused(format!("{} does not tell how much memory it uses", self.server)))
            }
        }
    }

    /// Sets the value while `expected` is in force.
    async fn set(&self, value: &str, expected: &str) -> Result<(), Failure> {
        let mut change = pipe();
        change.cmd("CONFIG").arg("GET").arg(self.name());
        change.cmd("CONFIG").arg("SET").arg(self.name()).arg(value).ignore();
        change.cmd("CONFIG").arg("GET").arg(self.name());
        // An error of the middle one comes back as the error of all.
        let (before, after): (HashMap<String, String>, HashMap<String, String>) =
            self.server.change(&change).await?;
        let of = |found: &HashMap<String, String>| found.get(self.name()).cloned().unwrap_or_default();
        let (before, after) = (of(&before), of(&after));
        if after != value {
            return Err(Failure::indeterminate(format!(
                "{} was told to set {} to {value}, and shows {}; look what it does",
                self.server,
                self.name(),
                quoted(&after)
            )));
        }
        if before != expected && before != value {
            return Err(Failure::indeterminate(format!(
                "somebody else set {} of {} to {} a moment before it was set to {value}; look which is right",
                self.name(),
                self.server,
                quoted(&before)
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "config_set",
            doc: "Sets a parameter of a server, one of those that the operator lists in `settable`. It lasts until the server \
                restarts: its file is not rewritten. Refused when maxmemory would be below what is in use. A \
                maxmemory-policy of the `allkeys-` kind needs approval, because keys without an expiry may then be deleted. \
                The undo sets the value \
                that was in force before, unless somebody else has set another one meanwhile; it too is refused where \
                maxmemory would be below what is in use by then. Keys that were evicted in the meantime do not come back.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("+config|get", "to know the value in force"),
                right("+config|set", "to set the value"),
                right("+info", "to know how much memory is in use"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let used = self.check(params)?;
        let evicts_all = used.name() == "maxmemory-policy" && used.wanted.starts_with("allkeys-");
        Ok(Assessment {
            target: format!("redis/{}/config/{}", used.server.name(), used.name()),
            blast_radius: BlastRadius::Service,
            reversal: Reversal::Restores,
            replicas: None,
            forbidden: None,
            approval: evicts_all.then(|| {
                format!("with {} any key may be deleted, also those without an expiry", used.wanted)
            }),
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let used = self.check(params)?;
        let current = used.current().await?;
        if current == used.wanted {
            return Ok(Preview {
                summary: format!("{} is {current} already", used.name()),
                changes: Vec::new(),
            });
        }
        used.refuse_too_little_memory(&used.wanted).await?;
        Ok(Preview {
            summary: format!("sets {} of {} from {current} to {}", used.name(), used.server, used.wanted),
            changes: vec![Change {
                what: used.name().to_owned(),
                from: used.setting.reading(&current),
                to: used.setting.reading(&used.wanted),
            }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let used = self.check(params)?;
        let value = used.current().await?;
        if value != used.wanted {
            used.refuse_too_little_memory(&used.wanted).await?;
        }
        Ok(Prior { value })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Applied, Failure> {
        let used = self.check(params)?;
        let current = used.current().await?;
        if current == used.wanted {
            return Ok(Applied::new(format!("{} of {} is {current} already", used.name(), used.server)));
        }
        if current != prior.value {
            return Err(Failure::refused(format!(
                "somebody else set {} of {} to {} meanwhile (it was {}); plan again",
                used.name(),
                used.server,
                quoted(&current),
                quoted(&prior.value)
            )));
        }
        used.refuse_too_little_memory(&used.wanted).await?;
        used.set(&used.wanted, &prior.value).await?;
        Ok(Applied {
            summary: format!("set {} of {} from {current} to {}", used.name(), used.server, used.wanted),
            facts: json!({ "from": used.setting.reading(&current), "to": used.setting.reading(&used.wanted) }),
            ..Applied::default()
        })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        let used = self.check(params)?;
        let current = used.current().await?;
        Ok(if current == used.wanted {
            Effect::Done(Applied::new(format!("{} of {} is {current}", used.name(), used.server)))
        } else if current == prior.value {
            Effect::Untouched
        } else {
            Effect::Unclear(format!(
                "{} of {} is {}, neither what it was ({}) nor what it was to become ({})",
                used.name(),
                used.server,
                quoted(&current),
                quoted(&prior.value),
                used.wanted
            ))
        })
    }

    async fn undo(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        let used = self.check(params)?;
        let current = used.current().await?;
        if current == prior.value {
            return Ok(Undone::Nothing(format!(
                "{} of {} is {current}, as before",
                used.name(),
                used.server
            )));
        }
        if current != used.wanted {
            return Ok(Undone::Nothing(format!(
                "somebody else has set {} of {} to {} since; it is left so",
                used.name(),
                used.server,
                quoted(&current)
            )));
        }
        used.refuse_too_little_memory(&prior.value).await.map_err(|failure| Failure {
            what: format!("{}; {current} stays: make room, then set it back", failure.what),
            ..failure
        })?;
        used.set(&prior.value, &current).await?;
        Ok(Undone::Reversed(format!(
            "set {} of {} back from {current} to {}",
            used.name(),
            used.server,
            prior.value
        )))
    }
}
