//! Scheduled checks: probes that are read at intervals, so that selfheal works where nobody sends an alert. What they find
//! raises and resolves alerts of Alertmanager's model, through the same intake as a notification.
//!
//! Each check is a loop of its own: one round is over before the next begins, so that a slow check never overlaps itself,
//! and a round that takes too long is cut off. Rounds are spread over time by the checks' names. Nothing is stored: where a
//! check stands is read back from its latest issue, which its labels identify. Of processes that share a journal, one runs
//! the checks.
//!
//! A round that cannot judge neither fires nor resolves. A check that cannot for many rounds in a row is blind, which is an alert
//! of its own: who relies on it is told. Where whether there is an answer is what is checked, none in time is wrong.

mod course;
mod forsaken;
mod lead;
mod notice;

use std::sync::Arc;
use std::time::Duration;

use selfheal_core::condition::{Condition, Judgement, ProbeCall, Reading, Readings, Test};
use selfheal_core::labels::Labels;
use selfheal_core::span::Span;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::intake::NotReceived;
use crate::ports::JournalFault;
use crate::ports::journal::{Issue, IssueFilter};
pub use course::Patience;
use course::{Course, Found};
use lead::Lead;
pub(crate) use notice::SOURCE;

/// Checks that read at the same time; others wait.
const CONCURRENT_MAX: usize = 8;
/// The time over which the first rounds are spread.
const SPREAD_MAX: Duration = Duration::from_secs(30);
/// A check that could not judge in so many rounds in a row is blind, until it can.
const BLIND: Patience = Patience { failures: 10, lasting: Duration::ZERO, successes: 1 };
/// When a check goes on that ended by itself, which is a fault of its probe.
const REVIVE_AFTER: Duration = Duration::from_secs(60);

/// A check, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name, unique among the checks.
    pub name: String,
    /// What it reads.
    pub probe: ProbeCall,
    /// Which field of the reading it looks at.
    pub field: String,
    /// The comparison that holds when something is wrong; never one with the reading before.
    pub test: Test,
    /// The time from one round to the next.
    pub every: Duration,
    /// How long one round may take.
    pub timeout: Duration,
    /// Whether no answer within that time is wrong: the check is whether something answers.
    pub must_answer: bool,
    /// When the alert fires and when it is over.
    pub patience: Patience,
    /// The labels of the alert, `alertname` among them. They are its identity.
    pub labels: Labels,
    /// What the alert says, in one sentence.
    pub summary: String,
}

/// Runs the checks for as long as the process runs.
pub async fn run(engine: Arc<Engine>, checks: Vec<Check>) {
    let checks: Vec<Arc<Check>> = checks.into_iter().map(Arc::new).collect();
    let slots = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let (tell, lead) = watch::channel(Lead::default());
    let mut rounds = JoinSet::new();
    for check in &checks {
        tracing::info!(check = check.name, every = %Span::from(check.every), "checking");
        let (engine, check) = (Arc::clone(&engine), Arc::clone(check));
        rounds.spawn(guarded(engine, check, Arc::clone(&slots), lead.clone()));
    }
    // The rounds end with this future.
    lead::keep(&engine, &checks, &tell).await;
}

/// Keeps a check alive, whatever its probe does.
async fn guarded(engine: Arc<Engine>, check: Arc<Check>, slots: Arc<Semaphore>, lead: watch::Receiver<Lead>) {
    loop {
        let mut round = JoinSet::new();
        let (engine, check) = (Arc::clone(&engine), Arc::clone(&check));
        round.spawn(keep_checking(engine.clone(), check.clone(), Arc::clone(&slots), lead.clone()));
        if let Some(Err(fault)) = round.join_next().await {
            tracing::error!(check = check.name, %fault, "a check failed in a way that it should not; it goes on later");
        }
        engine.clock.sleep(REVIVE_AFTER).await;
    }
}

