//! Who looks at what: issues are taken in a new epoch, held for a lease by the server's clock, and given back. What
//! somebody else is just taking is passed over, so that nobody waits for anybody.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::{HOLD, Issue, RECEIPT_HOLD, Tenure};
use tokio_postgres::Row;

use super::columns::{Columns as _, micros};
use super::connection::{Sql, sql};
use super::fault::Trouble;
use super::rows::{self, ISSUE, RECEIPT};

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

fn numbers(issues: &[IssueId]) -> Vec<i64> {
    issues.iter().map(|issue| issue.0).collect()
}

/// Takes issues under remediation, whatever their time.
pub(super) fn take_remediating(most: usize, held: &[IssueId]) -> Sql<'static> {
    sql!(
        format!(
            "WITH due AS (
                 SELECT id FROM issues
                 WHERE phase = 'remediating' AND closed_at IS NULL
                     AND (held_until IS NULL OR held_until <= clock_timestamp()) AND id <> ALL ($3::bigint[])
                 ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE issues SET epoch = epoch + 1, again = false,
                 held_until = clock_timestamp() + $2 * interval '1 second'
             WHERE id IN (SELECT id FROM due) RETURNING epoch, {ISSUE}"
        ),
        limit(most),
        HOLD.as_secs_f64(),
        numbers(held),
    )
}

/// Takes issues that are due.
pub(super) fn take_due(now: Timestamp, most: usize, held: &[IssueId]) -> Sql<'static> {
    sql!(
        format!(
            "WITH due AS (
                 SELECT id FROM issues
                 WHERE wake_at <= $3 AND wake_at IS NOT NULL AND closed_at IS NULL AND phase <> 'remediating'
                     AND (held_until IS NULL OR held_until <= clock_timestamp()) AND id <> ALL ($4::bigint[])
                 ORDER BY wake_at, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE issues SET epoch = epoch + 1, again = false,
                 held_until = clock_timestamp() + $2 * interval '1 second'
             WHERE id IN (SELECT id FROM due) RETURNING epoch, {ISSUE}"
        ),
        limit(most),
        HOLD.as_secs_f64(),
        micros(now),
        numbers(held),
    )
}

/// An issue that was taken.
pub(super) fn taken(row: &Row) -> Result<(Issue, Tenure), Trouble> {
    let issue = rows::issue(row)?;
    let tenure = Tenure { issue: issue.id, epoch: row.value("epoch")? };
    Ok((issue, tenure))
}

/// Takes one issue, unless somebody holds it.
pub(super) fn take_one(issue: IssueId) -> Sql<'static> {
    sql!(
        "UPDATE issues SET epoch = epoch + 1, held_until = clock_timestamp() + $2 * interval '1 second'
         WHERE id = $1 AND (held_until IS NULL OR held_until <= clock_timestamp()) RETURNING epoch",
        issue.0,
        HOLD.as_secs_f64(),
    )
}

/// What a lease makes of `held_until`: one of nothing gives the issue back, and what was given back cannot be held for longer
/// by a renewal that comes behind it.
const UNTIL: &str = "CASE WHEN $3::float8 > 0 THEN clock_timestamp() + $3::float8 * interval '1 second' END";
const HELD: &str = "($3::float8 <= 0 OR issues.held_until IS NOT NULL)";

/// Holds issues for another lease, or gives them back. In the order of their numbers, as everybody locks them.
pub(super) fn keep(tenures: &[Tenure], lease: Duration) -> Sql<'static> {
    let mut tenures = tenures.to_vec();
    tenures.sort_unstable_by_key(|tenure| tenure.issue);
    sql!(
        format!(
            "WITH held AS (
                 SELECT issues.id FROM unnest($1::bigint[], $2::bigint[]) AS t (id, epoch)
                 JOIN issues ON issues.id = t.id AND issues.epoch = t.epoch
                 WHERE {HELD} ORDER BY issues.id FOR NO KEY UPDATE OF issues)
             UPDATE issues SET held_until = {UNTIL} WHERE id IN (SELECT id FROM held) RETURNING id, epoch"
        ),
        tenures.iter().map(|tenure| tenure.issue.0).collect::<Vec<_>>(),
        tenures.iter().map(|tenure| tenure.epoch).collect::<Vec<_>>(),
        lease.as_secs_f64(),
    )
}

/// Holds one issue for another lease, or gives it back, unless it is in another epoch.
pub(super) fn hold(tenure: Tenure, lease: Duration) -> Sql<'static> {
    sql!(
        format!("UPDATE issues SET held_until = {UNTIL} WHERE id = $1 AND epoch = $2 AND {HELD}"),
        tenure.issue.0,
        tenure.epoch,
        lease.as_secs_f64(),
    )
}

/// Calls for a look.
pub(super) fn wake(issue: IssueId, at: Timestamp) -> Sql<'static> {
    sql!(
        "UPDATE issues SET wake_at = least(wake_at, $2), again = true WHERE id = $1 AND closed_at IS NULL",
        issue.0,
        micros(at)
    )
}

pub(super) fn next_look() -> Sql<'static> {
    sql!(
        "SELECT wake_at FROM issues
         WHERE wake_at IS NOT NULL AND closed_at IS NULL
             AND (held_until IS NULL OR held_until <= clock_timestamp())
         ORDER BY wake_at LIMIT 1"
    )
}

pub(super) fn due(now: Timestamp, most: usize) -> Sql<'static> {
    sql!(
        "SELECT count(*) AS due FROM (
             SELECT FROM issues
             WHERE wake_at <= $1 AND wake_at IS NOT NULL AND closed_at IS NULL
                 AND (held_until IS NULL OR held_until <= clock_timestamp()) LIMIT $2) AS due",
        micros(now),
        limit(most)
    )
}

/// Takes or keeps what only one process does at a time.
pub(super) fn lease(name: String, holder: String, lease: Duration) -> Sql<'static> {
    sql!(
        "INSERT INTO leases AS l (name, holder, held_until)
         VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
         WHERE l.holder = excluded.holder OR l.held_until <= clock_timestamp()",
        name,
        holder,
        lease.as_secs_f64(),
    )
}

/// Gives back everything that anybody holds.
pub(super) fn free() -> [Sql<'static>; 3] {
    [
        sql!("UPDATE issues SET held_until = NULL WHERE closed_at IS NULL AND held_until IS NOT NULL"),
        sql!("DELETE FROM leases"),
        sql!("UPDATE receipts SET held_until = 'epoch'"),
    ]
}

/// Takes receipts that nobody holds.
pub(super) fn take_receipts(most: usize) -> Sql<'static> {
    sql!(
        format!(
            "WITH left_over AS (
                 SELECT id FROM receipts WHERE held_until <= clock_timestamp()
                 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
             UPDATE receipts SET held_until = clock_timestamp() + $2 * interval '1 second'
             WHERE id IN (SELECT id FROM left_over) RETURNING {RECEIPT}"
        ),
        limit(most),
        RECEIPT_HOLD.as_secs_f64(),
    )
}
