//! `redis::expire_key`: lets a named key go, at a moment that is fixed before anything is journalled.
//!
//! Compare-and-set in one script: the expiry is set only while the one that was captured is still there. Setting one
//! moment twice is setting it once, and a repetition after a crash shortens nothing.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use selfheal_core::span::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{part, script};
use crate::probe::right;
use crate::server::Server;
use crate::targets::Targets;
use crate::text::quoted;

selfheal_contract::parameters! {
    /// Which key, and how long it may stay.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The key, one of adapters.redis.expirable.
        pub key: String,
        /// How long it stays, at least "1s", from the moment at which the prior state is saved.
        pub ttl: Span,
    }
}

/// The two moments, in milliseconds of the server's own clock since 1970.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    /// When it will expire.
    expires_at: i64,
    /// When it would have expired; none if never.
    earlier: Option<i64>,
}

/// A key without an expiry, and no key, in what the scripts return.
const NEVER: i64 = -1;
const ABSENT: i64 = -2;

/// Reads the moment of expiry and the server's time. Before Redis 7 there is only the time left, from which the moment
/// comes out a millisecond earlier or later.
const LOOK: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = redis.pcall('PEXPIRETIME', KEYS[1])
if type(at) == 'table' then
    at = redis.call('PTTL', KEYS[1])
    if at >= 0 then at = now + at end
end
";

const SHOW: &str = "return {at, now}";

/// Sets the moment ARGV[2] (or none) while ARGV[1] is in force; a difference of two milliseconds is none.
const SWAP: &str = r"
local wanted = tonumber(ARGV[1])
if at == -2 or (at < 0) ~= (wanted < 0) or math.abs(at - wanted) > 2 then return {at, 0} end
if tonumber(ARGV[2]) < 0 then
    redis.call('PERSIST', KEYS[1])
else
    redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
return {at, 1}
";

pub(super) struct Action(pub(super) Arc<Targets>);

/// Whether two moments are one, as the scripts see it.
fn same(a: i64, b: i64) -> bool {
    (a < 0) == (b < 0) && a.abs_diff(b) <= 2
}

/// Looks at a key: the moment of its expiry, and now.
async fn look(server: &Server, key: &str) -> Result<(i64, i64), Failure> {
    let ((at, now),): ((i64, i64),) = server.read(&script(&[LOOK, SHOW].concat(), &[key], &[])).await?;
    Ok((at, now))
}

/// Replaces one moment by another; says what was there, and whether it was replaced.
async fn swap(server: &Server, key: &str, from: i64, to: i64) -> Result<(i64, bool), Failure> {
    let ((at, done),): ((i64, i64),) =
        server.change(&script(&[LOOK, SWAP].concat(), &[key], &[from, to])).await?;
    Ok((at, done == 1))
}

impl Action {
    fn check(&self, params: &Parameters) -> Result<&Server, Failure> {
        let server = self.0.find(&params.target)?;
        self.0.expirable(&params.key)?;
        if params.ttl < Span::from_secs(1) {
            return Err(Failure::refused(format!(
                "a ttl of {} leaves no time to undo; expected at least 1s",
                params.ttl
            )));
        }
        Ok(server)
    }

    /// The moments of this use, as of now.
    async fn moments(&self, params: &Parameters) -> Result<(Prior, i64), Failure> {
        let server = self.check(params)?;
        let (at, now) = look(server, &params.key).await?;
        if at == ABSENT {
            return Err(Failure::refused(format!(
                "there is no key {} at {server} to expire",
                quoted(&params.key)
            )));
        }
        let ttl = i64::try_from(params.ttl.duration().as_millis()).expect("a span is at most 100 years");
        let earlier = (at >= 0).then_some(at);
        let expires_at = now + ttl;
        // An expiry is only ever brought forward.
        Ok((Prior { expires_at: earlier.map_or(expires_at, |at| at.min(expires_at)), earlier }, now))
    }
}

impl Prior {
    fn earlier(&self) -> i64 {
        self.earlier.unwrap_or(NEVER)
    }

