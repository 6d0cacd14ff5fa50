//! Remediations and their intents: what begins once, ends once, and moves on only from where it stands; and the
//! counts that follow from how it ended.

use jiff::Timestamp;
use rusqlite::{ErrorCode, OptionalExtension, params};
use selfheal_core::issue::Outcome;
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_runtime::ports::journal::{Intent, Remediation};

use super::columns::Time;
use super::fault::Trouble;
use super::statements::Statements;
use crate::counted::counted_by;
use crate::nested::Nested;

/// Turns a broken uniqueness, which is how a precondition shows that it does not hold, into a conflict.
pub(super) fn unique(result: rusqlite::Result<usize>, what: impl FnOnce() -> String) -> Result<(), Trouble> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(Trouble::Conflict(what()))
        }
        Err(error) => Err(error.into()),
    }
}

/// A remediation begins.
pub(super) fn begin(
    statements: &Statements<'_>,
    remediation: &Remediation,
    [claim, plan, _]: &Nested,
) -> Result<(), Trouble> {
    let mut insert = statements.get(
        "INSERT INTO remediations (issue, ordinal, started_at, ended_at, generation, level, outcome, rule, why,
             approved_by, trace, plan_hash, claim, plan)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    let id = remediation.id;
    let inserted = insert.execute(params![
        id.issue.0,
        id.ordinal,
        Time(remediation.started_at),
        remediation.ended_at.map(Time),
        remediation.generation.cast_signed(),
        remediation.level,
        remediation.outcome.map(Outcome::name),
        remediation.rule,
        remediation.why,
        remediation.approved_by,
        remediation.trace,
        remediation.plan_hash.to_string(),
        claim,
        plan,
    ]);
    unique(inserted, || format!("{id} exists, or another remediation of {} is running", id.issue))
}

/// A remediation ends.
pub(super) fn end(
    statements: &Statements<'_>,
    id: RemediationId,
    outcome: Outcome,
    why: &str,
    at: Timestamp,
) -> Result<(), Trouble> {
    let mut update = statements.get(
        "UPDATE remediations SET ended_at = ?3, outcome = ?4, why = ?5
         WHERE issue = ?1 AND ordinal = ?2 AND ended_at IS NULL",
    )?;
    if update.execute(params![id.issue.0, id.ordinal, Time(at), outcome.name(), why])? != 1 {
        return Err(Trouble::Conflict(format!("{id} is not running")));
    }
    // Asked apart: RETURNING would build a table for the one row. A clock that was set back makes no negative duration.
    let mut measure = statements
        .get("SELECT max(ended_at - started_at, 0) FROM remediations WHERE issue = ?1 AND ordinal = ?2")?;
    let micros: i64 = measure.query_row(params![id.issue.0, id.ordinal], |row| row.get(0))?;
    let mut count = statements.get(
        "INSERT INTO totals (outcome, remediations, duration_micros) VALUES (?1, 1, ?2)
         ON CONFLICT DO UPDATE SET remediations = remediations + 1, duration_micros = duration_micros + ?2",
    )?;
    count.execute(params![outcome.name(), micros])?;
    Ok(())
}

/// An effect is about to happen.
pub(super) fn intend(
    statements: &Statements<'_>,
    intent: &Intent,
    [params, prior, before]: &Nested,
) -> Result<(), Trouble> {
    let mut insert = statements.get(
        "INSERT INTO intents (issue, ordinal, try_number, intended_at, applied_at, changed_at, revert_at, state, id,
             path, action, target, said, params, prior, before)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let inserted = insert.execute(params![
        intent.remediation.issue.0,
        intent.remediation.ordinal,
        intent.try_number,
        Time(intent.intended_at),
        intent.applied_at.map(Time),
        Time(intent.changed_at),
        intent.revert_at.map(Time),
        intent.state.name(),
        intent.id.to_string(),
        intent.path,
        intent.action,
        intent.target,
        intent.said,
        params,
        prior,
        before,
    ]);
    unique(inserted, || format!("intent {} exists", intent.id))
}

/// One movement of an intent.
pub(super) struct IntentStep<'a> {
    pub(super) from: IntentState,
    pub(super) to: IntentState,
    pub(super) said: &'a str,
    pub(super) at: Timestamp,
    pub(super) revert_at: Option<Timestamp>,
}

/// An intent moves on, from the state that the caller knows it in.
pub(super) fn move_intent(
    statements: &Statements<'_>,
    id: IntentId,
    step: &IntentStep<'_>,
) -> Result<(), Trouble> {
    let IntentStep { from, to, .. } = *step;
    if !from.may_become(to) {
        return Err(Trouble::Conflict(format!("an intent that is {from} cannot become {to}")));
    }
    let mut update = statements.get(
        "UPDATE intents SET state = ?3, said = ?4, changed_at = ?5, applied_at = coalesce(?6, applied_at),
             revert_at = ?7
         WHERE id = ?1 AND state = ?2",
    )?;
    let applied_at = (to == IntentState::Applied).then_some(Time(step.at));
    let name = id.to_string();
    let revert_at = step.revert_at.map(Time);
    let row = params![name, from.name(), to.name(), step.said, Time(step.at), applied_at, revert_at];
    if update.execute(row)? == 1 {
        return Ok(());
    }
    let mut find = statements.get("SELECT state FROM intents WHERE id = ?1")?;
    let state: Option<String> = find.query_row([name], |row| row.get(0)).optional()?;
    Err(Trouble::Conflict(match state {
        Some(state) => format!("intent {id} is {state} and not {from}"),
        None => format!("there is no intent {id}"),
    }))
}

/// A failed try, for escalation.
pub(super) fn count_failure(
    statements: &Statements<'_>,
    rule: &str,
    resource: &str,
    at: Timestamp,
) -> Result<(), Trouble> {
    let mut count = statements.get(
        "INSERT INTO failures (rule, resource, at, tries) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT DO UPDATE SET tries = tries + 1",
    )?;
    count.execute(params![rule, counted_by(resource), Time(at)])?;
    Ok(())
}

/// How a try of an action ended, for the order of alternatives.
pub(super) fn count_result(
    statements: &Statements<'_>,
    rule: &str,
    action: &str,
    success: bool,
) -> Result<(), Trouble> {
    let mut count = statements.get(
        "INSERT INTO successes (rule, action, successes, failures) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET successes = successes + ?3, failures = failures + ?4",
    )?;
    count.execute(params![rule, action, u32::from(success), u32::from(!success)])?;
    Ok(())
}
