//! Silences: a person keeps an issue's alert quiet at its source, Alertmanager, for a time, and ends that again.
//!
//! While a silence stands, the alert sends no notifications, to nobody, and selfheal does nothing about it (guard
//! `maintenance`). What is asked of the source is recorded before and after. The issue and its trace are in the
//! silence's comment: by them it is found again, so that asking twice makes one silence, and a crash in between is mended by
//! asking once more.

use std::time::Duration;

use selfheal_core::issue::{IssueId, Phase};
use selfheal_core::moment::later;
use serde_json::{Value, json};

use crate::by_hand::{HandFault, conflict};
use crate::engine::Engine;
use crate::news;
use crate::ports::journal::{Issue, Record, Write};
use crate::ports::{AlertSource, NewSilence, Silence};

/// The shortest and the longest silence, so that a forgotten one ends.
pub const LASTS_MIN: Duration = Duration::from_secs(60);
/// See [`LASTS_MIN`].
pub const LASTS_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// The kind of the record that a silence stands; its facts are the [`Silence`].
pub const SILENCED: &str = "silenced";
/// The kind of the record that a person has ended it.
const UNSILENCED: &str = "unsilenced";
/// The kinds of the records before: what is about to be asked of the source, and that it did not answer well.
const SILENCING: &str = "silencing";
const UNSILENCING: &str = "unsilencing";
const FAILED: &str = "silence_failed";

impl Engine {
    /// What keeps an open issue's alert quiet at its source, as the last look there found it.
    pub fn suppressed(&self, issue: &Issue) -> Option<String> {
        (issue.phase != Phase::Closed).then(|| self.reconciler.suppressed(issue.fingerprint)).flatten()
    }

    /// Whether alerts can be silenced: a source of them is configured.
    pub fn can_silence(&self) -> bool {
        self.source.is_some()
    }

    /// All silences that stand at the source, whoever made them, each with the issue for which it was made here. Without a
    /// source there are none.
    ///
    /// # Errors
    /// The source cannot be asked.
    pub async fn silences(&self) -> Result<Vec<(Option<IssueId>, Silence)>, HandFault> {
        let Some(source) = &self.source else { return Ok(Vec::new()) };
        let silences = source.silences().await?;
        let of = |silence: &Silence| mark_of(&silence.comment)?.0.parse::<IssueId>().ok();
        Ok(silences.into_iter().map(|silence| (of(&silence), silence)).collect())
    }

    /// Keeps an issue's alert quiet from now on, for a time within [`LASTS_MIN`] and [`LASTS_MAX`]. One that a person has silenced here before gets this end.
    ///
    /// # Errors
    /// There is no such issue; it is closed, or its alert is not the source's; no source is configured, or it does not do it;
    /// or the journal cannot be written.
    pub async fn silence(
        &self,
        id: IssueId,
        lasts: Duration,
        by: &str,
        reason: &str,
    ) -> Result<Silence, HandFault> {
        let source = self.quietable()?;
        let issue = self.journal.issue(id).await?.ok_or_else(|| HandFault::Missing(id.to_string()))?;
        self.may_be_silenced(&issue)?;
        let from = self.clock.now();
        let until = later(from, lasts.clamp(LASTS_MIN, LASTS_MAX));
        let about = format!("until {until:.0}: {reason}");
        let before =
            self.record(id, by, SILENCING, format!("asks to silence the alert {about}"), Value::Null);
        self.journal.commit(vec![before]).await?;
        let made = async {
            let standing = own(source, &issue).await?.into_iter().next();
            let silence = NewSilence {
                // Its beginning stays: a source would rather make another one than move that.
                from: standing.as_ref().map_or(from, |standing| standing.from),
                instead_of: standing.map(|standing| standing.id),
                labels: issue.alert.labels.clone(),
                by: by.to_owned(),
                comment: format!("{}{reason}", mark(&issue)),
                until,
            };
            let matchers = silence.matchers();
            let NewSilence { by, comment, from, until, .. } = silence.clone();
            let id = source.silence(silence).await?;
            Ok(Silence { id, matchers, by, comment, from, until })
        };
        let silence = match made.await {
            Ok(silence) => silence,
            Err(fault) => return Err(self.not_done(id, by, fault).await),
        };
        let facts = serde_json::to_value(&silence).unwrap_or_default();
        let mut writes =
            vec![self.record(id, by, SILENCED, format!("silence {} stands {about}", silence.id), facts)];
        writes.extend(news::silenced(
            self,
            &issue,
            &format!("{by} has silenced it until {until:.0}"),
            reason,
        ));
        self.journal.commit(writes).await?;
        self.reconciler.suppress(issue.fingerprint, Some(format!("silence {}", silence.id)));
        Ok(silence)
    }

