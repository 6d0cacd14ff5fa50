//! What a transaction of the runtime changes: every [`Write`] goes to the room that its rows live in.

use jiff::Timestamp;
use rusqlite::params;
use selfheal_core::audit::Stored;
use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::{Delivery, Record, Tenure, Write};

use super::columns::{Time, micros};
use super::fault::Trouble;
use super::statements::Statements;
use super::writer::Work;
use super::{audit, effects, holds, movement, people};
use crate::nested::{self, Nested};

/// About what a write costs beside its nested values, in bytes; only the bound of a batch depends on it.
const WRITE_BYTES: usize = 512;

/// All writes, or none.
pub(super) struct Commit(Vec<(Write, Nested)>);

impl Commit {
    /// Puts the nested values into JSON, which the one thread that writes need not spend its time on.
    ///
    /// # Errors
    /// When a value has no form in JSON.
    pub(super) fn of(writes: Vec<Write>) -> Result<Self, serde_json::Error> {
        nested::encode(writes).map(Self)
    }
}

impl Work for Commit {
    type Answer = ();

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        self.0.iter().try_for_each(|(write, nested)| apply(statements, write, nested))
    }

    fn bytes(&self) -> usize {
        let text = |nested: &Nested| nested.iter().map(String::len).sum::<usize>();
        self.0.iter().map(|(_, nested)| WRITE_BYTES + text(nested)).sum()
    }
}

fn apply(statements: &Statements<'_>, write: &Write, nested: &Nested) -> Result<(), Trouble> {
    match write {
        Write::Move { issue, event, wake_at, outcome, why, at } => {
            let step = movement::Step { event: *event, wake_at: *wake_at, outcome: *outcome, why, at: *at };
            movement::advance(statements, *issue, &step)
        }
        Write::Hold { tenure, at, lease } => {
            let Tenure { issue, epoch } = *tenure;
            if holds::hold(statements, *tenure, holds::until(*at, *lease))? {
                return Ok(());
            }
            Err(Trouble::Fenced(format!(
                "{issue} is not in epoch {epoch} any more: somebody else has taken it"
            )))
        }
        Write::Wake { issue, at } => holds::wake(statements, *issue, *at),
        Write::AssignRule { issue, rule, priority, component } => {
            let mut update =
                statements.get("UPDATE issues SET rule = ?2, priority = ?3, component = ?4 WHERE id = ?1")?;
            there(*issue, update.execute(params![issue.0, rule, priority.name(), component.name()])?)
        }
        Write::SetLevel { issue, level, at } => {
            let mut update =
                statements.get("UPDATE issues SET level = ?2, level_since = ?3 WHERE id = ?1")?;
            there(*issue, update.execute(params![issue.0, level, Time(*at)])?)
        }
        Write::Record(record) => insert_record(statements, record, nested),
        Write::Begin(remediation) => effects::begin(statements, remediation, nested),
        Write::End { id, outcome, why, at } => effects::end(statements, *id, *outcome, why, *at),
        Write::Intend(intent) => effects::intend(statements, intent, nested),
        Write::MoveIntent { id, from, to, said, at, revert_at } => {
            let step = effects::IntentStep { from: *from, to: *to, said, at: *at, revert_at: *revert_at };
            effects::move_intent(statements, *id, &step)
        }
        Write::Ask(approval) => people::ask(statements, approval, nested),
        Write::Answer { id, plan_hash, answer } => people::answer(statements, id, *plan_hash, answer, nested),
        Write::CountFailure { rule, resource, at } => effects::count_failure(statements, rule, resource, *at),
        Write::CountResult { rule, action, success } => {
            effects::count_result(statements, rule, action, *success)
        }
        Write::Notify(notice) => people::notify(statements, notice, &nested[0]),
        Write::Set { key, .. } => people::set(statements, key, nested),
    }
}

/// A change of an issue that is not there is a conflict.
fn there(issue: IssueId, changed: usize) -> Result<(), Trouble> {
    if changed == 1 { Ok(()) } else { Err(Trouble::Conflict(format!("there is no {issue}"))) }
}

/// Adds a fact to the story, and its link to the audit chain.
pub(super) fn insert_record(
    statements: &Statements<'_>,
    record: &Record,
    [facts, ..]: &Nested,
) -> Result<(), Trouble> {
    let mut insert = statements.get(
        "INSERT INTO records (issue, ordinal, at, kind, actor, summary, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let issue = record.issue.or(record.remediation.map(|remediation| remediation.issue));
    let ordinal = record.remediation.map(|remediation| i64::from(remediation.ordinal));
    let facts = (!record.facts.is_null()).then_some(facts.as_str());
    let id = insert.insert(params![
        issue.map(|issue| issue.0),
        ordinal,
        Time(record.at),
        record.kind,
        record.actor,
        record.summary,
        facts,
    ])?;
    let stored = Stored {
        id,
        issue: issue.map(|issue| issue.0),
        ordinal,
        at_micros: micros(record.at),
        kind: &record.kind,
        actor: &record.actor,
        summary: &record.summary,
        facts,
    };
    audit::link(statements, &stored)
}

/// Notes what became of deliveries.
pub(super) struct Delivered(pub(super) Vec<(i64, Delivery)>);

impl Work for Delivered {
    type Answer = ();

    // A message whose delivery a loss of power has undone is delivered once more, with the same key.
    const WAITS_FOR_DISK: bool = false;

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        let mut finish = statements.get("DELETE FROM outbox WHERE id = ?1")?;
        let mut again = statements.get("UPDATE outbox SET tries = tries + 1, next_at = ?2 WHERE id = ?1")?;
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

/// Removes messages that are for none of these sinks.
pub(super) struct Forget {
    pub(super) but_for: Vec<String>,
    pub(super) due_before: Timestamp,
}

impl Work for Forget {
    type Answer = u64;

    fn run(&self, statements: &Statements<'_>) -> Result<u64, Trouble> {
        let mut forget = statements
            .get("DELETE FROM outbox WHERE next_at < ?1 AND sink NOT IN (SELECT value FROM json_each(?2))")?;
        let names = serde_json::Value::from(self.but_for.clone()).to_string();
        let count = forget.execute(params![Time(self.due_before), names])?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn bytes(&self) -> usize {
        self.but_for.iter().map(String::len).sum()
    }
}

/// Writes something, to see whether that can be done.
pub(super) struct Check;

impl Work for Check {
    type Answer = ();

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        statements.get("UPDATE checks SET count = count + 1")?.execute([])?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        size_of::<i64>()
    }
}
