//! From notifications to issues: expanding alerts by the table of `core::sighting`.
//!
//! Alertmanager repeats itself, so an alert that is known already costs one look at an index and writes nothing, unless
//! what is said about it has changed.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use selfheal_core::alert::Alert;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::moment::later;
use selfheal_core::sighting::{LatestIssue, Meaning, kept, meaning};
use selfheal_runtime::ports::journal::{HOLD, Record, Sighted, Sighting};
use serde_json::Value;

use super::columns::{Json, Print, Time};
use super::commit::insert_record;
use super::fault::Trouble;
use super::people;
use super::statements::Statements;
use super::writer::Work;
use crate::nested::fingerprint_of_content;

/// About what a row costs beside its texts, in bytes.
const ROW_BYTES: usize = 512;

/// Expands alerts to issues. By the table, doing it twice is doing it once: until it is on the disk, the inbox has what it
/// is made from.
pub(super) struct Expand(pub(super) Arc<[Sighting]>);

impl Work for Expand {
    type Answer = Vec<Sighted>;

    const WAITS_FOR_DISK: bool = false;

    fn run(&self, statements: &Statements<'_>) -> Result<Vec<Sighted>, Trouble> {
        self.0
            .iter()
            .map(|sighting| see(statements, latest(statements, &sighting.alert)?, sighting))
            .collect()
    }

    fn bytes(&self) -> usize {
        let text = |alert: &Alert| alert.labels.text_bytes() + alert.annotations.text_bytes();
        self.0.iter().map(|sighting| 2 * ROW_BYTES + text(&sighting.alert)).sum()
    }
}

/// The latest issue of an alert's fingerprint.
struct Latest {
    id: IssueId,
    known: LatestIssue,
    seen: i64,
}

fn latest(statements: &Statements<'_>, alert: &Alert) -> Result<Option<Latest>, Trouble> {
    let mut find = statements.get(
        "SELECT id, starts_at, seen, resolved_at, closed_at IS NULL
         FROM issues WHERE fingerprint = ?1 ORDER BY id DESC LIMIT 1",
    )?;
    let found = find
        .query_row([Print(alert.fingerprint)], |row| {
            let Time(starts_at) = row.get(1)?;
            let resolved_at: Option<Time> = row.get(3)?;
            let resolved_at = resolved_at.map(|Time(at)| at);
            let known = LatestIssue { open: row.get(4)?, starts_at, resolved_at };
            Ok(Latest { id: IssueId(row.get(0)?), known, seen: row.get(2)? })
        })
        .optional()?;
    Ok(found)
}

fn see(statements: &Statements<'_>, latest: Option<Latest>, sighting: &Sighting) -> Result<Sighted, Trouble> {
    let alert = &sighting.alert;
    let meaning = meaning(latest.as_ref().map(|latest| latest.known), alert, sighting.received_at);
    match (latest, meaning) {
        (_, Meaning::Open) => {
            let opening = &sighting.opening;
            let phase = if opening.wake_at.is_some() { Phase::Waiting } else { Phase::Rested };
            let outcome = opening.outcome.as_ref().filter(|_| opening.wake_at.is_none());
            let (outcome, why) = outcome.map_or((None, ""), |(outcome, why)| (Some(*outcome), why.as_str()));
            let beginning = Beginning { phase, outcome, why, wake_at: opening.wake_at, resolved_at: None };
            let id = open(statements, sighting, &beginning)?;
            for notice in &opening.told {
                let notice = notice.about(id);
                people::notify(statements, &notice, Json(&*notice.news))?;
            }
            Ok(Sighted::Opened(id))
        }
        (_, Meaning::OpenResolved) => {
            let beginning = Beginning {
                phase: Phase::Closed,
                outcome: Some(Outcome::Subsided),
                why: "the alert was resolved before it was seen to fire",
                wake_at: None,
                resolved_at: Some(resolved_at(sighting)),
            };
            open(statements, sighting, &beginning)?;
            Ok(Sighted::Stale)
        }
        (Some(latest), Meaning::Refire) => {
            let wake_at = sighting.opening.wake_at.unwrap_or(sighting.received_at);
            update(statements, &latest, sighting, None, Some(wake_at))?;
            tell(
                statements,
                &latest,
                sighting,
                "refired",
                format!("the alert fires again since {}", alert.starts_at),
            )?;
            Ok(Sighted::Refired(latest.id))
        }
        (Some(latest), Meaning::Resolve) => {
            let resolved_at = resolved_at(sighting);
            update(statements, &latest, sighting, Some(resolved_at), Some(sighting.received_at))?;
            tell(
                statements,
                &latest,
                sighting,
                "resolved",
                format!("the alert was resolved at {resolved_at}"),
            )?;
            Ok(Sighted::Resolved(latest.id))
        }
        (Some(latest), Meaning::Known) => {
            let no_older = alert.starts_at.as_millisecond() >= latest.known.starts_at.as_millisecond();
            if no_older && latest.seen != fingerprint_of_content(alert) {
                let resolved = latest.known.resolved_at.map(|_| resolved_at(sighting));
                update(statements, &latest, sighting, resolved, None)?;
            }
            Ok(Sighted::Known(latest.id))
        }
        (_, Meaning::Stale) | (None, Meaning::Refire | Meaning::Resolve | Meaning::Known) => {
            Ok(Sighted::Stale)
        }
    }
}

