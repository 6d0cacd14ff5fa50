//! Who looks at what: issues are taken in a new epoch, held for a lease, and given back. Leases go by the callers' time,
//! since the file has no clock.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use selfheal_core::issue::IssueId;
use selfheal_core::moment::later;
use selfheal_runtime::ports::journal::{HOLD, Issue, Tenure};

use super::columns::Time;
use super::fault::Trouble;
use super::rows::{self, ISSUE};
use super::statements::Statements;
use super::writer::Work;

/// About what a change of a hold costs, in bytes.
const HOLD_BYTES: usize = 128;

/// Takes issues that are to be looked at.
pub(super) struct Take {
    pub(super) now: Timestamp,
    pub(super) most: usize,
    /// Not these, whatever their lease says: it goes by a clock that may have been set.
    pub(super) held: HashSet<IssueId>,
}

/// Those under remediation, whatever their time.
static REMEDIATING: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {ISSUE}, epoch FROM issues
         WHERE phase = 'remediating' AND closed_at IS NULL AND (held_until IS NULL OR held_until <= ?1)
         ORDER BY id LIMIT ?2"
    )
});
/// Those that are due.
static DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {ISSUE}, epoch FROM issues
         WHERE wake_at <= ?1 AND wake_at IS NOT NULL AND closed_at IS NULL AND phase <> 'remediating'
             AND (held_until IS NULL OR held_until <= ?1)
         ORDER BY wake_at, id LIMIT ?2"
    )
});

impl Work for Take {
    type Answer = Vec<(Issue, Tenure)>;

    fn run(&self, statements: &Statements<'_>) -> Result<Self::Answer, Trouble> {
        let mut taken: Self::Answer = Vec::new();
        for sql in [&*REMEDIATING, &*DUE] {
            let room = self.most - taken.len();
            let limit = i64::try_from(room + self.held.len()).unwrap_or(i64::MAX);
            let mut find = statements.get(sql)?;
            let found = find.query_map(params![Time(self.now), limit], |row| {
                let issue = rows::issue(row)?;
                let epoch: i64 = row.get("epoch")?;
                let tenure = Tenure { issue: issue.id, epoch: epoch + 1 };
                Ok((issue, tenure))
            })?;
            let is_free = |found: &rusqlite::Result<(Issue, Tenure)>| {
                found.as_ref().map_or(true, |(issue, _)| !self.held.contains(&issue.id))
            };
            taken.extend(found.filter(is_free).take(room).collect::<rusqlite::Result<Vec<_>>>()?);
        }
        let mut take =
            statements.get("UPDATE issues SET epoch = ?2, held_until = ?3, again = 0 WHERE id = ?1")?;
        let until = Time(later(self.now, HOLD));
        for (_, Tenure { issue, epoch }) in &taken {
            take.execute(params![issue.0, epoch, until])?;
        }
        Ok(taken)
    }

    fn bytes(&self) -> usize {
        HOLD_BYTES * self.most
    }
}

/// Takes one issue, unless somebody holds it.
pub(super) struct TakeOne {
    pub(super) issue: IssueId,
    pub(super) now: Timestamp,
}

impl Work for TakeOne {
    type Answer = Option<Tenure>;

    fn run(&self, statements: &Statements<'_>) -> Result<Self::Answer, Trouble> {
        let mut take = statements.get(
            "UPDATE issues SET epoch = epoch + 1, held_until = ?3
             WHERE id = ?1 AND (held_until IS NULL OR held_until <= ?2) RETURNING epoch",
        )?;
        let row = params![self.issue.0, Time(self.now), Time(later(self.now, HOLD))];
        let epoch: Option<i64> = take.query_row(row, |row| row.get(0)).optional()?;
        Ok(epoch.map(|epoch| Tenure { issue: self.issue, epoch }))
    }

    fn bytes(&self) -> usize {
        HOLD_BYTES
    }
}

/// Holds issues for longer, or gives them back.
pub(super) struct Keep {
    pub(super) tenures: Vec<Tenure>,
    pub(super) until: Option<Timestamp>,
}

impl Work for Keep {
    type Answer = Vec<Tenure>;

    fn run(&self, statements: &Statements<'_>) -> Result<Self::Answer, Trouble> {
        let mut kept = Vec::with_capacity(self.tenures.len());
        for tenure in &self.tenures {
            if hold(statements, *tenure, self.until)? {
                kept.push(*tenure);
            }
        }
        Ok(kept)
    }

    fn bytes(&self) -> usize {
        HOLD_BYTES * self.tenures.len()
    }
}

/// Until when something is held for a lease. A lease of nothing has no end either, which a clock that is set back would
/// move into the future.
pub(super) fn until(at: Timestamp, lease: Duration) -> Option<Timestamp> {
    (!lease.is_zero()).then(|| later(at, lease))
}

/// Holds an issue until a time, or gives it back; false when it is in another epoch, or was given back in this one.
pub(super) fn hold(
    statements: &Statements<'_>,
    tenure: Tenure,
    until: Option<Timestamp>,
) -> Result<bool, Trouble> {
    let mut hold = statements.get(
        "UPDATE issues SET held_until = ?3
         WHERE id = ?1 AND epoch = ?2 AND (?3 IS NULL OR held_until IS NOT NULL)",
    )?;
    Ok(hold.execute(params![tenure.issue.0, tenure.epoch, until.map(Time)])? == 1)
}

/// Calls for a look.
pub(super) fn wake(statements: &Statements<'_>, issue: IssueId, at: Timestamp) -> Result<(), Trouble> {
    let mut wake = statements.get(
        "UPDATE issues SET wake_at = min(coalesce(wake_at, ?2), ?2), again = 1
         WHERE id = ?1 AND closed_at IS NULL",
    )?;
    wake.execute(params![issue.0, Time(at)])?;
    Ok(())
}

/// Takes or keeps what only one process does at a time.
pub(super) struct Lease {
    pub(super) name: String,
    pub(super) holder: String,
    pub(super) now: Timestamp,
    pub(super) lease: Duration,
}

impl Work for Lease {
    type Answer = bool;

    fn run(&self, statements: &Statements<'_>) -> Result<bool, Trouble> {
        let mut lease = statements.get(
            "INSERT INTO leases (name, holder, held_until) VALUES (?1, ?2, ?4)
             ON CONFLICT DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
             WHERE holder = ?2 OR held_until <= ?3",
        )?;
        let until = Time(later(self.now, self.lease));
        Ok(lease.execute(params![self.name, self.holder, Time(self.now), until])? == 1)
    }

    fn bytes(&self) -> usize {
        HOLD_BYTES
    }
}

/// Gives back everything that anybody holds.
pub(super) struct Free;

impl Work for Free {
    type Answer = ();

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        // What a closed issue is held for ends by itself; to look for it among all there are takes long.
        let free = "UPDATE issues SET held_until = NULL WHERE closed_at IS NULL AND held_until IS NOT NULL";
        statements.get(free)?.execute([])?;
        statements.get("DELETE FROM leases")?.execute([])?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        HOLD_BYTES
    }
}
