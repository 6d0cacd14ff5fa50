//! Escalation: when something needs a person and nobody takes it in hand, more people are told, level by level.
//!
//! Each level's message waits in the outbox, so that a restart forgets none. When its time comes, the issue's story says
//! whether it is still to be told; `outbox.rs` asks.

use std::time::Duration;

use selfheal_core::issue::{Outcome, Phase};

use crate::by_hand::ACKNOWLEDGED;
use crate::case::by_person;
use crate::engine::Engine;
use crate::news;
use crate::ports::journal::{JournalFault, Record, Story};
use crate::ports::{News, NewsKind};
use crate::silence::SILENCED;

/// The kind of the record that an approval was answered.
const ANSWERED: &str = "answered";
/// Who acts where no person does.
const SELFHEAL: &str = "selfheal";

/// Who is told, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// How long after the first message; zero for at once.
    pub after: Duration,
    /// The names of the sinks.
    pub sinks: Vec<String>,
}

/// The levels, soonest first. A sink that is named here hears of what needs a person at its level's time, whatever kinds
/// of news it takes otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escalation {
    levels: Vec<Level>,
}

impl Escalation {
    /// Levels in any order.
    pub fn new(mut levels: Vec<Level>) -> Self {
        levels.sort_by_key(|level| level.after);
        Self { levels }
    }

    /// The levels, soonest first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Whether a sink belongs to a level.
    pub(crate) fn names(&self, sink: &str) -> bool {
        self.levels.iter().any(|level| level.sinks.iter().any(|name| name == sink))
    }
}

/// Why a message for a further level is not needed any more; `None` when it is.
pub(crate) fn over(story: &Story, news: &News) -> Option<String> {
    let issue = &story.issue;
    let taken = story.records.iter().find(|record| in_hand(record, news));
    if let Some(record) = taken {
        return Some(format!("{} has it in hand", record.actor));
    }
    // What was left at the target stays there, whatever has become of the alert since.
    if left_behind(news) {
        return None;
    }
    if issue.phase == Phase::Closed || issue.resolved_at.is_some() {
        return Some("its alert was resolved".to_owned());
    }
    let healed = story.remediations.iter().any(|remediation| {
        let since = remediation.ended_at.is_some_and(|at| at >= news.at);
        since && remediation.outcome.and_then(Outcome::success) == Some(true)
    });
    if healed {
        return Some("it was healed".to_owned());
    }
    let asked = news.approval.as_ref().filter(|_| news.kind == NewsKind::Approval)?;
    let approval = story.approvals.iter().find(|approval| approval.id == asked.id)?;
    // When nobody answers in time, that is news of its own.
    approval.answer.as_ref().map(|_| "the approval has its answer".to_owned())
}

/// Whether a record says that a person has the issue in hand. Who took it on before has it for what goes on as before, and
/// not for a question or a danger that came later.
fn in_hand(record: &Record, news: &News) -> bool {
    let is_new = news.kind == NewsKind::Approval || left_behind(news);
    let since = record.at >= news.at;
    match record.kind.as_str() {
        ACKNOWLEDGED | SILENCED => since || !is_new,
        ANSWERED => since && record.actor != SELFHEAL,
        _ => false,
    }
}

/// Whether something was left at the target that should not be there, or may not be.
fn left_behind(news: &News) -> bool {
    matches!(news.outcome, Some(Outcome::Stuck | Outcome::Unknown))
}

/// Tells a level, unless that is not needed any more.
pub(crate) async fn escalate(engine: &Engine, news: &News) -> Result<(), JournalFault> {
    let level = news.escalation.unwrap_or_default();
    let index = usize::try_from(level).unwrap_or_default().checked_sub(1);
    let Some((issue, index)) = news.issue.zip(index) else { return Ok(()) };
    // Fewer levels than when it was noted: the configuration has the last word.
    let Some(sinks) = engine.escalation.levels().get(index).map(|level| &level.sinks) else { return Ok(()) };
    let Some(story) = engine.journal.story(issue).await? else { return Ok(()) };
    if let Some(why) = over(&story, news) {
        tracing::debug!(%issue, level, why, "nobody else is told");
        return Ok(());
    }
    let at = engine.clock.now();
    let text = format!("nobody has taken it in hand since {:.0}. {}", news.at, news.text);
    let told = News { text, at, ..news.clone() };
    let summary = format!("nobody has taken it in hand: level {level} is told ({})", sinks.join(", "));
    let mut writes = vec![by_person(issue, SELFHEAL, at, "escalated", summary)];
    writes.extend(sinks.iter().map(|sink| news::notify(sink, told.clone())));
    engine.journal.commit(writes).await
}
