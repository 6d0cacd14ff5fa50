//! Forgetting what has been over for long enough, in one transaction. What somebody is just writing is passed over; it is
//! forgotten the next time.

use selfheal_core::audit::{Forgot, Key, Numbers};
use selfheal_runtime::ports::journal::{Horizons, Record};
use serde_json::json;

use super::audit;
use super::changes::add_records;
use super::columns::{Columns as _, micros};
use super::connection::{Connection, Sql, sql};
use super::fault::Trouble;
use super::queries::EFFECT_AT;

/// Issues of which a change is still to be taken back are kept whole.
const TO_REVERT: &str =
    "SELECT issue FROM intents WHERE revert_at IS NOT NULL AND state IN ('done', 'undoing')";

/// Forgets what ended before the horizons; gives how many rows or issues with what belongs to them. A connection on which
/// it fails stands within a transaction.
pub(super) async fn forget(
    session: &mut Connection,
    horizons: Horizons,
    most: usize,
    key: Option<&Key>,
) -> Result<usize, Trouble> {
    let mut statements = vec![sql!("BEGIN"), audit::ask_chain()];
    statements.extend(forgetting(horizons, most));
    let answers = session.pipeline(&statements).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [_, chain, failures, told, actions, over] = answers.as_slice() else {
        return Err(Trouble::Value("not every statement was answered".to_owned()));
    };
    let chain = audit::chain_of(&chain.rows)?;
    let mut numbers = Vec::with_capacity(told.rows.len() + over.rows.len());
    let mut issues = 0;
    for row in told.rows.iter().chain(&over.rows) {
        match row.value::<Option<i64>>("id")? {
            Some(record) => numbers.push(record),
            None => issues += 1,
        }
    }
    let linked: Numbers = numbers.into_iter().filter(|id| *id >= chain.first).collect();
    let record = (!linked.is_empty()).then(|| Record {
        issue: None,
        remediation: None,
        at: horizons.now,
        kind: Forgot::KIND.to_owned(),
        actor: "selfheal".to_owned(),
        summary: format!("{} records were old enough to be forgotten", linked.count()),
        facts: json!(Forgot::of(linked, chain.head, key)),
    });
    let facts = record.as_ref().map(|record| record.facts.to_string());
    let mut ending: Vec<Sql<'_>> = add_records(record.iter().zip(facts.as_deref())).into_iter().collect();
    ending.push(sql!("COMMIT"));
    session.pipeline(&ending).await?.into_iter().try_for_each(|answer| answer.map(drop))?;
    let count = failures.count + told.count + actions.count + issues;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Failures, records of no issue, what was done about issues but for what statistics count of it, and issues with their
/// records.
fn forgetting(horizons: Horizons, most: usize) -> [Sql<'static>; 4] {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let Horizons { failures, actions, events, .. } = horizons;
    [
        sql!(
            "DELETE FROM failures WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM failures WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))",
            micros(failures),
            most
        ),
        sql!(
            "DELETE FROM records WHERE id IN (
                 SELECT id FROM records WHERE issue IS NULL AND kind NOT IN ('forgot', 'checkpoint') AND at < $1
                 ORDER BY id LIMIT $2) RETURNING id",
            micros(events),
            most
        ),
        sql!(
            format!(
                "WITH closed AS MATERIALIZED (
                     SELECT id FROM issues
                     WHERE closed_at < $1 AND id NOT IN ({TO_REVERT})
                         AND id IN (SELECT issue FROM remediations WHERE started_at < $1
                             UNION SELECT issue FROM approvals WHERE asked_at < $1)
                     LIMIT $2 FOR UPDATE SKIP LOCKED),
                 c AS (INSERT INTO courses (issue, ordinal, started_at, effect_at, ended_at, outcome, rule)
                     SELECT issue, ordinal, started_at, {EFFECT_AT}, ended_at, outcome, rule
                     FROM remediations WHERE issue IN (SELECT id FROM closed)),
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
                 s AS (DELETE FROM settings WHERE key LIKE 'issue-%/%'
                     AND split_part(key, '/', 1) IN (SELECT 'issue-' || id FROM closed)),
                 c AS (DELETE FROM courses WHERE issue IN (SELECT id FROM closed)),
                 i AS (DELETE FROM issues WHERE id IN (SELECT id FROM closed)),
                 gone AS (DELETE FROM records WHERE issue IN (SELECT id FROM closed) RETURNING id)
                 SELECT id AS issue, NULL::bigint AS id FROM closed UNION ALL SELECT NULL, id FROM gone"
            ),
            micros(events),
            most
        ),
    ]
}