async fn keep_checking(
    engine: Arc<Engine>,
    check: Arc<Check>,
    slots: Arc<Semaphore>,
    lead: watch::Receiver<Lead>,
) {
    let mut due = engine.clock.monotonic().saturating_add(offset(&check));
    // Nothing is known at first, nor in a new term, nor when the journal could not be asked.
    let mut known: Option<(Lead, Standing)> = None;
    loop {
        engine.clock.sleep(due.saturating_sub(engine.clock.monotonic())).await;
        let term = *lead.borrow();
        if known.as_ref().is_none_or(|(of, _)| *of != term) {
            known = None;
            let firing = engine.metrics.scheduled_checks_firing.with_label_values(&[check.name.as_str()]);
            firing.set(0);
        }
        if known.is_none() && term.is_ours() {
            match latest(&engine, &check).await {
                Ok(standing) => known = Some((term, standing)),
                Err(fault) => {
                    tracing::warn!(check = check.name, %fault, "where a check stands could not be read");
                }
            }
        }
        if let Some((_, standing)) = &mut known {
            round(&engine, &check, &slots, standing).await;
        }
        due = next(due, check.every, engine.clock.monotonic());
    }
}

/// Where a check stands.
struct Standing {
    /// Whether what it checks is ill.
    ill: Course,
    /// Whether it cannot tell.
    blind: Course,
}

/// One round: reads, judges, tells.
async fn round(engine: &Arc<Engine>, check: &Check, slots: &Semaphore, standing: &mut Standing) {
    let found = {
        // The semaphore is never closed; were it, reading without a slot would do no harm.
        let _slot = slots.acquire().await;
        look(engine, check).await
    };
    engine.metrics.scheduled_checks.with_label_values(&[check.name.as_str(), found.name()]).inc();
    match &found {
        Found::Unclear(why) | Found::CutOff { why, ill: false } => {
            tracing::warn!(check = check.name, why, "a check found nothing that it could judge");
        }
        Found::Ill(what) | Found::CutOff { why: what, ill: true } => {
            tracing::debug!(check = check.name, what, "a check found something wrong")
        }
        Found::Well => {}
    }
    let now = engine.clock.now();
    standing.ill.see(&found, now);
    standing.blind.see(&found.sight(), now);
    let firing = engine.metrics.scheduled_checks_firing.with_label_values(&[check.name.as_str()]);
    firing.set(i64::from(standing.ill.fires()));
    tell(engine, check, (&check.labels, &check.summary), &mut standing.ill).await;
    let summary = format!("the check {} cannot tell whether something is wrong", check.name);
    tell(engine, check, (&notice::blind(&check.labels), &summary), &mut standing.blind).await;
}

/// Hands on what is to be told of an alert of a check, by its labels and its summary.
async fn tell(engine: &Arc<Engine>, check: &Check, alert: (&Labels, &str), course: &mut Course) {
    let Some(turn) = course.untold() else { return };
    let body = notice::body(alert.0, alert.1, turn);
    match engine.receive(body, notice::SOURCE, None).await {
        Ok(_) => {
            let fires = turn.ended.is_none();
            tracing::info!(check = check.name, fires, what = turn.what, "the alert of a check has changed");
            course.told();
        }
        Err(fault @ NotReceived::Malformed(_)) => {
            tracing::error!(check = check.name, %fault, "the alert of a check cannot be read; see its labels");
            course.told();
        }
        Err(fault) => {
            tracing::warn!(check = check.name, %fault, "the alert of a check is handed on again with the next round");
        }
    }
}

/// Reads once and judges.
async fn look(engine: &Engine, check: &Check) -> Found {
    let Check { probe: call, field, test, .. } = check;
    let Some(probe) = engine.catalog.probe(&call.adapter, &call.probe) else {
        return Found::Unclear(format!("{}: there is no such probe", call.key()));
    };
    let Some(answer) = engine.ask_within(check.timeout, probe.read(&call.params)).await else {
        let limit = Span::from(check.timeout);
        let why = format!("{}: no answer within {limit}", call.key());
        return Found::CutOff { why, ill: check.must_answer };
    };
    let result = match &answer {
        Ok(Reading::Known(_)) => "known",
        Ok(Reading::Inconclusive(_)) => "inconclusive",
        Err(_) => "failed",
    };
    engine.metrics.checks.with_label_values(&[call.adapter.as_str(), result]).inc();
    let reading = match answer {
        Ok(reading) => reading,
        // A target that cannot be asked is no proof of anything; whether it is there is a check of its own.
        Err(failure) => return Found::Unclear(format!("{}: {failure}", call.key())),
    };
    let condition = Condition::Compare { probe: call.clone(), field: field.clone(), test: test.clone() };
    let text = described(call, field, test, &reading);
    match condition.judge(&Readings::from([(call.key(), reading)]), &Readings::new()) {
        Judgement::Holds(_) => Found::Ill(text),
        Judgement::Fails(_) => Found::Well,
        Judgement::Inconclusive(why) => Found::Unclear(why),
    }
}