fn resolved_at(sighting: &Sighting) -> Timestamp {
    sighting.alert.ends_at.unwrap_or(sighting.received_at)
}

/// What is particular about how an issue begins.
struct Beginning<'a> {
    phase: Phase,
    outcome: Option<Outcome>,
    why: &'a str,
    wake_at: Option<Timestamp>,
    resolved_at: Option<Timestamp>,
}

fn open(
    statements: &Statements<'_>,
    sighting: &Sighting,
    beginning: &Beginning<'_>,
) -> Result<IssueId, Trouble> {
    let mut insert = statements.get(
        "INSERT INTO issues (fingerprint, starts_at, seen, resolved_at, closed_at, wake_at,
             received_at, phase, outcome, priority, component, rule, why, resource, trace, alert, epoch, held_until)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?;
    let Sighting { alert, opening, .. } = sighting;
    let held_until = sighting.take_at.filter(|_| beginning.phase.is_open()).map(|at| Time(later(at, HOLD)));
    let closed_at = (!beginning.phase.is_open()).then_some(sighting.received_at);
    let id = insert.insert(params![
        Print(alert.fingerprint),
        Time(alert.starts_at),
        fingerprint_of_content(alert),
        beginning.resolved_at.map(Time),
        closed_at.map(Time),
        beginning.wake_at.map(Time),
        Time(sighting.received_at),
        beginning.phase.name(),
        beginning.outcome.map(Outcome::name),
        opening.priority.map(|priority| priority.name()),
        opening.component.map(|component| component.name()),
        opening.rule,
        beginning.why,
        opening.resource,
        sighting.trace,
        Json(alert),
        i64::from(held_until.is_some()),
        held_until,
    ])?;
    Ok(IssueId(id))
}

/// Takes over the alert as it is seen now, and when the issue is to be looked at because of it.
fn update(
    statements: &Statements<'_>,
    latest: &Latest,
    sighting: &Sighting,
    resolved_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
) -> Result<(), Trouble> {
    let mut update = statements.get(
        "UPDATE issues SET starts_at = ?2, seen = ?3, resolved_at = ?4, alert = ?5, wake_at = coalesce(?6, wake_at),
             again = CASE WHEN ?6 IS NULL THEN again ELSE 1 END
         WHERE id = ?1",
    )?;
    let alert = kept(latest.known.starts_at, &sighting.alert);
    let content = fingerprint_of_content(&alert);
    update.execute(params![
        latest.id.0,
        Time(alert.starts_at),
        content,
        resolved_at.map(Time),
        Json(&*alert),
        wake_at.map(Time)
    ])?;
    Ok(())
}

fn tell(
    statements: &Statements<'_>,
    latest: &Latest,
    sighting: &Sighting,
    kind: &str,
    summary: String,
) -> Result<(), Trouble> {
    let record = Record {
        issue: Some(latest.id),
        remediation: None,
        at: sighting.received_at,
        kind: kind.to_owned(),
        actor: "selfheal".to_owned(),
        summary,
        facts: Value::Null,
    };
    insert_record(statements, &record, &Default::default())
}
