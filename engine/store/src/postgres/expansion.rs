//! Expanding alerts to issues, one transaction for a batch, one batch at a time among all replicas: the row of `numbers`
//! is locked from before the latest issues are read until the commit, so that two replicas that hear of the same alert
//! open one issue.

use std::collections::{HashMap, HashSet};

use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::sighting::LatestIssue;
use selfheal_runtime::ports::journal::{HOLD, Notice, Progress, Said, Sighted, Sighting};
use serde::Serialize;

use super::columns::{Columns as _, micros, text};
use super::connection::{Connection, Sql, sql};
use super::ears;
use super::fault::Trouble;
use super::sightings::{self, Latest, Opened, Outcomes, Place, State};

/// Expands sightings and notes how far receipts are done.
pub(super) async fn expand(
    session: &mut Connection,
    sightings: &[Sighting],
    progress: &[Progress],
) -> Result<Vec<Sighted>, Trouble> {
    if sightings.is_empty() {
        let mut statements = vec![sql!("BEGIN")];
        statements.extend(note(progress));
        statements.push(sql!("COMMIT"));
        return all(session, statements).await.map(|()| Vec::new());
    }
    let fingerprints: HashSet<i64> =
        sightings.iter().map(|sighting| sighting.alert.fingerprint.0.cast_signed()).collect();
    let opening = [
        sql!("BEGIN"),
        sql!("SELECT last FROM numbers WHERE id = 1 FOR UPDATE"),
        sql!(LATEST, fingerprints.into_iter().collect::<Vec<_>>()),
    ];
    let mut answers = session.pipeline(&opening).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let found = answers.pop().map(|answer| answer.rows).unwrap_or_default();
    let last: i64 = match answers.get(1).and_then(|answer| answer.rows.first()) {
        Some(row) => row.value("last")?,
        None => {
            return Err(Trouble::Value("the table of numbers is empty; restore it from a backup".to_owned()));
        }
    };
    let latest = found.iter().map(latest).collect::<Result<HashMap<_, _>, _>>()?;
    let outcomes = sightings::outcomes(sightings, &latest);
    let number = |place: Place| match place {
        Place::Stored(id) => id,
        Place::New(place) => IssueId(last + 1 + i64::try_from(place).unwrap_or(i64::MAX - last - 1)),
    };
    let mut statements = writes(&outcomes, last, &number)?;
    let changed = outcomes.changed.len() as u64;
    statements.extend(note(progress));
    statements.extend(is_for_others(&outcomes).then(|| ears::tell(Said::Call)));
    statements.extend((!outcomes.told.is_empty()).then(|| ears::tell(Said::Record)));
    statements.push(sql!("COMMIT"));
    if changed == 0 {
        all(session, statements).await?;
    } else {
        // An issue that was closed between reading and writing is not what it was taken for.
        let commit = statements.pop().into_iter().collect::<Vec<_>>();
        let answers = session.pipeline(&statements).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        if answers.first().is_none_or(|answer| answer.count != changed) {
            session.run(sql!("ROLLBACK")).await?;
            return Err(Trouble::conflict("an issue was closed meanwhile"));
        }
        all(session, commit).await?;
    }
    Ok(outcomes.seen.iter().map(|seen| seen.answer(number)).collect())
}

async fn all(session: &mut Connection, statements: Vec<Sql<'_>>) -> Result<(), Trouble> {
    session.pipeline(&statements).await?.into_iter().try_for_each(|answer| answer.map(drop))
}

const LATEST: &str = "
    SELECT l.* FROM unnest($1::bigint[]) AS f (fingerprint)
    CROSS JOIN LATERAL (
        SELECT fingerprint, id, starts_at, seen, resolved_at, closed_at IS NULL AS open
        FROM issues WHERE issues.fingerprint = f.fingerprint ORDER BY id DESC LIMIT 1) AS l";