/// What was read, for people; a reading that says why is quoted.
fn described(call: &ProbeCall, field: &str, test: &Test, reading: &Reading) -> String {
    let value = reading.field(field).map_or_else(|_| "unknown".to_owned(), Value::to_string);
    let mut text = format!("{}: {field} is {value}, which is {test}", call.key());
    if let Ok(Value::String(why)) = reading.field("why")
        && !why.is_empty()
    {
        text.push_str(": ");
        text.push_str(why);
    }
    text
}

/// Where a check stood, by its latest issues.
async fn latest(engine: &Engine, check: &Check) -> Result<Standing, JournalFault> {
    let course = async |labels: &Labels, patience: Patience| {
        let fingerprint = Some(labels.fingerprint());
        let filter = IssueFilter { fingerprint, limit: 1, ..IssueFilter::default() };
        let issue = engine.journal.issues(filter).await?.into_iter().next();
        let fires = |issue: &Issue| issue.closed_at.is_none() && issue.resolved_at.is_none();
        let known = issue.map(|issue| (issue.alert.starts_at, fires(&issue)));
        Ok::<_, JournalFault>(Course::new(patience, known))
    };
    Ok(Standing {
        ill: course(&check.labels, check.patience).await?,
        blind: course(&notice::blind(&check.labels), BLIND).await?,
    })
}

/// When the first round is, from the start: by the check's labels, so that checks with one interval keep apart.
fn offset(check: &Check) -> Duration {
    let spread = u64::try_from(check.every.min(SPREAD_MAX).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(check.labels.fingerprint().0 % spread.max(1))
}

/// When the next round is due: some intervals after this one, in the future. Rounds that were missed are left out.
fn next(due: Duration, every: Duration, now: Duration) -> Duration {
    let every = every.max(Duration::from_millis(1));
    let missed = now.saturating_sub(due).as_nanos() / every.as_nanos();
    let skipped = every.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1));
    due.saturating_add(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_keep_their_beat_and_leave_out_what_was_missed() {
        let seconds = Duration::from_secs;
        let cases =
            [(10, 60, 10, 70), (10, 60, 30, 70), (10, 60, 69, 70), (10, 60, 70, 130), (10, 60, 200, 250)];
        for (due, every, now, expected) in cases {
            assert_eq!(
                next(seconds(due), seconds(every), seconds(now)),
                seconds(expected),
                "{due} {every} {now}"
            );
        }
    }

    #[test]
    fn first_rounds_are_spread() {
        let check = |name: &str, every| Check {
            name: name.to_owned(),
            probe: ProbeCall {
                adapter: "pg".into(),
                probe: "connections".into(),
                params: Default::default(),
            },
            field: "share".to_owned(),
            test: Test::Above(0.85),
            every,
            timeout: Duration::from_secs(10),
            must_answer: false,
            patience: Patience { failures: 3, lasting: Duration::ZERO, successes: 1 },
            labels: [("alertname", "x"), ("check", name)].into_iter().collect(),
            summary: String::new(),
        };
        let every = Duration::from_secs(3600);
        let offsets: Vec<Duration> = (0..100).map(|n| offset(&check(&format!("c{n}"), every))).collect();
        assert!(offsets.iter().all(|offset| *offset < SPREAD_MAX));
        let halves = offsets.iter().filter(|offset| **offset < SPREAD_MAX / 2).count();
        assert!((25..=75).contains(&halves), "{halves} of 100 in the first half");
        assert!(offset(&check("c", Duration::from_secs(5))) < Duration::from_secs(5));
    }
}
