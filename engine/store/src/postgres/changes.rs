//! What a transaction of the runtime changes: every [`Write`] as a statement, with what must hold of its answer.

use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::remediation::{IntentId, IntentState};
use selfheal_runtime::ports::journal::{Answer as Answered, Record, Tenure, Write};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};

use super::columns::{Columns as _, micros, text};
use super::connection::{Connection, Sql, sql};
use super::fault::Trouble;
use super::{holds, movement};
use crate::counted::counted_by;
use crate::nested::Nested;

/// A statement, and what it is when it changed nothing.
pub(super) struct Change<'a> {
    pub(super) sql: Sql<'a>,
    pub(super) unless: Option<Unless<'a>>,
}

/// What stands in the way when a statement that must change a row did not.
pub(super) enum Unless<'a> {
    /// It is said without looking.
    Said(String),
    /// The issue is in another epoch.
    Taken(Tenure),
    /// The issue is in another phase, or is not there.
    Phase(IssueId, Event),
    /// The intent is in another state, or is not there.
    State(IntentId, IntentState),
    /// The approval is answered, expired, for another plan, or is not there.
    Answer(&'a str, &'a Answered, String),
}

fn must<'a>(sql: Sql<'a>, unless: Unless<'a>) -> Change<'a> {
    Change { sql, unless: Some(unless) }
}

