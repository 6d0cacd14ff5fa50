//! `redis::trim_list`: cuts a queue that has grown too long. It deletes entries, so everything that bounds the loss is
//! part of the plan, and the script at the server holds to it.
//!
//! A queue that was trimmed and filled again looks as if it had not been trimmed. So the script leaves a mark, a key
//! named by the intent, and does nothing where it finds one.

use std::num::NonZeroU64;
use std::sync::Arc;

use async_trait::async_trait;
use redis::pipe;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Kind, ParameterType, Preview,
    Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{part, script};
use crate::list::{self, Found};
use crate::probe::right;
use crate::server::Server;
use crate::targets::Targets;
use crate::text::{plain, quoted};

selfheal_contract::parameters! {
    /// Which list, and what stays of it.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The list's key, one of adapters.redis.trimmable.
        pub key: String,
        /// How many entries stay, at least 1.
        pub keep: NonZeroU64,
        /// Which of them stay: "head" (index 0, where LPUSH adds) or "tail" (index -1, where RPUSH adds).
        pub side: Side,
        /// The most entries that it may delete; were it more, it is refused. Left out, any number, and it needs approval.
        pub delete_max: Option<u64>,
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where LPUSH adds.
    Head,
    /// Where RPUSH adds.
    Tail,
}

impl Side {
    const NAMES: &'static [&'static str] = &["head", "tail"];

    fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Tail => "tail",
        }
    }
}

impl ParameterType for Side {
    const KIND: Kind = Kind::Choice(Self::NAMES);
}

/// How long the list was.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    length: i64,
}

/// How long the mark stays: as long as the journal remembers a remediation.
const MARK_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Trims KEYS[1] to the ARGV[1] entries of its head (ARGV[2] = 1) or tail, unless more than ARGV[3] (if not negative)
/// would go, and leaves the mark KEYS[2] for ARGV[4] seconds. Returns the length before and how many went: -1 when too many
/// would have; and, as a third, how many went when it was trimmed before.
///
/// The mark comes first, so that nothing is deleted where it may not be set; where the list may not be trimmed it is taken
/// back. A server that is full takes it only after the script has written something else.
const TRIM: &str = r"
local length = redis.call('LLEN', KEYS[1])
local before = redis.call('GET', KEYS[2])
if before then return {length, 0, tonumber(before)} end
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[3])
local over = length - keep
if over <= 0 then return {length, 0, -1} end
if most >= 0 and over > most then return {length, -1, -1} end
local marked = redis.pcall('SET', KEYS[2], over, 'EX', ARGV[4])
local is_full = marked.err and string.find(marked.err, 'OOM', 1, true)
if marked.err and not is_full then return marked end
local first, last = 0, keep - 1
if ARGV[2] ~= '1' then first, last = -keep, -1 end
local trimmed = redis.pcall('LTRIM', KEYS[1], first, last)
if trimmed.err then
    redis.pcall('SET', KEYS[2], over, 'PX', 1)
    return trimmed
end
if is_full then redis.call('SET', KEYS[2], over, 'EX', ARGV[4]) end
return {length, over, -1}
";

pub(super) struct Action(pub(super) Arc<Targets>);

/// A use of the action, checked.
struct Use<'a> {
    server: &'a Server,
    key: &'a str,
    keep: i64,
    from_head: bool,
    /// None for any number.
    delete_max: Option<i64>,
}

impl Action {
    fn check<'a>(&'a self, params: &'a Parameters) -> Result<Use<'a>, Failure> {
        let server = self.0.find(&params.target)?;
        self.0.trimmable(&params.key)?;
        // Lua counts exactly to 2^53; no list is that long.
        let bounded = |name: &str, number: u64| match i64::try_from(number) {
            Ok(number) if number <= 1 << 53 => Ok(number),
            _ => Err(Failure::refused(format!("{name} {number} is more than any list holds"))),
        };
        let keep = bounded("keep", params.keep.get())?;
        let from_head = params.side == Side::Head;
        let delete_max = params.delete_max.map(|most| bounded("delete_max", most)).transpose()?;
        Ok(Use { server, key: &params.key, keep, from_head, delete_max })
    }
}