    /// Ends the silences that were made here for an issue, and gives them; what is not there any more is nothing to end.
    /// The issue is looked at.
    ///
    /// # Errors
    /// There is no such issue; no source is configured, or it does not do it; or the journal cannot be written.
    pub async fn end_silence(&self, id: IssueId, by: &str) -> Result<Vec<Silence>, HandFault> {
        let source = self.quietable()?;
        let story = self.journal.story(id).await?.ok_or_else(|| HandFault::Missing(id.to_string()))?;
        let issue = story.issue;
        let standing = own(source, &issue).await?;
        if standing.is_empty() && told(&story.records).is_none() {
            return Ok(standing);
        }
        let before = "asks to end the silence of the alert".to_owned();
        self.journal.commit(vec![self.record(id, by, UNSILENCING, before, Value::Null)]).await?;
        for silence in &standing {
            if let Err(fault) = source.expire(&silence.id).await {
                return Err(self.not_done(id, by, fault.into()).await);
            }
        }
        let ended: Vec<&str> = standing.iter().map(|silence| silence.id.as_str()).collect();
        let summary = match ended.as_slice() {
            [] => "the silence was over already".to_owned(),
            ended => format!("ended silence {}", ended.join(", ")),
        };
        let mut writes = vec![self.record(id, by, UNSILENCED, summary, json!({ "ended": ended }))];
        writes.extend(news::silenced(self, &issue, &format!("{by} has ended its silence"), ""));
        self.journal.commit(writes).await?;
        self.reconciler.suppress(issue.fingerprint, None);
        self.call([id]).await?;
        Ok(standing)
    }

    /// Where alerts are kept quiet.
    fn quietable(&self) -> Result<&dyn AlertSource, HandFault> {
        let missing = || {
            conflict(
                "no Alertmanager is configured to ask for silences",
                "set alertmanager.urls; or add a maintenance window, which needs none",
            )
        };
        self.source.as_deref().ok_or_else(missing)
    }

    fn may_be_silenced(&self, issue: &Issue) -> Result<(), HandFault> {
        let id = issue.id;
        if issue.phase == Phase::Closed {
            return Err(conflict(format!("{id} is closed"), "there is nothing left to silence"));
        }
        match self.raised_here(&issue.alert) {
            None => Ok(()),
            Some(name) => Err(conflict(
                format!("the alert of {id} was raised by {name}, and Alertmanager does not know it"),
                "add a maintenance window in place of a silence",
            )),
        }
    }

    /// Records that the source did not do it, as well as that can be told.
    async fn not_done(&self, id: IssueId, by: &str, fault: HandFault) -> HandFault {
        let record = self.record(id, by, FAILED, fault.to_string(), Value::Null);
        if let Err(unwritten) = self.journal.commit(vec![record]).await {
            tracing::warn!(issue = %id, fault = %unwritten, "it cannot be recorded that a silence failed");
        }
        fault
    }

    fn record(&self, issue: IssueId, by: &str, kind: &str, summary: String, facts: Value) -> Write {
        let (at, kind, actor) = (self.clock.now(), kind.to_owned(), by.to_owned());
        Write::Record(Record { issue: Some(issue), remediation: None, at, kind, actor, summary, facts })
    }
}

/// The silence that an issue's records tell of, unless a person has ended it here. Its time may be over.
pub fn told(records: &[Record]) -> Option<Silence> {
    let last = records.iter().rev().find(|record| [SILENCED, UNSILENCED].contains(&record.kind.as_str()))?;
    // The facts of an ended one are no silence.
    serde_json::from_value(last.facts.clone()).ok()
}

/// What a person said about a silence, without the mark by which it is found.
pub fn reason(comment: &str) -> &str {
    mark_of(comment).map_or(comment, |(_, reason)| reason)
}

/// What the comment of an issue's silences begins with. Issues are numbered anew with a new journal; traces differ.
fn mark(issue: &Issue) -> String {
    format!("{} (selfheal, trace {}): ", issue.id, issue.trace)
}

/// The issue in a comment's mark, and what follows it.
fn mark_of(comment: &str) -> Option<(&str, &str)> {
    let (issue, rest) = comment.split_once(" (selfheal, trace ")?;
    let (_, reason) = rest.split_once("): ")?;
    Some((issue, reason))
}

/// The silences that were made for an issue.
async fn own(source: &dyn AlertSource, issue: &Issue) -> Result<Vec<Silence>, HandFault> {
    let mark = mark(issue);
    let mut silences = source.silences().await?;
    silences.retain(|silence| silence.comment.starts_with(&mark));
    Ok(silences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_its_issue() {
        let cases = [
            (
                "issue-17 (selfheal, trace 4bf9): known: fixed tomorrow",
                Some("issue-17"),
                "known: fixed tomorrow",
            ),
            ("issue-17 (selfheal, trace 4bf9): ", Some("issue-17"), ""),
            ("a release (selfheal, it is said)", None, "a release (selfheal, it is said)"),
            ("", None, ""),
        ];
        for (comment, issue, said) in cases {
            assert_eq!(
                (mark_of(comment).map(|(issue, _)| issue), reason(comment)),
                (issue, said),
                "{comment}"
            );
        }
    }
}