    /// Whether there was nothing to do, because the key was about to expire sooner anyway.
    fn is_sooner(&self) -> bool {
        self.earlier == Some(self.expires_at)
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "expire_key",
            doc: "Gives a key an expiry, or brings its expiry forward; never later. Only keys that match a pattern of \
                `expirable`: listing one is the operator's consent that it may go. The moment is fixed by the server's clock \
                when the prior state is saved, so that repeating it changes nothing. Refused when somebody else changes the \
                expiry meanwhile. The undo gives the key back the expiry that it had, or none, as long as it is there; once \
                it has expired, nothing brings it back.",
            reversal: Reversal::Compensates,
            permissions: vec![
                right("+eval +time +pttl +pexpiretime ~<key>", "to know the expiry"),
                right("+pexpireat +persist", "to set the expiry"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let server = self.check(params)?;
        Ok(Assessment {
            target: format!("redis/{}/key/{}", server.name(), part(&params.key)),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Compensates,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let (prior, now) = self.moments(params).await?;
        let seconds = |at: i64| json!((at - now) as f64 / 1000.0);
        let key = quoted(&params.key);
        if prior.is_sooner() {
            let summary = format!("the key {key} expires sooner than in {} already", params.ttl);
            return Ok(Preview { summary, changes: Vec::new() });
        }
        Ok(Preview {
            summary: format!(
                "lets the key {key} at the redis target {:?} expire in {}",
                params.target, params.ttl
            ),
            changes: vec![Change {
                what: format!("{key} expires in seconds"),
                from: prior.earlier.map_or(Value::Null, seconds),
                to: seconds(prior.expires_at),
            }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        self.moments(params).await.map(|(prior, _)| prior)
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Applied, Failure> {
        let server = self.check(params)?;
        let key = quoted(&params.key);
        if prior.is_sooner() {
            return Ok(Applied::new(format!("the key {key} expires sooner than in {} already", params.ttl)));
        }
        let (found, done) = swap(server, &params.key, prior.earlier(), prior.expires_at).await?;
        if done || same(found, prior.expires_at) {
            let facts = json!({ "expires_at_ms": prior.expires_at, "earlier_expires_at_ms": prior.earlier });
            return Ok(Applied {
                summary: format!("the key {key} at {server} expires within {}", params.ttl),
                facts,
                ..Applied::default()
            });
        }
        if found == ABSENT {
            return Ok(Applied::new(format!("the key {key} is gone from {server} already")));
        }
        Err(Failure::refused(format!(
            "somebody else changed the expiry of the key {key} at {server} meanwhile; plan again"
        )))
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        let server = self.check(params)?;
        let (at, now) = look(server, &params.key).await?;
        let key = quoted(&params.key);
        Ok(if same(at, prior.expires_at) {
            Effect::Done(Applied::new(format!("the key {key} at {server} has the expiry that it was to get")))
        } else if at == ABSENT && now >= prior.expires_at {
            Effect::Done(Applied::new(format!("the key {key} is gone from {server}, as it was to be by now")))
        } else if at == ABSENT || same(at, prior.earlier()) {
            // Of a key that somebody else removed, applying finds nothing to expire.
            Effect::Untouched
        } else {
            Effect::Unclear(format!("somebody else has changed the expiry of the key {key} at {server}"))
        })
    }

    async fn undo(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        let server = self.check(params)?;
        let key = quoted(&params.key);
        if prior.is_sooner() {
            return Ok(Undone::Nothing(format!("the expiry of the key {key} at {server} was not changed")));
        }
        let (at, now) = look(server, &params.key).await?;
        if at == ABSENT && now >= prior.expires_at {
            return Ok(Undone::Irreversible);
        }
        if at == ABSENT {
            return Ok(Undone::Nothing(format!("somebody else removed the key {key} from {server}")));
        }
        if !same(at, prior.expires_at) {
            return Ok(Undone::Nothing(format!(
                "the key {key} at {server} has another expiry than the one it was given; it is left so"
            )));
        }
        let (_, done) = swap(server, &params.key, prior.expires_at, prior.earlier()).await?;
        let back =
            if prior.earlier.is_some() { "has its earlier expiry back" } else { "does not expire any more" };
        Ok(if done {
            Undone::Reversed(format!("the key {key} at {server} {back}"))
        } else {
            Undone::Nothing(format!("the key {key} at {server} was changed or went while it was looked at"))
        })
    }
}
