//! What concerns people: approvals and their answers, messages in the outbox, settings.

use rusqlite::{OptionalExtension, ToSql, params};
use selfheal_core::hash::ContentHash;
use selfheal_runtime::ports::journal::{Answer, Approval, Notice};

use super::columns::{Json, Name, Time};
use super::effects::unique;
use super::fault::Trouble;
use super::statements::Statements;
use crate::nested::Nested;

/// A person is asked.
pub(super) fn ask(
    statements: &Statements<'_>,
    approval: &Approval,
    [plan, previews, answer]: &Nested,
) -> Result<(), Trouble> {
    let mut insert = statements.get(
        "INSERT INTO approvals (id, issue, level, asked_at, expires_at, rule, why, plan_hash, plan, previews, answer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let inserted = insert.execute(params![
        approval.id,
        approval.issue.0,
        approval.level,
        Time(approval.asked_at),
        Time(approval.expires_at),
        approval.rule,
        approval.why,
        approval.plan_hash.to_string(),
        plan,
        previews,
        approval.answer.is_some().then_some(answer),
    ]);
    unique(inserted, || format!("approval {} exists", approval.id))
}

/// A person answered. What was asked must stand open, be for the plan that the person saw, and not have expired unless
/// the answer is no.
pub(super) fn answer(
    statements: &Statements<'_>,
    id: &str,
    plan_hash: ContentHash,
    answer: &Answer,
    [text, ..]: &Nested,
) -> Result<(), Trouble> {
    let mut find = statements.get("SELECT plan_hash, expires_at, answer FROM approvals WHERE id = ?1")?;
    let found = find.query_row([id], |row| {
        let Name(hash): Name<ContentHash> = row.get(0)?;
        let Time(expires_at) = row.get(1)?;
        let answer: Option<Json<Answer>> = row.get(2)?;
        Ok((hash, expires_at, answer))
    });
    let problem = match found.optional()? {
        None => Some(format!("there is no approval {id}")),
        Some((_, _, Some(Json(first)))) => {
            let said = if first.granted { "granted" } else { "denied" };
            Some(format!("approval {id} was {said} by {} at {}", first.by, first.at))
        }
        Some((asked, _, None)) if asked != plan_hash => {
            Some(format!("approval {id} is for plan {}, not for plan {}", asked.short(), plan_hash.short()))
        }
        Some((_, expires_at, None)) if answer.granted && answer.at >= expires_at => {
            Some(format!("approval {id} expired at {expires_at}"))
        }
        Some(_) => None,
    };
    if let Some(problem) = problem {
        return Err(Trouble::Conflict(problem));
    }
    statements.get("UPDATE approvals SET answer = ?2 WHERE id = ?1")?.execute(params![id, text])?;
    Ok(())
}

/// News for a sink.
pub(super) fn notify(statements: &Statements<'_>, notice: &Notice, text: impl ToSql) -> Result<(), Trouble> {
    let mut insert =
        statements.get("INSERT INTO outbox (next_at, sink, subject, news) VALUES (?1, ?2, ?3, ?4)")?;
    let subject = notice.subject().map(|issue| issue.0);
    insert.execute(params![Time(notice.at), notice.sink, subject, text])?;
    Ok(())
}

/// A setting.
pub(super) fn set(statements: &Statements<'_>, key: &str, [value, ..]: &Nested) -> Result<(), Trouble> {
    let mut set = statements.get(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    )?;
    set.execute(params![key, value])?;
    Ok(())
}