fn may(sql: Sql<'_>) -> Change<'_> {
    Change { sql, unless: None }
}

fn there(sql: Sql<'_>, issue: IssueId) -> Change<'_> {
    must(sql, Unless::Said(format!("there is no {issue}")))
}

/// A write as a statement; none for a record, for those are added together ([`add_records`]). `writer` is whose rows of the
/// counts are counted up.
pub(super) fn change<'a>(
    write: &'a Write,
    nested: &'a Nested,
    writer: i64,
) -> Result<Option<Change<'a>>, Trouble> {
    let [first, second, third] = nested;
    Ok(Some(match write {
        Write::Move { issue, event, wake_at, outcome, why, at } => must(
            sql!(
                movement::statement_of(*event),
                issue.0,
                wake_at.map(micros),
                outcome.map(Outcome::name),
                text(why),
                micros(*at)
            ),
            Unless::Phase(*issue, *event),
        ),
        Write::Hold { tenure, lease, .. } => must(holds::hold(*tenure, *lease), Unless::Taken(*tenure)),
        Write::Wake { issue, at } => may(holds::wake(*issue, *at)),
        Write::AssignRule { issue, rule, priority, component } => there(
            sql!(
                "UPDATE issues SET rule = $2, priority = $3, component = $4 WHERE id = $1",
                issue.0,
                text(rule),
                priority.name(),
                component.name()
            ),
            *issue,
        ),
        Write::SetLevel { issue, level, at } => there(
            sql!(
                "UPDATE issues SET level = $2, level_since = $3 WHERE id = $1",
                issue.0,
                i64::from(*level),
                micros(*at)
            ),
            *issue,
        ),
        Write::Record(_) => return Ok(None),
        Write::Begin(remediation) => {
            let id = remediation.id;
            let insert = sql!(
                "INSERT INTO remediations (issue, ordinal, started_at, ended_at, generation, level, outcome, rule, why,
                     approved_by, trace, plan_hash, claim, plan)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
                id.issue.0,
                i64::from(id.ordinal),
                micros(remediation.started_at),
                remediation.ended_at.map(micros),
                remediation.generation.cast_signed(),
                i64::from(remediation.level),
                remediation.outcome.map(Outcome::name),
                text(&remediation.rule),
                text(&remediation.why),
                remediation.approved_by.as_deref().map(text),
                text(&remediation.trace),
                remediation.plan_hash.to_string(),
                first,
                second,
            );
            let why = format!("{id} exists, or another remediation of {} is running", id.issue);
            must(insert, Unless::Said(why))
        }
        // A clock that was set back makes no negative duration.
        Write::End { id, outcome, why, at } => must(
            sql!(
                "WITH ended AS (
                     UPDATE remediations SET ended_at = $3, outcome = $4, why = $5
                     WHERE issue = $1 AND ordinal = $2 AND ended_at IS NULL
                     RETURNING greatest(ended_at - started_at, 0) AS took)
                 INSERT INTO totals AS t (outcome, writer, remediations, duration_micros)
                 SELECT $4, $6, 1, took FROM ended
                 ON CONFLICT (outcome, writer) DO UPDATE SET remediations = t.remediations + 1,
                     duration_micros = t.duration_micros + excluded.duration_micros",
                id.issue.0,
                i64::from(id.ordinal),
                micros(*at),
                outcome.name(),
                text(why),
                writer,
            ),
            Unless::Said(format!("{id} is not running")),
        ),
        Write::Intend(intent) => must(
            sql!(
                "INSERT INTO intents (issue, ordinal, try_number, intended_at, applied_at, changed_at, revert_at, state,
                     id, path, action, target, said, params, prior, before)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
                 ON CONFLICT DO NOTHING",
                intent.remediation.issue.0,
                i64::from(intent.remediation.ordinal),
                i64::from(intent.try_number),
                micros(intent.intended_at),
                intent.applied_at.map(micros),
                micros(intent.changed_at),
                intent.revert_at.map(micros),
                intent.state.name(),
                intent.id.to_string(),
                text(&intent.path),
                text(&intent.action),
                text(&intent.target),
                text(&intent.said),
                first,
                second,
                third,
            ),
            Unless::Said(format!("intent {} exists", intent.id)),
        ),
        Write::MoveIntent { id, from, to, said, at, revert_at } => {
            if !from.may_become(*to) {
                return Err(Trouble::conflict(format!("an intent that is {from} cannot become {to}")));
            }
            let applied_at = (*to == IntentState::Applied).then(|| micros(*at));
            must(
                sql!(
                    "UPDATE intents SET state = $3, said = $4, changed_at = $5, applied_at = coalesce($6, applied_at),
                         revert_at = $7
                     WHERE id = $1 AND state = $2",
                    id.to_string(),
                    from.name(),
                    to.name(),
                    text(said),
                    micros(*at),
                    applied_at,
                    revert_at.map(micros),
                ),
                Unless::State(*id, *from),
            )
        }
        Write::Ask(approval) => must(
            sql!(
                "INSERT INTO approvals (id, issue, level, asked_at, expires_at, rule, why, plan_hash, plan, previews,
                     answer)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
                text(&approval.id),
                approval.issue.0,
                i64::from(approval.level),
                micros(approval.asked_at),
                micros(approval.expires_at),
                text(&approval.rule),
                text(&approval.why),
                approval.plan_hash.to_string(),
                first,
                second,
                approval.answer.is_some().then_some(third),
            ),
            Unless::Said(format!("approval {} exists", approval.id)),
        ),
        Write::Answer { id, plan_hash, answer } => {
            let hash = plan_hash.to_string();
            must(
                sql!(
                    "UPDATE approvals SET answer = $2
                     WHERE id = $1 AND answer IS NULL AND plan_hash = $3 AND (NOT $4 OR expires_at > $5)",
                    text(id),
                    first,
                    hash.clone(),
                    answer.granted,
                    micros(answer.at),
                ),
                Unless::Answer(id, answer, hash),
            )
        }
        Write::CountFailure { rule, resource, at } => may(sql!(
            "INSERT INTO failures AS f (rule, resource, at, tries) VALUES ($1, $2, $3, 1)
             ON CONFLICT (rule, resource, at) DO UPDATE SET tries = f.tries + 1",
            text(rule),
            text(&counted_by(resource)).into_owned(),
            micros(*at),
        )),
        Write::CountResult { rule, action, success } => may(sql!(
            "INSERT INTO successes AS s (rule, action, writer, successes, failures) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (rule, action, writer) DO UPDATE SET successes = s.successes + excluded.successes,
                 failures = s.failures + excluded.failures",
            text(rule),
            text(action),
            writer,
            i64::from(*success),
            i64::from(!*success),
        )),
        Write::Notify(notice) => may(sql!(
            "INSERT INTO outbox (next_at, sink, subject, news) VALUES ($1, $2, $3, $4)",
            micros(notice.at),
            text(&notice.sink),
            notice.subject().map(|issue| issue.0),
            first,
        )),
        Write::Set { key, .. } => may(sql!(
            "INSERT INTO settings (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            text(key),
            first,
        )),
    }))
}

