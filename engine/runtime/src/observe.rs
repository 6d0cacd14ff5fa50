//! Reading targets: what a rule observes before it decides, and what conditions are judged by.
//!
//! Before a decision, a target that repeatedly fails to answer is left alone for a while, and every answer counts for its
//! circuit breaker. Around an effect it is asked whatever the breaker says, and nothing counts: a change that was made is
//! looked after, and not taken back because somebody else's reading failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use selfheal_contract::{Failure, FailureKind, Reading};
use selfheal_core::condition::{ProbeCall, Readings};
use selfheal_core::issue::IssueId;
use selfheal_script::{Observed, Rule, View};

use crate::decide::{Ending, Purpose};
use crate::engine::Engine;

/// How long reading one probe may take.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than there is patience it is believed that probes could not be read in between. Whoever looks tries again
/// within seconds; what is older is of an issue that another process has looked at since.
const BELIEVED: Duration = Duration::from_secs(60);

/// Since when issues' probes cannot be read, as far as this process knows, by the clock that only goes forward.
#[derive(Default)]
pub(crate) struct Unreadable(Mutex<HashMap<IssueId, Duration>>);

impl Unreadable {
    fn all(&self) -> MutexGuard<'_, HashMap<IssueId, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They cannot be read now; says whether they could not for as long as there is patience.
    pub(crate) fn is_too_long(&self, issue: IssueId, now: Duration, patience: Duration) -> bool {
        let mut all = self.all();
        let lasts = |since: Duration| now.saturating_sub(since);
        let is_believed = |since: Duration| lasts(since) <= patience.saturating_add(BELIEVED);
        match all.get(&issue).copied().filter(|since| is_believed(*since)) {
            Some(since) => lasts(since) >= patience,
            None => {
                all.retain(|_, since| is_believed(*since));
                all.insert(issue, now);
                patience.is_zero()
            }
        }
    }

    /// They could be read.
    pub(crate) fn end(&self, issue: IssueId) {
        self.all().remove(&issue);
    }
}

/// Reads what a rule asks for, each probe with its reading under the name that the rule gave it.
pub(crate) async fn observe(
    engine: &Engine,
    rule: &Arc<Rule>,
    view: &View,
    purpose: Purpose,
) -> Result<BTreeMap<String, Observed>, Ending> {
    if !rule.observes() {
        return Ok(BTreeMap::new());
    }
    let (script, for_script) = (Arc::clone(rule), view.clone());
    let probes = engine
        .scripts
        .run(move || script.observe(&for_script))
        .await
        .map_err(|fault| Ending::Failed { why: fault.to_string() })?
        .map_err(|fault| Ending::Failed { why: fault.to_string() })?;
    let read = probes.into_iter().map(async |(name, probe)| {
        let reading = read(engine, &probe, purpose).await;
        (name, reading.map(|reading| Observed { probe, reading }))
    });
    let mut observed = BTreeMap::new();
    for (name, answer) in join_all(read).await {
        observed.insert(name, answer?);
    }
    Ok(observed)
}

/// Reads one probe before a decision.
async fn read(engine: &Engine, call: &ProbeCall, purpose: Purpose) -> Result<Reading, Ending> {
    let open_until = match purpose {
        Purpose::Act => engine.breakers.admit(&call.adapter),
        Purpose::Look => engine.breakers.open_until(&call.adapter),
    };
    if let Some(until) = open_until {
        return Err(Ending::Unreadable {
            why: format!("{}: the circuit breaker is open until {until}", call.key()),
        });
    }
    let answer = ask(engine, call).await;
    if purpose == Purpose::Act && answer.as_ref().map_or_else(is_answer, |_| true) {
        engine.count_exchange(&call.adapter, true);
    }
    answer.map_err(|failure| not_asked(engine, &call.adapter, &call.key(), failure, purpose))
}

/// A target that refuses has answered.
fn is_answer(failure: &Failure) -> bool {
    failure.kind == FailureKind::Refused
}

/// What the probes of a condition say now.
pub(crate) struct Seen {
    /// The readings; a probe that could not be read is inconclusive.
    pub(crate) readings: Readings,
    /// Whether some target did not answer.
    pub(crate) unanswered: bool,
}

/// Reads the probes of a condition.
pub(crate) async fn read_all(engine: &Engine, probes: &[&ProbeCall]) -> Seen {
    let asked = probes.iter().map(async |call| (call.key(), ask(engine, call).await));
    let mut seen = Seen { readings: Readings::default(), unanswered: false };
    for (key, answer) in join_all(asked).await {
        let reading = answer.unwrap_or_else(|failure| {
            seen.unanswered |= !is_answer(&failure);
            Reading::Inconclusive(format!("{key}: {failure}"))
        });
        seen.readings.insert(key, reading);
    }
    seen
}

/// Asks for one reading, within its time.
async fn ask(engine: &Engine, call: &ProbeCall) -> Result<Reading, Failure> {
    let Some(probe) = engine.catalog.probe(&call.adapter, &call.probe) else {
        return Err(Failure::refused("there is no such probe"));
    };
    let answer = engine.ask(PROBE_TIMEOUT, probe.read(&call.params)).await;
    let result = match &answer {
        Ok(Reading::Known(_)) => "known",
        Ok(Reading::Inconclusive(_)) => "inconclusive",
        Err(_) => "failed",
    };
    engine.metrics.checks.with_label_values(&[call.adapter.as_str(), result]).inc();
    answer
}

/// What follows when an adapter's target could not be asked before a decision.
pub(crate) fn not_asked(
    engine: &Engine,
    adapter: &str,
    what: &str,
    failure: Failure,
    purpose: Purpose,
) -> Ending {
    let refused = is_answer(&failure);
    if purpose == Purpose::Act && !refused {
        engine.count_exchange(adapter, false);
    }
    let why = format!("{what}: {failure}");
    if refused { Ending::Failed { why } } else { Ending::Unreadable { why } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_for_what_cannot_be_read_all_the_time() {
        let (unreadable, issue) = (Unreadable::default(), IssueId(1));
        let is_too_long = |second: u64| {
            unreadable.is_too_long(issue, Duration::from_secs(second), Duration::from_secs(900))
        };
        // Between the last two of these nobody has tried here: another process may have read it.
        for (second, expected) in [(5, false), (904, false), (905, true), (965, true), (966, false)] {
            assert_eq!(is_too_long(second), expected, "after {second} s");
        }
        assert!(!is_too_long(1865) && is_too_long(1866), "since then");
        unreadable.end(issue);
        assert!(!is_too_long(1867), "it was read");
    }
}
