//! What a transaction of the runtime changes: every [`Write`] goes to the room that its rows live in.

use rusqlite::{Connection, params};
use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::{Delivery, Record, Write};

use super::columns::{Json, Time};
use super::fault::Trouble;
use super::writer::Work;
use super::{effects, movement, people};

/// About what a write costs, in bytes; only the bound of a batch depends on it.
const WRITE_BYTES: usize = 1024;

/// All writes, or none.
pub(super) struct Commit(pub(super) Vec<Write>);

impl Work for Commit {
    type Answer = ();

    fn run(&self, connection: &Connection) -> Result<(), Trouble> {
        self.0.iter().try_for_each(|write| apply(connection, write))
    }

    fn bytes(&self) -> usize {
        self.0.len() * WRITE_BYTES
    }
}

fn apply(connection: &Connection, write: &Write) -> Result<(), Trouble> {
    match write {
        Write::Move { issue, event, wake_at, outcome, why, at } => {
            let step = movement::Step { event: *event, wake_at: *wake_at, outcome: *outcome, why, at: *at };
            movement::advance(connection, *issue, &step)
        }
        Write::AssignRule { issue, rule, priority, component } => {
            let mut update = connection
                .prepare_cached("UPDATE issues SET rule = ?2, priority = ?3, component = ?4 WHERE id = ?1")?;
            there(*issue, update.execute(params![issue.0, rule, priority.name(), component.name()])?)
        }
        Write::SetLevel { issue, level, at } => {
            let mut update =
                connection.prepare_cached("UPDATE issues SET level = ?2, level_since = ?3 WHERE id = ?1")?;
            there(*issue, update.execute(params![issue.0, level, Time(*at)])?)
        }
        Write::Record(record) => insert_record(connection, record),
        Write::Begin(remediation) => effects::begin(connection, remediation),
        Write::End { id, outcome, why, at } => effects::end(connection, *id, *outcome, why, *at),
        Write::Intend(intent) => effects::intend(connection, intent),
        Write::MoveIntent { id, from, to, said, at, revert_at } => {
            let step = effects::IntentStep { from: *from, to: *to, said, at: *at, revert_at: *revert_at };
            effects::move_intent(connection, *id, &step)
        }
        Write::Ask(approval) => people::ask(connection, approval),
        Write::Answer { id, plan_hash, answer } => people::answer(connection, id, *plan_hash, answer),
        Write::CountFailure { rule, resource, at } => effects::count_failure(connection, rule, resource, *at),
        Write::CountResult { rule, action, success } => {
            effects::count_result(connection, rule, action, *success)
        }
        Write::Notify { sink, news, at } => people::notify(connection, sink, news, *at),
        Write::Set { key, value } => people::set(connection, key, value),
    }
}

/// A change of an issue that is not there is a conflict.
fn there(issue: IssueId, changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Conflict(format!("there is no {issue}"))) }
}

/// Adds a fact to the story.
pub(super) fn insert_record(connection: &Connection, record: &Record) -> Result<(), Trouble> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO records (issue, ordinal, at, kind, actor, summary, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let issue = record.issue.or(record.remediation.map(|remediation| remediation.issue));
    let facts = (!record.facts.is_null()).then_some(Json(&record.facts));
    insert.execute(params![
        issue.map(|issue| issue.0),
        record.remediation.map(|remediation| remediation.ordinal),
        Time(record.at),
        record.kind,
        record.actor,
        record.summary,
        facts,
    ])?;
    Ok(())
}

/// Notes what became of deliveries.
pub(super) struct Delivered(pub(super) Vec<(i64, Delivery)>);

impl Work for Delivered {
    type Answer = ();

    fn run(&self, connection: &Connection) -> Result<(), Trouble> {
        let mut finish = connection.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
        let mut again =
            connection.prepare_cached("UPDATE outbox SET tries = tries + 1, next_at = ?2 WHERE id = ?1")?;
        for (id, delivery) in &self.0 {
            match delivery {
                Delivery::Finished => finish.execute([id])?,
                Delivery::Again(next_at) => again.execute(params![id, Time(*next_at)])?,
            };
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.len() * size_of::<(i64, Delivery)>()
    }
}

/// Writes something, to see whether that can be done.
pub(super) struct Check;

impl Work for Check {
    type Answer = ();

    fn run(&self, connection: &Connection) -> Result<(), Trouble> {
        connection.prepare_cached("UPDATE checks SET count = count + 1")?.execute([])?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<i64>()
    }
}
