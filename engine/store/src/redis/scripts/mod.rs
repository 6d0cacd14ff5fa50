//! The ledger's operations as Lua scripts, and their keys, arguments and answers.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, Script};
use selfheal_runtime::ports::Claim;

/// How long Redis is known to know, without anybody looking.
const MARK: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the key lives by which it is seen whether keys can be written.
const CHECKED: Duration = Duration::from_secs(60);

/// The scripts of one ledger.
pub(super) struct Scripts {
    /// What every key begins with: the hash tag and a colon.
    prefix: String,
    reserve: Script,
    look: Script,
    renew: Script,
    release: Script,
    restore: Script,
    lost: Script,
    restored: Script,
    check: Script,
}

/// A ledger's answer, in time that remains instead of moments.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) granted: bool,
    pub(super) duplicate: Option<String>,
    pub(super) busy: Option<(String, String)>,
    pub(super) cooling: Option<Duration>,
    pub(super) target_full: Option<(String, Duration)>,
    pub(super) all_full: Option<Duration>,
    pub(super) running: u32,
}

macro_rules! script {
    ($($file:literal)+) => {
        Script::new(concat!(include_str!("history.lua"), $(include_str!($file)),+))
    };
}

impl Scripts {
    /// The scripts for keys that begin with `{prefix}:`. Script loads itself into a Redis that does not know it.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{{{prefix}}}:"),
            reserve: script!("reading.lua" "reserve.lua"),
            look: script!("reading.lua" "look.lua"),
            renew: script!("reading.lua" "renew.lua"),
            release: script!("reading.lua" "release.lua"),
            restore: script!("reading.lua" "restore.lua"),
            lost: script!("lost.lua"),
            restored: script!("restored.lua"),
            check: Script::new(include_str!("check.lua")),
        }
    }

    pub(super) async fn reserve(
        &self,
        connection: MultiplexedConnection,
        claim: &Claim,
    ) -> RedisResult<Found> {
        self.run(connection, &self.reserve, claim).await.map(found)
    }

    pub(super) async fn look(&self, connection: MultiplexedConnection, claim: &Claim) -> RedisResult<Found> {
        self.run(connection, &self.look, claim).await.map(found)
    }

    /// Answers why it could not be renewed, if so.
    pub(super) async fn renew(
        &self,
        connection: MultiplexedConnection,
        claim: &Claim,
    ) -> RedisResult<Option<String>> {
        self.run(connection, &self.renew, claim).await
    }

    pub(super) async fn release(&self, connection: MultiplexedConnection, claim: &Claim) -> RedisResult<()> {
        self.run(connection, &self.release, claim).await
    }

    /// Takes in a claim of the past.
    pub(super) async fn restore(
        &self,
        connection: MultiplexedConnection,
        claim: &Claim,
        granted_at: i64,
        running: bool,
    ) -> RedisResult<()> {
        self.run_at(connection, &self.restore, claim, (granted_at, running)).await
    }

    /// The history that has forgotten, or never knew, if it has.
    pub(super) async fn lost(&self, mut connection: MultiplexedConnection) -> RedisResult<Option<String>> {
        self.lost.key(self.mark()).arg(MARK.as_secs()).invoke_async(&mut connection).await
    }

    /// Marks that a history was told everything.
    pub(super) async fn restored(
        &self,
        mut connection: MultiplexedConnection,
        history: &str,
    ) -> RedisResult<()> {
        let mut call = self.restored.prepare_invoke();
        call.key(self.mark()).arg(MARK.as_secs()).arg(history).invoke_async(&mut connection).await
    }

    /// Writes a key that nobody reads.
    pub(super) async fn check(&self, mut connection: MultiplexedConnection) -> RedisResult<()> {
        let key = format!("{}check", self.prefix);
        self.check.key(key).arg(CHECKED.as_secs()).invoke_async(&mut connection).await
    }

    /// The key of the mark that names the history of Redis that was told what the journal knows.
    pub(super) fn mark(&self) -> String {
        format!("{}memory", self.prefix)
    }

    async fn run<T: FromRedisValue>(
        &self,
        connection: MultiplexedConnection,
        script: &Script,
        claim: &Claim,
    ) -> RedisResult<T> {
        self.run_at(connection, script, claim, (0, false)).await
    }

    async fn run_at<T: FromRedisValue>(
        &self,
        mut connection: MultiplexedConnection,
        script: &Script,
        claim: &Claim,
        (granted_at, running): (i64, bool),
    ) -> RedisResult<T> {
        let mut call = script.prepare_invoke();
        for key in self.keys(claim) {
            call.key(key);
        }
        call.arg(&claim.holder)
            // A key cannot live for no time at all.
            .arg(millis(claim.lease).max(1))
            .arg(millis(claim.cooldown))
            .arg(millis(claim.rate_window))
            .arg(claim.per_target_max)
            .arg(claim.in_all_max)
            .arg(claim.concurrent_max)
            .arg(granted_at)
            .arg(u8::from(running));
        for target in &claim.targets {
            call.arg(target);
        }
        call.invoke_async(&mut connection).await
    }

    /// The keys in the order that the scripts expect.
    fn keys(&self, claim: &Claim) -> Vec<String> {
        let Self { prefix, .. } = self;
        let mut keys = vec![
            format!("{prefix}running"),
            format!("{prefix}granted"),
            format!("{prefix}duplicate:{}", claim.duplicate_key),
            format!("{prefix}released:{}", claim.holder),
        ];
        for target in &claim.targets {
            keys.push(format!("{prefix}target:{target}"));
            // The length tells where the rule ends, whatever is in its name.
            keys.push(format!("{prefix}cooldown:{}:{}:{target}", claim.rule.len(), claim.rule));
            keys.push(format!("{prefix}granted:{target}"));
        }
        keys.push(self.mark());
        keys
    }
}