impl Use<'_> {
    /// The name of the mark: in the list's own hash slot, so that one script may touch both in a Redis Cluster.
    fn mark(&self, intent: &IntentId) -> String {
        let tagged = self.key.split_once('{').and_then(|(_, rest)| Some(rest.split_once('}')?.0));
        let tag = tagged.filter(|tag| !tag.is_empty()).unwrap_or(self.key);
        format!("selfheal:{{{tag}}}:{intent}")
    }

    /// How many entries the intent has deleted, if its mark is there.
    async fn marked(&self, intent: &IntentId) -> Result<Option<u64>, Failure> {
        let mut question = pipe();
        question.cmd("GET").arg(self.mark(intent));
        let (deleted,): (Option<u64>,) = self.server.read(&question).await?;
        Ok(deleted)
    }

    fn describe(&self) -> String {
        format!("the list {} at {}", quoted(self.key), self.server)
    }

    /// How many entries would go of a list of this length.
    fn over(&self, length: i64) -> u64 {
        length.saturating_sub(self.keep).max(0).unsigned_abs()
    }

    fn refuse_too_many(&self, length: i64) -> Result<(), Failure> {
        match self.delete_max {
            Some(most) if self.over(length) > most.unsigned_abs() => Err(Failure::refused(format!(
                "{} has {}; keeping {} would delete {}, and delete_max is {most}",
                self.describe(),
                count_entries(length),
                self.keep,
                self.over(length)
            ))),
            _ => Ok(()),
        }
    }

    async fn length(&self) -> Result<i64, Failure> {
        match list::look(self.server, self.key).await? {
            Found::List(length) => Ok(length),
            Found::Other(kind) => Err(Failure::refused(format!(
                "the key {} at {} holds no list but a {}",
                quoted(self.key),
                self.server,
                plain(&kind)
            ))),
        }
    }
}

fn count_entries(length: i64) -> String {
    match length {
        1 => "1 entry".to_owned(),
        _ => format!("{length} entries"),
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "trim_list",
            doc: "Cuts a list to so many entries of its head or its tail and deletes the others; a shorter list stays as it \
                is. Only lists that match a pattern of `trimmable`. It never deletes more than `delete_max`: the server \
                refuses it then. Without `delete_max`, or with one above `trim_unasked_max`, it needs approval. The server \
                answers nobody while it deletes (about a second for ten million entries). A mark of its own beside the list, for \
                seven days, keeps it from happening twice. It cannot be undone.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("+type +llen ~<key>", "to know the length"),
                right("+eval +ltrim", "to trim the list"),
                right(
                    "+set +get ~selfheal:{<key>}:*",
                    "to mark that it was trimmed, so that it happens once",
                ),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let used = self.check(params)?;
        let unasked = self.0.trim_unasked_max();
        let approval = match params.delete_max {
            Some(most) if most <= unasked => None,
            Some(most) => Some(format!("it may delete {most} list entries, more than {unasked}")),
            None => Some("it may delete any number of list entries, as it names no delete_max".to_owned()),
        };
        Ok(Assessment {
            target: format!("redis/{}/key/{}", used.server.name(), part(used.key)),
            blast_radius: BlastRadius::Object,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let used = self.check(params)?;
        let length = used.length().await?;
        used.refuse_too_many(length)?;
        let over = used.over(length);
        if over == 0 {
            let summary = format!("{} has {}; nothing to trim", used.describe(), count_entries(length));
            return Ok(Preview { summary, changes: Vec::new() });
        }
        let bound = match used.delete_max {
            Some(most) => format!("never more than {most}"),
            None => "more if it has grown by then".to_owned(),
        };
        Ok(Preview {
            summary: format!(
                "deletes {over} of the {} of {}, keeping {} at its {}; {bound}",
                count_entries(length),
                used.describe(),
                used.keep,
                params.side.name()
            ),
            changes: vec![Change { what: "length".to_owned(), from: json!(length), to: json!(used.keep) }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let used = self.check(params)?;
        let length = used.length().await?;
        used.refuse_too_many(length)?;
        Ok(Prior { length })
    }

    async fn apply(&self, params: &Parameters, _: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let used = self.check(params)?;
        let args = [used.keep, i64::from(used.from_head), used.delete_max.unwrap_or(-1), MARK_SECONDS];
        let trim = script(TRIM, &[used.key, &used.mark(intent)], &args);
        let ((length, deleted, before),): ((i64, i64, i64),) = used.server.change(&trim).await?;
        if deleted < 0 {
            used.refuse_too_many(length)?;
        }
        let what = used.describe();
        let summary = match deleted {
            ..=0 if before >= 0 => format!("deleted {before} entries of {what} already"),
            ..=0 => format!("{what} has {}; nothing to trim", count_entries(length)),
            _ => format!("deleted {deleted} of the {} of {what}", count_entries(length)),
        };
        Ok(Applied {
            summary,
            facts: json!({ "length_before": length, "deleted": deleted }),
            ..Applied::default()
        })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Effect, Failure> {
        let used = self.check(params)?;
        let what = used.describe();
        if let Some(deleted) = used.marked(intent).await? {
            return Ok(Effect::Done(Applied::new(format!("{deleted} entries of {what} were deleted"))));
        }
        let length = used.length().await?;
        Ok(if length <= used.keep {
            Effect::Done(Applied::new(format!("{what} has {}, as was to be", count_entries(length))))
        } else if length >= prior.length {
            Effect::Untouched
        } else {
            // Read from; or trimmed and filled again, and the mark evicted: to trim once more could delete what nobody
            // agreed to.
            Effect::Unclear(format!(
                "{what} has {}; it had {} and was to have at most {}",
                count_entries(length),
                prior.length,
                used.keep
            ))
        })
    }

    async fn undo(&self, params: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        self.check(params).map(|_| Undone::Irreversible)
    }
}
