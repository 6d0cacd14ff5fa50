//! How an issue moves on: the ways of [`Phase::next`], the one table, as statements that change a row only from a phase
//! that the event leads on from. One changed row is the proof that the precondition held.

use std::sync::LazyLock;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};

use super::columns::Time;
use super::fault::Trouble;

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
    to: Phase,
    sql: String,
}

static WAYS: LazyLock<Vec<Way>> = LazyLock::new(|| {
    let events = [Event::Hold, Event::Ask, Event::Begin, Event::Rest, Event::Close];
    let ways = events.iter().flat_map(|event| Phase::NAMES.iter().map(|(_, to)| (*event, *to)));
    ways.filter_map(|(event, to)| {
        let leads = |from: &&(&str, Phase)| from.1.next(event) == Some(to);
        let from: Vec<String> =
            Phase::NAMES.iter().filter(leads).map(|(name, _)| format!("WHEN '{name}' THEN 1")).collect();
        (!from.is_empty()).then(|| Way { event, to, sql: statement(to, &from.join(" ")) })
    })
    .collect()
});

fn statement(to: Phase, from: &str) -> String {
    // CASE instead of IN: that would build a table of the phases for every movement.
    // Only a closing statement names `closed_at`: naming it makes SQLite rewrite the index of open issues.
    let closed_at = if to.is_open() { "" } else { ", closed_at = ?5" };
    format!(
        "UPDATE issues SET phase = '{to}', wake_at = ?2, outcome = coalesce(?3, outcome), why = ?4{closed_at}
         WHERE id = ?1 AND CASE phase {from} ELSE 0 END"
    )
}

/// Moves an issue on, or finds a conflict.
pub(super) fn advance(connection: &Connection, issue: IssueId, step: &Step<'_>) -> Result<(), Trouble> {
    for Way { to, sql, .. } in WAYS.iter().filter(|way| way.event == step.event) {
        let outcome = step.outcome.map(Outcome::name);
        let mut update = connection.prepare_cached(sql)?;
        let wake_at = step.wake_at.map(Time);
        let changed = if to.is_open() {
            update.execute(params![issue.0, wake_at, outcome, step.why])?
        } else {
            update.execute(params![issue.0, wake_at, outcome, step.why, Time(step.at)])?
        };
        if changed == 1 {
            return Ok(());
        }
    }
    let mut find = connection.prepare_cached("SELECT phase FROM issues WHERE id = ?1")?;
    let phase: Option<String> = find.query_row([issue.0], |row| row.get(0)).optional()?;
    Err(Trouble::Conflict(match phase {
        Some(phase) => format!("{issue} is {phase}, from where {:?} leads nowhere", step.event),
        None => format!("there is no {issue}"),
    }))
}
