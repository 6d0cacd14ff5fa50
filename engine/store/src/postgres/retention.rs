//! Forgetting what has been over for long enough, as statements of one transaction. What somebody is just writing is
//! passed over; it is forgotten the next time.

use selfheal_runtime::ports::journal::Horizons;

use super::columns::micros;
use super::connection::{Sql, sql};

/// Issues of which a change is still to be taken back are kept whole.
const TO_REVERT: &str =
    "SELECT issue FROM intents WHERE revert_at IS NOT NULL AND state IN ('done', 'undoing')";

/// The record that says how many records with a link are gone; `selfheal_core::audit::Forgot` are its facts.
const FORGOT: &str = "forgot AS (
         INSERT INTO records (at, kind, actor, summary, facts)
         SELECT $3, 'forgot', 'selfheal', count(*) || ' records were old enough to be forgotten',
             '{\"records\":' || count(*) || ',\"through_micros\":' || max(at) || '}'
         FROM gone WHERE id >= (SELECT first FROM audit_head) HAVING count(*) > 0)";

/// Forgets what ended before the horizons.
pub(super) fn forget(horizons: Horizons, most: usize) -> Vec<Sql<'static>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let Horizons { failures, actions, events, now } = horizons;
    vec![
        sql!(
            "DELETE FROM failures WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM failures WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            micros(failures),
            most
        ),
        sql!(
            format!(
                "WITH gone AS (DELETE FROM records WHERE id IN (
                     SELECT id FROM records WHERE issue IS NULL AND kind <> 'forgot' AND at < $1
                     ORDER BY id LIMIT $2) RETURNING id, at),
                 {FORGOT}
                 SELECT id FROM gone"
            ),
            micros(events),
            most,
            micros(now)
        ),
        sql!(
            format!(
                "WITH closed AS MATERIALIZED (
                     SELECT id FROM issues
                     WHERE closed_at < $1 AND id NOT IN ({TO_REVERT})
                         AND id IN (SELECT issue FROM remediations WHERE started_at < $1
                             UNION SELECT issue FROM approvals WHERE asked_at < $1)
                     LIMIT $2 FOR UPDATE SKIP LOCKED),
                 i AS (DELETE FROM intents WHERE issue IN (SELECT id FROM closed)),
                 r AS (DELETE FROM remediations WHERE issue IN (SELECT id FROM closed)),
                 a AS (DELETE FROM approvals WHERE issue IN (SELECT id FROM closed))
                 SELECT id FROM closed"
            ),
            micros(actions),
            most
        ),
        sql!(
            format!(
                "WITH closed AS MATERIALIZED (
                     SELECT id FROM issues
                     WHERE closed_at < $1 AND closed_at IS NOT NULL AND id NOT IN ({TO_REVERT})
                         AND NOT EXISTS (SELECT FROM remediations WHERE remediations.issue = issues.id)
                         AND NOT EXISTS (SELECT FROM approvals WHERE approvals.issue = issues.id)
                     ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED),
                 gone AS (DELETE FROM records WHERE issue IN (SELECT id FROM closed) RETURNING id, at),
                 {FORGOT},
                 s AS (DELETE FROM settings WHERE key LIKE 'issue-%/%'
                     AND split_part(key, '/', 1) IN (SELECT 'issue-' || id FROM closed))
                 DELETE FROM issues WHERE id IN (SELECT id FROM closed)"
            ),
            micros(events),
            most,
            micros(now)
        ),
    ]
}
