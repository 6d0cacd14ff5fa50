//! One run: the house stands, faults come and go, everything is mended, and the oracle is asked.

use std::collections::BTreeSet;
use std::fmt;
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use selfheal_core::issue::Outcome;
use selfheal_simulation::dice::Dice;
use selfheal_test_servers::{Error, poll};
use serde_json::Value;

use crate::draw::Agenda;
use crate::feed::Feed;
use crate::house::{House, Plan};
use crate::inject::Hands;
use crate::oracle::{Evidence, Journal, Violation, judge};
use crate::replica::Program;

/// Between two looks at the agenda.
const TICK: Duration = Duration::from_millis(50);
/// Between two looks at the journal, once it is to come to rest.
const LOOK: Duration = Duration::from_millis(500);
/// After how long what has not ended then fires once more, and is resolved again.
const FIRE_AGAIN: Duration = Duration::from_secs(30);
/// How long it may take until everything has ended, after everything was mended.
const REST_LIMIT: Duration = Duration::from_secs(420);
/// How long a replica may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take until the last event is read.
const TOLD_LIMIT: Duration = Duration::from_secs(60);
/// Of what is wrong, the most that is told.
const VIOLATIONS_MAX: usize = 12;
/// Issues whose stories are told.
const STORIES_MAX: usize = 4;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What everything is drawn from.
    pub seed: u64,
    /// How many faults.
    pub faults: usize,
    /// What the replicas are.
    pub program: Program,
}

/// What a run has counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Faults that began.
    pub faults: usize,
    /// Alerts that fired.
    pub alerts: u64,
    /// Notifications that were answered 200, and that were not.
    pub notifications: (usize, usize),
    /// Issues, remediations and intents in the journal.
    pub issues: (usize, usize, usize),
    /// Changes at the target.
    pub changes: usize,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (acknowledged, refused) = self.notifications;
        let (issues, remediations, intents) = self.issues;
        write!(
            f,
            "{} faults, {} alerts in {acknowledged} acknowledged and {refused} refused notifications, {issues} issues, \
             {remediations} remediations, {intents} intents, {} changes, {} s",
            self.faults,
            self.alerts,
            self.changes,
            self.took.as_secs()
        )
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// What was counted.
    pub tally: Tally,
    /// What does not hold.
    pub violations: Vec<Violation>,
    /// What was done when, and by which replica something was said about it.
    pub history: Vec<String>,
    /// The stories of the issues that are concerned.
    pub stories: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.violations.is_empty() {
            writeln!(f, "--- what was done")?;
            self.history.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            self.stories.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f, "--- what does not hold")?;
            self.violations
                .iter()
                .take(VIOLATIONS_MAX)
                .try_for_each(|violation| writeln!(f, "{violation}"))?;
            if let Some(more @ 1..) = self.violations.len().checked_sub(VIOLATIONS_MAX) {
                writeln!(f, "and {more} more")?;
            }
        }
        write!(f, "{}", self.tally)
    }
}

/// A run under way.
struct Run<'a> {
    house: &'a House,
    /// When workloads settle.
    dice: Dice,
    hands: &'a Hands,
    began: Instant,
    history: Vec<String>,
    violations: Vec<Violation>,
    done: usize,
    faults: usize,
}