/// Whole milliseconds, rounded up: what is kept must not end early. A hundred years at most, which Redis can add to its
/// own time.
fn millis(duration: Duration) -> u64 {
    const MAX: u64 = 100 * 366 * 24 * 3600 * 1000;
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(MAX).min(MAX)
}

/// The scripts' answer: granted, duplicate, busy target and holder, cooling, full target and wait, wait for all, running.
type Answer = (bool, Option<String>, Option<String>, Option<String>, i64, Option<String>, i64, i64, u32);

fn found(answer: Answer) -> Found {
    let (granted, duplicate, busy_target, busy_holder, cooling, full_target, full_wait, all_wait, running) =
        answer;
    // -1 stands for nothing to wait for.
    let wait = |millis: i64| u64::try_from(millis).ok().map(Duration::from_millis);
    Found {
        granted,
        duplicate,
        busy: busy_target.zip(busy_holder),
        cooling: wait(cooling),
        target_full: full_target.zip(wait(full_wait)),
        all_full: wait(all_wait),
        running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_never_end_early() {
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(5), 5),
            (Duration::from_micros(5001), 6),
            (Duration::MAX, 100 * 366 * 24 * 3600 * 1000),
        ];
        for (duration, expected) in cases {
            assert_eq!(millis(duration), expected, "{duration:?}");
        }
    }

    #[test]
    fn an_answer_is_read_whole() {
        let text = |text: &str| Some(text.to_owned());
        let nothing = (true, None, None, None, -1, None, -1, -1, 0);
        let everything = (false, text("a"), text("t"), text("b"), 1, text("u"), 2, 0, 4);
        let Found { granted, duplicate, busy, cooling, target_full, all_full, running } = found(nothing);
        assert_eq!((granted, duplicate, busy, cooling), (true, None, None, None));
        assert_eq!((target_full, all_full, running), (None, None, 0));
        let Found { granted, duplicate, busy, cooling, target_full, all_full, running } = found(everything);
        assert_eq!((granted, duplicate, busy), (false, text("a"), text("t").zip(text("b"))));
        let wait = |millis| Some(Duration::from_millis(millis));
        assert_eq!((cooling, target_full, all_full, running), (wait(1), text("u").zip(wait(2)), wait(0), 4));
    }
}