fn latest(row: &tokio_postgres::Row) -> Result<(Fingerprint, Latest), Trouble> {
    let fingerprint: i64 = row.value("fingerprint")?;
    let known = LatestIssue {
        open: row.value("open")?,
        starts_at: row.time("starts_at")?,
        resolved_at: row.maybe_time("resolved_at")?,
    };
    let latest = Latest { id: IssueId(row.value("id")?), known, seen: row.value("seen")? };
    Ok((Fingerprint(fingerprint.cast_unsigned()), latest))
}

fn json(value: &impl Serialize) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|fault| Trouble::Value(format!("a value has no form in JSON: {fault}")))
}

/// What is told of an issue that opens; of one whose alert is resolved already, nothing is.
fn notices(opened: &Opened<'_>, id: IssueId) -> Vec<Notice> {
    let told = opened.sighting.opening.told.iter().filter(|_| opened.closed_at.is_none());
    told.map(|notice| notice.about(id)).collect()
}

/// The statements of a batch; the first changes issues, if any are changed.
fn writes<'a>(
    outcomes: &'a Outcomes<'_>,
    last: i64,
    number: &impl Fn(Place) -> IssueId,
) -> Result<Vec<Sql<'a>>, Trouble> {
    let mut statements = Vec::new();
    if !outcomes.changed.is_empty() {
        // In the order of their numbers, as everybody locks them.
        let mut changed: Vec<_> = outcomes.changed.iter().collect();
        changed.sort_by_key(|(id, _)| **id);
        let column = |of: fn(&State<'_>) -> Option<i64>| {
            changed.iter().map(|(_, state)| of(state)).collect::<Vec<_>>()
        };
        statements.push(sql!(
            "UPDATE issues SET starts_at = c.starts_at, seen = c.seen, resolved_at = c.resolved_at, alert = c.alert,
                 wake_at = coalesce(c.wake_at, issues.wake_at), again = issues.again OR c.wake_at IS NOT NULL
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
                 AS c (id, starts_at, seen, resolved_at, wake_at, alert)
             WHERE issues.id = c.id AND issues.closed_at IS NULL",
            changed.iter().map(|(id, _)| id.0).collect::<Vec<_>>(),
            column(|state| Some(micros(state.alert.starts_at))),
            column(|state| Some(state.seen)),
            column(|state| state.resolved_at.map(micros)),
            column(|state| state.wake_at.map(micros)),
            changed.iter().map(|(_, state)| json(&*state.alert)).collect::<Result<Vec<_>, _>>()?,
        ));
    }
    if !outcomes.opened.is_empty() {
        let opened = &outcomes.opened;
        let count = i64::try_from(opened.len()).unwrap_or(i64::MAX);
        statements.push(sql!("UPDATE numbers SET last = $1 WHERE id = 1", last + count));
        let opening = || opened.iter().map(|opened| (opened, &opened.sighting.opening));
        statements.push(sql!(
            "INSERT INTO issues (id, fingerprint, starts_at, seen, resolved_at, closed_at, wake_at, received_at, phase,
                 outcome, priority, component, rule, why, resource, trace, alert, again, epoch, held_until)
             SELECT id, fingerprint, starts_at, seen, resolved_at, closed_at, wake_at, received_at, phase, outcome,
                 priority, component, rule, why, resource, trace, alert, again, CASE WHEN taken THEN 1 ELSE 0 END,
                 CASE WHEN taken THEN clock_timestamp() + $20 * interval '1 second' END
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
                 $15::text[], $16::text[], $17::text[], $18::boolean[], $19::boolean[]) AS o (id, fingerprint, starts_at, seen,
                 resolved_at, closed_at, wake_at, received_at, phase, outcome, priority, component, rule, why, resource, trace,
                 alert, again, taken)",
            (1..=count).map(|ahead| last + ahead).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.state.alert.fingerprint.0.cast_signed()).collect::<Vec<_>>(),
            opened.iter().map(|opened| micros(opened.state.alert.starts_at)).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.state.seen).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.state.resolved_at.map(micros)).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.closed_at.map(micros)).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.state.wake_at.map(micros)).collect::<Vec<_>>(),
            opened.iter().map(|opened| micros(opened.sighting.received_at)).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.phase.name()).collect::<Vec<_>>(),
            opened.iter().map(|opened| opened.outcome.map(Outcome::name)).collect::<Vec<_>>(),
            opening().map(|(_, opening)| opening.priority.map(|priority| priority.name())).collect::<Vec<_>>(),
            opening().map(|(_, opening)| opening.component.map(|component| component.name())).collect::<Vec<_>>(),
            opening().map(|(_, opening)| opening.rule.as_deref().map(text)).collect::<Vec<_>>(),
            opened.iter().map(|opened| text(opened.why)).collect::<Vec<_>>(),
            opening().map(|(_, opening)| text(&opening.resource)).collect::<Vec<_>>(),
            opened.iter().map(|opened| text(&opened.sighting.trace)).collect::<Vec<_>>(),
            opened.iter().map(|opened| json(&*opened.state.alert)).collect::<Result<Vec<_>, _>>()?,
            opened.iter().map(|opened| opened.again).collect::<Vec<_>>(),
            opened.iter().map(is_taken).collect::<Vec<_>>(),
            HOLD.as_secs_f64(),
        ));
    }
    let notices: Vec<Notice> = outcomes
        .opened
        .iter()
        .zip(last + 1..)
        .flat_map(|(opened, id)| notices(opened, IssueId(id)))
        .collect();
    if !notices.is_empty() {
        statements.push(sql!(
            "INSERT INTO outbox (next_at, sink, subject, news)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[])",
            notices.iter().map(|notice| micros(notice.at)).collect::<Vec<_>>(),
            notices.iter().map(|notice| text(&notice.sink).into_owned()).collect::<Vec<_>>(),
            notices.iter().map(|notice| notice.subject().map(|issue| issue.0)).collect::<Vec<_>>(),
            notices.iter().map(|notice| json(&notice.news)).collect::<Result<Vec<_>, _>>()?,
        ));
    }
    if !outcomes.told.is_empty() {
        let told = &outcomes.told;
        statements.push(sql!(
            "INSERT INTO records (issue, at, kind, actor, summary)
             SELECT issue, at, kind, 'selfheal', summary
             FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) AS t (issue, at, kind, summary)",
            told.iter().map(|told| number(told.place).0).collect::<Vec<_>>(),
            told.iter().map(|told| micros(told.at)).collect::<Vec<_>>(),
            told.iter().map(|told| told.kind).collect::<Vec<_>>(),
            told.iter().map(|told| told.summary.as_str()).collect::<Vec<_>>(),
        ));
    }
    Ok(statements)
}