/// Runs one seed; tells how it goes by `tell`.
///
/// # Errors
/// [`Error::Missing`] when a server is not installed; others when one does not do its part, which says nothing about
/// selfheal.
pub fn run(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let plan = Plan::draw(options.seed, options.faults);
    let agenda = Agenda::draw(options.seed, options.faults);
    let house = House::start(&plan, &options.program)?;
    let hands = Hands::default();
    let began = Instant::now();
    let run = Run {
        house: &house,
        dice: Dice::new(options.seed, "settling"),
        hands: &hands,
        began,
        history: vec![format!("{} {plan:?}", Timestamp::now())],
        violations: Vec::new(),
        done: 0,
        faults: options.faults,
    };
    let mut feed = Feed::new(options.seed, plan.workloads, Timestamp::now());
    let mut run = run.suffer(&agenda, &mut feed, tell)?;
    run.come_to_rest(&mut feed, tell)?;
    run.look_into_logs();
    let journal = Journal::read(&house.postgres)?;
    let changes = house.cluster.changes();
    let judged = house.hall.acknowledged(|acknowledged| {
        let acknowledged = acknowledged.alerts();
        judge(Evidence { journal: &journal, acknowledged, changes: &changes, limits: plan.limits })
    });
    run.violations.extend(judged);
    run.violations.extend(untold(&house, &journal));
    run.violations.extend(audit(&house, &options.program)?);
    let concerned: BTreeSet<i64> =
        run.violations.iter().flat_map(|violation| violation.issues.iter().copied()).collect();
    let stories = concerned.into_iter().take(STORIES_MAX).flat_map(|issue| story(&house, issue)).collect();
    let tally = Tally {
        faults: run.done,
        alerts: feed.fired(),
        notifications: house.hall.acknowledged(|known| (known.notifications, known.refused)),
        issues: (journal.issues.len(), journal.remediations.len(), journal.intents.len()),
        changes: house.changes(),
        took: began.elapsed(),
    };
    Ok(Report { tally, violations: run.violations, history: run.history, stories })
}

impl Run<'_> {
    fn note(&mut self, what: &str) {
        self.history.push(format!("{:8.3} {what}", self.began.elapsed().as_secs_f64()));
    }

    /// Carries out the agenda, while alerts fire.
    fn suffer(mut self, agenda: &Agenda, feed: &mut Feed, tell: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let (house, hands) = (self.house, self.hands);
        let failed: &Mutex<Option<Error>> = &Mutex::default();
        thread::scope(|scope| {
            for (at, act, begins) in &agenda.acts {
                while self.began.elapsed() < *at {
                    self.tick(feed, tell);
                }
                self.note(&act.to_string());
                self.done += usize::from(*begins);
                scope.spawn(move || {
                    if let Err(error) = hands.act(house, *act)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.get_or_insert(error);
                    }
                });
            }
        });
        let failed = failed.lock().ok().and_then(|mut failed| failed.take());
        failed.map_or(Ok(self), Err)
    }

    fn tick(&mut self, feed: &mut Feed, tell: &mut dyn FnMut(&str)) {
        thread::sleep(TICK);
        feed.pass(self.house, Timestamp::now());
        self.house.settle_some(&mut self.dice);
        self.house.forget();
        for (number, replica) in self.house.replicas.iter().enumerate() {
            if let Some(status) = replica.ended_by_itself() {
                let what = format!("replica {number} ended by itself: {status}");
                self.note(&what);
                self.violations.push(Violation::new(format!("{what}\n{}", replica.log_tail())));
                // As what runs it would.
                let _ = replica.start();
            }
        }
        let seconds = self.began.elapsed().as_secs();
        tell(&format!("{seconds} s, {} of {} faults, {} alerts", self.done, self.faults, feed.fired()));
    }

    /// Mends everything, resolves all alerts, and waits until nothing is to be done any more.
    fn come_to_rest(&mut self, feed: &mut Feed, tell: &mut dyn FnMut(&str)) -> Result<(), Error> {
        self.note("everything is mended");
        self.hands.mend_all(self.house)?;
        feed.end(Timestamp::now());
        let mended = Instant::now();
        let mut fired_again = mended;
        let mut looked = Instant::now();
        let mut unrest = None;
        while mended.elapsed() < REST_LIMIT {
            let rest = unrest.as_deref().unwrap_or("to be asked").to_owned();
            self.tick(feed, &mut |line| tell(&format!("{line}; left: {rest}")));
            if looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            unrest = Journal::unrest(&self.house.postgres)?;
            if unrest.is_none() {
                let took = mended.elapsed().as_secs_f64();
                self.note(&format!("everything has ended {took:.1} s later"));
                return Ok(());
            }
            if fired_again.elapsed() >= FIRE_AGAIN {
                fired_again = Instant::now();
                feed.fire_again(Journal::open_alerts(&self.house.postgres)?, Timestamp::now());
            }
        }
        let left = unrest.unwrap_or_default();
        self.note(&format!("it did not come to rest: {left}"));
        self.violations
            .push(Violation::new(format!("left {REST_LIMIT:?} after everything was mended: {left}")));
        Ok(())
    }

    fn look_into_logs(&mut self) {
        for (number, replica) in self.house.replicas.iter().enumerate() {
            for line in replica.log().lines().filter(|line| line.contains("panicked")) {
                self.violations.push(Violation::new(format!("replica {number} panicked: {line}")));
            }
        }
    }
}

