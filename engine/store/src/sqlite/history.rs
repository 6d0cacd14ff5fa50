//! What statistics and the health score are made of: two passes over small columns, whatever the number of issues.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Result, Row};
use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::history::{Course, Episode};

use super::columns::{Name, Time, micros};
use super::queries::all;

/// When a remediation's first effect had been applied.
macro_rules! effect_at {
    () => {
        "(SELECT min(applied_at) FROM intents
          WHERE intents.issue = remediations.issue AND intents.ordinal = remediations.ordinal)"
    };
}
pub(super) use effect_at;

/// What is kept of the remediations of an issue whose details were forgotten.
pub(super) fn forgotten(connection: &Connection, issue: IssueId) -> Result<Vec<Course>> {
    let sql = "SELECT issue, rule, started_at, ended_at, outcome, effect_at FROM courses WHERE issue = ?1 ORDER BY ordinal";
    all(connection, sql, [issue.0], |row| Ok(course(row)?.1))
}

/// The issues that were open at `since` or later, newest first, with their remediations.
pub(super) fn episodes(connection: &Connection, since: Timestamp, most: usize) -> Result<Vec<Episode>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let sql =
        "SELECT id, alert ->> '$.labels.alertname', alert ->> '$.labels.severity', rule, priority, component,
                      resource, starts_at, received_at, resolved_at, closed_at, outcome
               FROM issues WHERE closed_at IS NULL OR closed_at >= ?1 ORDER BY id DESC LIMIT ?2";
    let mut episodes = all(connection, sql, [micros(since), most], episode)?;
    let Some(oldest) = episodes.last().map(|episode| episode.issue.0) else { return Ok(episodes) };
    let sql = concat!(
        "SELECT issue, rule, started_at, ended_at, outcome, effect_at, ordinal FROM courses WHERE issue >= ?1
         UNION ALL SELECT issue, rule, started_at, ended_at, outcome, ",
        effect_at!(),
        ", ordinal FROM remediations WHERE issue >= ?1 ORDER BY 1, 7"
    );
    let mut courses: HashMap<i64, Vec<Course>> = HashMap::new();
    for (issue, course) in all(connection, sql, [oldest], course)? {
        courses.entry(issue).or_default().push(course);
    }
    for episode in &mut episodes {
        episode.courses = courses.remove(&episode.issue.0).unwrap_or_default();
    }
    Ok(episodes)
}

fn maybe_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    row.get::<_, Option<Time>>(column).map(|time| time.map(|Time(time)| time))
}

fn episode(row: &Row<'_>) -> Result<Episode> {
    let Time(starts_at) = row.get(7)?;
    let Time(received_at) = row.get(8)?;
    Ok(Episode {
        issue: IssueId(row.get(0)?),
        name: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        severity: row.get(2)?,
        rule: row.get(3)?,
        priority: row.get::<_, Option<Name<_>>>(4)?.map(|Name(priority)| priority),
        component: row.get::<_, Option<Name<_>>>(5)?.map(|Name(component)| component),
        resource: row.get(6)?,
        starts_at,
        received_at,
        resolved_at: maybe_time(row, 9)?,
        closed_at: maybe_time(row, 10)?,
        outcome: row.get::<_, Option<Name<_>>>(11)?.map(|Name(outcome)| outcome),
        courses: Vec::new(),
    })
}

fn course(row: &Row<'_>) -> Result<(i64, Course)> {
    let Time(started_at) = row.get(2)?;
    let course = Course {
        rule: row.get(1)?,
        started_at,
        ended_at: maybe_time(row, 3)?,
        outcome: row.get::<_, Option<Name<_>>>(4)?.map(|Name(outcome)| outcome),
        effect_at: maybe_time(row, 5)?,
    };
    Ok((row.get(0)?, course))
}
