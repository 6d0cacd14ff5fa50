//! Forgetting what has been over for long enough.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::params;
use selfheal_core::audit::{Checkpoint, Forgot, Key, Numbers};
use selfheal_runtime::ports::journal::{Horizons, Record};
use serde_json::json;

use super::audit;
use super::columns::Time;
use super::commit::insert_record;
use super::fault::Trouble;
use super::history::effect_at;
use super::statements::Statements;
use super::writer::Work;

/// About what a row costs, in bytes.
const ROW_BYTES: usize = 512;

/// Forgets what ended before the horizons.
pub(super) struct Forget {
    pub(super) horizons: Horizons,
    pub(super) most: usize,
    pub(super) key: Option<Key>,
}

/// Issues of which a change is still to be taken back are kept whole.
macro_rules! to_revert {
    () => {
        "SELECT issue FROM intents WHERE revert_at IS NOT NULL AND state IN ('done', 'undoing')"
    };
}

impl Work for Forget {
    type Answer = usize;

    fn run(&self, statements: &Statements<'_>) -> Result<usize, Trouble> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let Horizons { failures, actions, events, now } = self.horizons;
        let mut forget = statements.get(
            "DELETE FROM failures WHERE (rule, resource, at) IN
                 (SELECT rule, resource, at FROM failures WHERE at < ?1 LIMIT ?2)",
        )?;
        let mut forgotten = forget.execute(params![Time(failures), most])?;
        let mut old = statements.get(
            "SELECT id FROM records WHERE issue IS NULL AND kind NOT IN (?3, ?4) AND at < ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut records: Vec<i64> = old
            .query_map(params![Time(events), most, Forgot::KIND, Checkpoint::KIND], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        forgotten += records.len();

        let with_actions = issues(statements, WITH_ACTIONS, params![Time(actions), most])?;
        let over = issues(statements, OVER, params![Time(events), most])?;
        for issue in with_actions.union(&over) {
            for table in [
                KEEP_COURSES,
                "DELETE FROM intents WHERE issue = ?1",
                "DELETE FROM remediations WHERE issue = ?1",
                "DELETE FROM approvals WHERE issue = ?1",
            ] {
                statements.get(table)?.execute([issue])?;
            }
        }
        for issue in &over {
            statements.get("DELETE FROM courses WHERE issue = ?1")?.execute([issue])?;
            let mut told = statements.get("SELECT id FROM records WHERE issue = ?1")?;
            let told = told.query_map([issue], |row| row.get::<_, i64>(0))?;
            records.extend(told.collect::<Result<Vec<_>, _>>()?);
            // What begins with the issue's name and a slash: a zero comes next.
            statements
                .get(
                    "DELETE FROM settings WHERE key >= 'issue-' || ?1 || '/' AND key < 'issue-' || ?1 || '0'",
                )?
                .execute([issue])?;
            statements.get("DELETE FROM issues WHERE id = ?1")?.execute([issue])?;
        }
        forget_records(statements, &records, now, self.key.as_ref())?;
        Ok(forgotten + with_actions.union(&over).count())
    }

    fn bytes(&self) -> usize {
        ROW_BYTES * self.most
    }
}

/// Forgets records. Their links stay, and a record says which they were. It is written first, so that it does not get the
/// number of one of them.
fn forget_records(
    statements: &Statements<'_>,
    records: &[i64],
    now: Timestamp,
    key: Option<&Key>,
) -> Result<(), Trouble> {
    let chain = audit::read(statements)?;
    let linked: Numbers = records.iter().copied().filter(|id| *id >= chain.first).collect();
    if !linked.is_empty() {
        let summary = format!("{} records were old enough to be forgotten", linked.count());
        let facts = json!(Forgot::of(linked, chain.head, key));
        let text = facts.to_string();
        let record = Record {
            issue: None,
            remediation: None,
            at: now,
            kind: Forgot::KIND.to_owned(),
            actor: "selfheal".to_owned(),
            summary,
            facts,
        };
        insert_record(statements, &record, &[text, String::new(), String::new()])?;
    }
    let mut forget = statements.get("DELETE FROM records WHERE id = ?1")?;
    for id in records {
        forget.execute([id])?;
    }
    Ok(())
}

/// What statistics count of an issue's remediations.
const KEEP_COURSES: &str = concat!(
    "INSERT INTO courses (issue, ordinal, started_at, effect_at, ended_at, outcome, rule)
     SELECT issue, ordinal, started_at, ",
    effect_at!(),
    ", ended_at, outcome, rule FROM remediations WHERE issue = ?1"
);
/// Closed issues with remediations or approvals, found by these: there may be far more issues without any.
const WITH_ACTIONS: &str = concat!(
    "SELECT issue FROM (
         SELECT issue FROM remediations WHERE started_at < ?1
         UNION SELECT issue FROM approvals WHERE asked_at < ?1)
     WHERE (SELECT closed_at FROM issues WHERE issues.id = issue) < ?1 AND issue NOT IN (",
    to_revert!(),
    ") LIMIT ?2"
);
/// Closed issues.
const OVER: &str = concat!(
    "SELECT id FROM issues WHERE closed_at < ?1 AND closed_at IS NOT NULL AND id NOT IN (",
    to_revert!(),
    ") ORDER BY closed_at LIMIT ?2"
);

fn issues(
    statements: &Statements<'_>,
    find: &'static str,
    params: impl rusqlite::Params,
) -> Result<BTreeSet<i64>, Trouble> {
    Ok(statements.get(find)?.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?)
}