/// Whether an issue is taken with its opening.
fn is_taken(opened: &Opened<'_>) -> bool {
    opened.phase.is_open() && opened.sighting.take_at.is_some()
}

/// Whether something is due that other replicas could look at as well.
fn is_for_others(outcomes: &Outcomes<'_>) -> bool {
    let is_left = |opened: &Opened<'_>| {
        opened.state.wake_at.is_some_and(|wake_at| wake_at <= opened.sighting.received_at)
            && !is_taken(opened)
    };
    outcomes.changed.values().any(|state| state.wake_at.is_some()) || outcomes.opened.iter().any(is_left)
}

/// How far receipts are expanded.
fn note(progress: &[Progress]) -> Vec<Sql<'static>> {
    let (finished, partly): (Vec<&Progress>, Vec<&Progress>) =
        progress.iter().partition(|progress| progress.finished);
    let ids = |of: &[&Progress]| of.iter().map(|progress| progress.receipt.0).collect::<Vec<_>>();
    let mut statements = Vec::new();
    if !finished.is_empty() {
        statements.push(sql!("DELETE FROM receipts WHERE id = ANY($1::bigint[])", ids(&finished)));
    }
    if !partly.is_empty() {
        statements.push(sql!(
            "UPDATE receipts SET expanded = p.expanded FROM unnest($1::bigint[], $2::bigint[]) AS p (id, expanded)
             WHERE receipts.id = p.id AND receipts.expanded < p.expanded",
            ids(&partly),
            partly.iter().map(|progress| i64::from(progress.expanded)).collect::<Vec<_>>(),
        ));
    }
    statements
}