/// What did not reach the stream of events: of every issue that it was closed, of every remediation how it ended.
fn untold(house: &House, journal: &Journal) -> Vec<Violation> {
    let closed = journal.issues.values().filter(|issue| issue.looked_at);
    let closed = closed.map(|issue| (issue.id, "dev.selfheal.issue.closed"));
    let ended = journal.remediations.values().map(|remediation| {
        // What needs a person is told as such.
        let person = remediation
            .outcome
            .as_deref()
            .and_then(|name| name.parse().ok())
            .is_some_and(Outcome::needs_person);
        (remediation.id.0, if person { "dev.selfheal.person.needed" } else { "dev.selfheal.issue.outcome" })
    });
    let mut all: BTreeSet<(i64, &str)> = closed.chain(ended).collect();
    let all_told = poll(TOLD_LIMIT, || {
        all.retain(|(issue, what)| !house.kafka.was_told(*issue, what));
        all.is_empty().then_some(())
    });
    match all_told {
        Some(()) => Vec::new(),
        None => all
            .into_iter()
            .map(|(issue, what)| Violation {
                what: format!("nobody was told {what} of issue-{issue}"),
                issues: vec![issue],
            })
            .collect(),
    }
}

/// Has the audit chain verified, together with all heads that the replicas ever told.
fn audit(house: &House, program: &Program) -> Result<Option<Violation>, Error> {
    house.replicas.iter().for_each(|replica| replica.stop(STOP_LIMIT));
    let mut command = program.command()?;
    command.args(["audit", "verify", "--config"]).arg(house.replicas[0].configuration());
    for head in house.replicas.iter().flat_map(|replica| heads(&replica.log())) {
        command.arg("--head").arg(head);
    }
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|source| Error::Io { what: "run selfheal audit verify".to_owned(), source })?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((!output.status.success()).then(|| Violation::new(format!("the audit chain is not whole: {said}"))))
}

/// The heads of the audit chain that a log tells.
fn heads(log: &str) -> Vec<String> {
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = [&line["head"], &line["fields"]["head"]];
        fields.into_iter().find_map(Value::as_str).map(str::to_owned)
    };
    log.lines().filter(|line| line.contains("head of the audit chain")).filter_map(read).collect()
}

/// Everything about an issue: the journal's story, and what the replicas said.
fn story(house: &House, issue: i64) -> Vec<String> {
    let mut lines = vec![format!("--- the story of issue-{issue}")];
    lines.extend(Journal::story(&house.postgres, issue));
    let names = [format!("issue-{issue}\""), format!("issue-{issue} "), format!("remediation-{issue}-")];
    for (number, replica) in house.replicas.iter().enumerate() {
        let log = replica.log();
        let said = log.lines().filter(|line| names.iter().any(|name| line.contains(name)));
        lines.extend(said.map(|line| format!("replica {number}: {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_from_the_log() {
        let log = "no json\n{\"message\":\"head of the audit chain\",\"head\":\"3:ab\"}\n{\"message\":\"x\",\"head\":\"4:cd\"}\n";
        assert_eq!(heads(log), ["3:ab"]);
    }
}
