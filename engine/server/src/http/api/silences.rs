//! Silences at Alertmanager: those that stand, one for an issue's alert, and its end.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::issue::IssueId;
use selfheal_core::span::Span;
use selfheal_runtime::ports::Silence;
use selfheal_runtime::silence;
use serde::{Deserialize, Serialize};

use super::super::answer::Fault;
use super::approvals::checked_reason;
use super::{Answered, Call, ok, schema};

/// A time in which Alertmanager keeps some alerts to itself.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Silence")]
pub(super) struct SilenceView<'a> {
    /// Alertmanager's name for it.
    id: &'a str,
    /// The issue for whose alert it was made here; null for one that was made elsewhere.
    #[schemars(with = "Option<schema::IssueName>")]
    issue_id: Option<String>,
    /// Which alerts.
    matchers: &'a [String],
    from: Timestamp,
    until: Timestamp,
    /// Who made it.
    by: &'a str,
    /// What they said.
    reason: &'a str,
}

impl<'a> SilenceView<'a> {
    pub(super) fn of(issue: Option<IssueId>, silence: &'a Silence) -> Self {
        Self {
            id: &silence.id,
            issue_id: issue.map(|issue| issue.to_string()),
            matchers: &silence.matchers,
            from: silence.from,
            until: silence.until,
            by: &silence.by,
            reason: silence::reason(&silence.comment),
        }
    }
}

/// All that stand, as Alertmanager has them.
pub(super) async fn list(call: Call) -> Answered {
    let silences = call.app.engine.silences().await?;
    ok(&silences.iter().map(|(issue, silence)| SilenceView::of(*issue, silence)).collect::<Vec<_>>())
}

/// For how long an issue's alert is to be kept quiet, from now on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewSilence")]
pub(super) struct NewSilence {
    /// From 1m to 31d: `2h`, `1d12h`.
    #[schemars(with = "String", regex(pattern = "^[0-9]{1,9}(ms|[smhdwy])$"))]
    duration: Span,
    /// Why; it is recorded here, and is in Alertmanager's comment.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    reason: String,
}

pub(super) async fn add(call: Call) -> Answered {
    let id: IssueId = call.named("id")?;
    let new: NewSilence = call.json(r#"{"duration": "2h", "reason": "..."}"#)?;
    let lasts = new.duration.duration();
    if !(silence::LASTS_MIN..=silence::LASTS_MAX).contains(&lasts) {
        let error = format!("duration is {}, expected 1m to 31d", new.duration);
        return Err(Fault::wrong(error).help("give a duration such as 2h"));
    }
    let reason = checked_reason(&new.reason)?;
    let silence = call.app.engine.silence(id, lasts, &call.caller.name, reason).await?;
    ok(&SilenceView::of(Some(id), &silence))
}

/// What was ended.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "EndedSilence")]
pub(super) struct Ended<'a> {
    #[schemars(with = "schema::IssueName")]
    issue_id: String,
    /// The silences that stood until now; none where they were over already.
    ended: Vec<SilenceView<'a>>,
    by: &'a str,
}

pub(super) async fn end(call: Call) -> Answered {
    let id: IssueId = call.named("id")?;
    let ended = call.app.engine.end_silence(id, &call.caller.name).await?;
    let ended = ended.iter().map(|silence| SilenceView::of(Some(id), silence)).collect();
    ok(&Ended { issue_id: id.to_string(), ended, by: &call.caller.name })
}
