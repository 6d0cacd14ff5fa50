//! What the journal says in the end, read by plain SQL: not by the code that is on trial.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfheal_test_servers::{Error, Postgres, Row};
use serde_json::Value;

/// An issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Its number.
    pub id: i64,
    /// Of its alert, in hexadecimal digits as Alertmanager writes it.
    pub fingerprint: String,
    /// The latest start of its alert.
    pub starts_at: Timestamp,
    /// When its first alert was received.
    pub received_at: Timestamp,
    /// Where it is.
    pub phase: String,
    /// How it ended, if it did.
    pub outcome: Option<String>,
    /// Why.
    pub why: String,
    /// Whether it was ever looked at; what was over before it was heard of is not, and nothing is told of it.
    pub looked_at: bool,
}

/// A remediation, by its issue and ordinal.
pub type RemediationId = (i64, i64);

/// A remediation.
#[derive(Clone, Debug)]
pub struct Remediation {
    /// Its name.
    pub id: RemediationId,
    /// What it claimed.
    pub targets: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub outcome: Option<String>,
}

/// An intent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its name.
    pub id: String,
    /// Of which remediation.
    pub remediation: RemediationId,
    /// `adapter.action`.
    pub action: String,
    /// What it changes.
    pub target: String,
    /// Where it stands.
    pub state: String,
    /// What the adapter said last.
    pub said: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// By number.
    pub issues: BTreeMap<i64, Issue>,
    /// By name.
    pub remediations: BTreeMap<RemediationId, Remediation>,
    /// By name.
    pub intents: BTreeMap<String, Intent>,
}

fn text(row: &Row, column: usize) -> String {
    row.get(column).cloned().flatten().unwrap_or_default()
}

fn number(row: &Row, column: usize) -> i64 {
    text(row, column).parse().unwrap_or_default()
}

fn time(row: &Row, column: usize) -> Option<Timestamp> {
    Timestamp::from_microsecond(text(row, column).parse().ok()?).ok()
}

impl Journal {
    /// Reads it.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub fn read(postgres: &Postgres) -> Result<Self, Error> {
        let mut session = postgres.session("selfheal-faults")?;
        let mut journal = Self::default();
        for row in session
            .sql("SELECT id, fingerprint, starts_at, phase, outcome, why, epoch, received_at FROM issues")?
        {
            let issue = Issue {
                id: number(&row, 0),
                fingerprint: format!("{:016x}", number(&row, 1).cast_unsigned()),
                starts_at: time(&row, 2).unwrap_or_default(),
                phase: text(&row, 3),
                outcome: row[4].clone(),
                why: text(&row, 5),
                looked_at: number(&row, 6) > 0,
                received_at: time(&row, 7).unwrap_or_default(),
            };
            journal.issues.insert(issue.id, issue);
        }
        for row in
            session.sql("SELECT issue, ordinal, claim, started_at, ended_at, outcome FROM remediations")?
        {
            let claim: Value = serde_json::from_str(&text(&row, 2)).unwrap_or_default();
            let targets = claim["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let remediation = Remediation {
                id: (number(&row, 0), number(&row, 1)),
                targets: targets.map(str::to_owned).collect(),
                started_at: time(&row, 3).unwrap_or_default(),
                ended_at: time(&row, 4),
                outcome: row[5].clone(),
            };
            journal.remediations.insert(remediation.id, remediation);
        }
        let sql = "SELECT id, issue, ordinal, action, target, state, said FROM intents";
        for row in session.sql(sql)? {
            let intent = Intent {
                id: text(&row, 0),
                remediation: (number(&row, 1), number(&row, 2)),
                action: text(&row, 3),
                target: text(&row, 4),
                state: text(&row, 5),
                said: text(&row, 6),
            };
            journal.intents.insert(intent.id.clone(), intent);
        }
        Ok(journal)
    }

    /// Why it is not at rest yet, if so: what is still to be done.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub fn unrest(postgres: &Postgres) -> Result<Option<String>, Error> {
        let sql =
            "SELECT (SELECT count(*) FROM receipts), (SELECT count(*) FROM issues WHERE closed_at IS NULL),
            (SELECT count(*) FROM remediations WHERE ended_at IS NULL), (SELECT count(*) FROM outbox),
            (SELECT count(*) FROM intents WHERE revert_at IS NOT NULL AND state = 'done')";
        let rows = postgres.sql(sql)?;
        let what = [
            "notifications to expand",
            "open issues",
            "running remediations",
            "messages to deliver",
            "reverts",
        ];
        let counts = rows.first().into_iter().flatten().flatten();
        let rest: Vec<String> = counts
            .zip(what)
            .filter(|(count, _)| *count != "0")
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        Ok((!rest.is_empty()).then(|| rest.join(", ")))
    }

    /// The labels of the alerts of open issues.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub fn open_alerts(postgres: &Postgres) -> Result<Vec<Value>, Error> {
        let rows = postgres.sql("SELECT alert FROM issues WHERE closed_at IS NULL")?;
        let labels = |row: &Row| Some(serde_json::from_str::<Value>(&text(row, 0)).ok()?["labels"].clone());
        Ok(rows.iter().filter_map(labels).collect())
    }

    /// The story of an issue.
    #[must_use]
    pub fn story(postgres: &Postgres, issue: i64) -> Vec<String> {
        let of = |what: &str, sql: &str| {
            let rows = postgres.sql(sql).unwrap_or_default();
            rows.into_iter().map(|row| format!("{what} {}", line(&row))).collect::<Vec<_>>()
        };
        let at = |column: &str| {
            format!("to_char(to_timestamp({column} / 1e6) AT TIME ZONE 'UTC', 'HH24:MI:SS.MS')")
        };
        let issues = format!(
            "SELECT id, phase, outcome, rule, why, epoch, {}, {}, {}, alert FROM issues WHERE id = {issue}",
            at("received_at"),
            at("resolved_at"),
            at("wake_at")
        );
        let remediations = format!(
            "SELECT ordinal, {}, {}, outcome, why FROM remediations WHERE issue = {issue} ORDER BY ordinal",
            at("started_at"),
            at("ended_at")
        );
        let intents = format!(
            "SELECT ordinal, path, try_number, id, action, target, state, {}, {}, {}, said FROM intents
             WHERE issue = {issue} ORDER BY sequence",
            at("intended_at"),
            at("applied_at"),
            at("changed_at")
        );
        let records = format!(
            "SELECT {}, ordinal, kind, summary FROM records WHERE issue = {issue} ORDER BY id",
            at("at")
        );
        [("issue", issues), ("remediation", remediations), ("intent", intents), ("record", records)]
            .iter()
            .flat_map(|(what, sql)| of(what, sql))
            .collect()
    }
}

fn line(row: &Row) -> String {
    row.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" | ")
}
