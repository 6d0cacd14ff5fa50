//! How an issue moves on: the ways of [`Phase::next`], the one table, as statements that change a row only from a phase
//! that the event leads on from. One changed row is the proof that the precondition held.

use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};

use super::columns::Time;
use super::fault::Trouble;
use super::statements::Statements;

/// One movement of an issue.
pub(super) struct Step<'a> {
    pub(super) event: Event,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) outcome: Option<Outcome>,
    pub(super) why: &'a str,
    pub(super) at: Timestamp,
}

/// The phases from which an event leads to the same phase, and the statement that takes them there.
struct Way {
    event: Event,
    sql: String,
}

static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
    let events = [Event::Hold, Event::Ask, Event::Begin, Event::Rest, Event::Close];
    let ways = events.iter().flat_map(|event| Phase::NAMES.iter().map(|(_, to)| (*event, *to)));
    ways.filter_map(|(event, to)| {
        let leads = |from: &&(&str, Phase)| from.1.next(event) == Some(to);
        let from: Vec<String> =
            Phase::NAMES.iter().filter(leads).map(|(name, _)| format!("WHEN '{name}' THEN 1")).collect();
        (!from.is_empty()).then(|| Way { event, sql: statement(to, &from.join(" ")) })
    })
    .collect()
});

fn statement(to: Phase, from: &str) -> String {
    // CASE instead of IN: that would build a table of the phases for every movement.
    // Only a closing statement names `closed_at`: naming it makes SQLite rewrite the index of open issues.
    // What was called for since it was taken is looked at again.
    // Only what is resolved may close, and what is resolved is looked at until it is closed.
    let (how, only_if) = if to.is_open() {
        (
            "wake_at = CASE WHEN again THEN min(coalesce(?2, ?5), ?5)
                 ELSE coalesce(?2, CASE WHEN resolved_at IS NOT NULL THEN ?5 END) END",
            "",
        )
    } else {
        ("wake_at = ?2, closed_at = ?5", " AND resolved_at IS NOT NULL")
    };
    format!(
        "UPDATE issues SET phase = '{to}', {how}, outcome = coalesce(?3, outcome), why = ?4
         WHERE id = ?1 AND CASE phase {from} ELSE 0 END{only_if}"
    )
}

/// Moves an issue on, or finds a conflict.
pub(super) fn advance(statements: &Statements<'_>, issue: IssueId, step: &Step<'_>) -> Result<(), Trouble> {
    for Way { sql, .. } in WAYS.iter().filter(|way| way.event == step.event) {
        let outcome = step.outcome.map(Outcome::name);
        let mut update = statements.get(sql)?;
        let wake_at = step.wake_at.map(Time);
        if update.execute(params![issue.0, wake_at, outcome, step.why, Time(step.at)])? == 1 {
            return Ok(());
        }
    }
    let mut find = statements.get("SELECT phase FROM issues WHERE id = ?1")?;
    let phase: Option<String> = find.query_row([issue.0], |row| row.get(0)).optional()?;
    Err(Trouble::Conflict(match phase {
        Some(phase) => format!("{issue} is {phase}, from where {:?} leads nowhere now", step.event),
        None => format!("there is no {issue}"),
    }))
}