/// The records among writes, with their facts.
pub(super) fn records(writes: &[(Write, Nested)]) -> impl Iterator<Item = (&Record, &str)> {
    writes.iter().filter_map(|(write, [facts, ..])| match write {
        Write::Record(record) => Some((record, facts.as_str())),
        _ => None,
    })
}

/// Adds facts to stories, if there are any.
pub(super) fn add_records<'a>(records: impl IntoIterator<Item = (&'a Record, &'a str)>) -> Option<Sql<'a>> {
    let records: Vec<_> = records.into_iter().collect();
    let each = || records.iter().map(|(record, _)| *record);
    let issue = |record: &Record| record.issue.or(record.remediation.map(|remediation| remediation.issue));
    (!records.is_empty()).then(|| {
        sql!(
            "INSERT INTO records (issue, ordinal, at, kind, actor, summary, facts)
             SELECT issue, ordinal, at, kind, actor, summary, facts
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
                 WITH ORDINALITY AS r (issue, ordinal, at, kind, actor, summary, facts, place)
             ORDER BY place",
            each().map(|record| issue(record).map(|issue| issue.0)).collect::<Vec<_>>(),
            each()
                .map(|record| record.remediation.map(|remediation| i64::from(remediation.ordinal)))
                .collect::<Vec<_>>(),
            each().map(|record| micros(record.at)).collect::<Vec<_>>(),
            each().map(|record| text(&record.kind)).collect::<Vec<_>>(),
            each().map(|record| text(&record.actor)).collect::<Vec<_>>(),
            each().map(|record| text(&record.summary)).collect::<Vec<_>>(),
            records
                .iter()
                .map(|(record, facts)| (!record.facts.is_null()).then_some(*facts))
                .collect::<Vec<_>>(),
        )
    })
}

impl Unless<'_> {
    /// Says what stands in the way.
    pub(super) async fn explain(&self, connection: &mut Connection) -> Result<Trouble, Trouble> {
        Ok(Trouble::conflict(match self {
            Self::Taken(Tenure { issue, epoch }) => {
                let what = format!("{issue} is not in epoch {epoch} any more: somebody else has taken it");
                return Ok(Trouble::Refused(JournalFault { kind: JournalFaultKind::Fenced, what }));
            }
            Self::Said(why) => why.clone(),
            Self::Phase(issue, event) => {
                let rows = connection.rows(sql!("SELECT phase FROM issues WHERE id = $1", issue.0)).await?;
                match rows.first() {
                    Some(row) => {
                        format!(
                            "{issue} is {}, from where {event:?} leads nowhere now",
                            row.value::<&str>("phase")?
                        )
                    }
                    None => format!("there is no {issue}"),
                }
            }
            Self::State(id, from) => {
                let find = sql!("SELECT state FROM intents WHERE id = $1", id.to_string());
                match connection.rows(find).await?.first() {
                    Some(row) => format!("intent {id} is {} and not {from}", row.value::<&str>("state")?),
                    None => format!("there is no intent {id}"),
                }
            }
            Self::Answer(id, answer, hash) => {
                let find =
                    sql!("SELECT plan_hash, expires_at, answer FROM approvals WHERE id = $1", text(id));
                match connection.rows(find).await?.first() {
                    None => format!("there is no approval {id}"),
                    Some(row) => {
                        let (first, asked) =
                            (row.maybe_json::<Answered>("answer")?, row.value::<&str>("plan_hash")?);
                        let short = |hash: &str| hash.chars().take(12).collect::<String>();
                        match first {
                            Some(first) => {
                                let said = if first.granted { "granted" } else { "denied" };
                                format!("approval {id} was {said} by {} at {}", first.by, first.at)
                            }
                            None if asked != hash => {
                                format!(
                                    "approval {id} is for plan {}, not for plan {}",
                                    short(asked),
                                    short(hash)
                                )
                            }
                            None => format!(
                                "approval {id} expired at {}, before {}",
                                row.time("expires_at")?,
                                answer.at
                            ),
                        }
                    }
                }
            }
        }))
    }
}
