//! `/issues`: the list with its filters, and one with its whole story.

use std::cmp::Reverse;

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::health::Gravity;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::rule::Component;
use selfheal_runtime::ports::journal::{Intent, Issue, IssueFilter, Record};
use selfheal_runtime::silence;
use serde::Serialize;

use super::super::answer::Fault;
use super::approvals::ApprovalView;
use super::issue::IssueView;
use super::query::{Kind, Parameter, names};
use super::remediations::{RemediationView, is_issue};
use super::silences::SilenceView;
use super::story::{self, Entry};
use super::{Answered, Call, ok, page, people, schema};

pub(super) const FILTERS: &[Parameter] = &[
    Parameter::new("limit", Kind::Number(1..=1000), "At most this many; 100 unless given."),
    Parameter::new("cursor", Kind::Cursor, "Goes on where an earlier page ended."),
    Parameter::new(
        "before",
        Kind::Name("^(issue-)?[1-9][0-9]{0,17}$", "issue-17", is_issue),
        "Only those before this one.",
    ),
    Parameter::new("open", Kind::Flag, "Only open ones, or only closed ones."),
    Parameter::new("phase", Kind::OneOf(|| names(Phase::NAMES)), "Only those in this phase."),
    Parameter::new("outcome", Kind::OneOf(|| names(Outcome::NAMES)), "Only those with this outcome."),
    Parameter::new("rule", Kind::Text, "Only those that this rule treats."),
    Parameter::new(
        "severity",
        Kind::Text,
        "Only those that are as bad as this word says: `critical`, `high`, `medium`, `low` or one that is usual for it, such \
         as `warning` for medium. Of any other word, only those whose alert has it as its `severity` label.",
    ),
    Parameter::new("namespace", Kind::Text, "Only those whose alert has this `namespace` label."),
    Parameter::new("resource", Kind::Text, "Only those whose resource holds this text."),
    Parameter::new(
        "component",
        Kind::OneOf(|| names(Component::NAMES)),
        "Only those that weigh on this component.",
    ),
    Parameter::new(
        "text",
        Kind::Text,
        "Only those whose rule, resource, reason, labels or annotations hold this text.",
    ),
    Parameter::new("since", Kind::Time, "Only those received then or later."),
    Parameter::new("until", Kind::Time, "Only those received before."),
    Parameter::new(
        "sort",
        Kind::OneOf(|| SORTS.to_vec()),
        "`newest` first, unless given; or `urgency`: first those that need a person, that wait for an approval, that are under \
         remediation, then by what they cost the health score. That is of the newest 1000, and has no further page.",
    ),
];

const SORTS: &[&str] = &["newest", "urgency"];
/// Of so many the most urgent are chosen.
const SORTED_MAX: u32 = 1000;

/// What a person should look at first has the least.
fn urgency(issue: &Issue) -> (u8, Reverse<u32>) {
    let step = match (issue.phase, issue.outcome) {
        (Phase::Closed, _) => 4,
        (_, Some(outcome)) if outcome.needs_person() => 0,
        (Phase::AwaitingApproval, _) => 1,
        (Phase::Remediating, _) => 2,
        _ => 3,
    };
    let gravity = Gravity::of(issue.alert.labels.get("severity"), issue.priority);
    (step, Reverse(gravity.points()))
}

/// Issues, newest first or as asked. Where there may be more, a `Link` header leads to them.
pub(super) async fn list(call: Call) -> Answered {
    let query = &call.query;
    let by_urgency = query.text("sort") == Some("urgency");
    let limit = query.value("limit").unwrap_or(100);
    // By the same measure as statistics and the score, where the word has one.
    let gravity = query.text("severity").and_then(Gravity::named);
    let filter = IssueFilter {
        open: query.value("open"),
        phase: query.value("phase"),
        outcome: query.value("outcome"),
        rule: query.value("rule"),
        fingerprint: None,
        among: Vec::new(),
        severity: query.value("severity").filter(|_| gravity.is_none()),
        gravity,
        namespace: query.value("namespace"),
        resource: query.value("resource"),
        component: query.value("component"),
        text: query.value("text"),
        since: query.value("since"),
        until: query.value("until"),
        before: query.cursor()?.or_else(|| query.value("before")),
        limit: if by_urgency { SORTED_MAX } else { limit },
    };
    let most = limit as usize;
    let engine = &call.app.engine;
    let mut issues = engine.journal.issues(filter).await?;
    if by_urgency {
        // Stable: what is as urgent stays in its order.
        issues.sort_by_key(urgency);
        issues.truncate(most);
    }
    let views: Vec<IssueView<'_>> = issues.iter().map(|issue| IssueView::of(issue, engine)).collect();
    let last = issues.last().filter(|_| issues.len() == most && !by_urgency);
    page(&call, &views, last.map(|last| last.id.to_string()))
}

/// One issue: what it is, its story from receipt to outcome, and everything that the story speaks of.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Story")]
pub(super) struct StoryView<'a> {
    issue: IssueView<'a>,
    /// Who has taken it in hand, if somebody has.
    acknowledged: Option<Acknowledgement<'a>>,
    /// The silence that was made for it here, if it has neither been ended here nor by its time.
    silence: Option<SilenceView<'a>>,
    story: Vec<Entry<'a>>,
    remediations: Vec<RemediationView<'a>>,
    #[schemars(with = "Vec<schema::Intent>")]
    intents: &'a [Intent],
    approvals: Vec<ApprovalView<'a>>,
}

#[derive(JsonSchema, Serialize)]
pub(super) struct Acknowledgement<'a> {
    by: &'a str,
    at: Timestamp,
    /// What they said.
    why: &'a str,
}

impl<'a> Acknowledgement<'a> {
    /// The latest one in a story.
    pub(super) fn of(records: &'a [Record]) -> Option<Self> {
        let record = records.iter().rev().find(|record| record.kind == people::ACKNOWLEDGED)?;
        Some(Self { by: &record.actor, at: record.at, why: &record.summary })
    }
}

pub(super) async fn one(call: Call) -> Answered {
    let id: IssueId = call.named("id")?;
    let story = call.app.engine.journal.story(id).await?.ok_or_else(|| missing(id))?;
    let now = call.app.engine.clock.now();
    let silence = silence::told(&story.records).filter(|silence| now < silence.until);
    let remediations = story.remediations.iter().map(|remediation| {
        let intents = story.intents.iter().filter(|intent| intent.remediation == remediation.id);
        RemediationView::of(remediation, Some(&story.issue)).with_intents(intents.collect())
    });
    ok(&StoryView {
        issue: IssueView::of(&story.issue, &call.app.engine),
        acknowledged: Acknowledgement::of(&story.records),
        silence: silence.as_ref().map(|silence| SilenceView::of(Some(id), silence)),
        story: story::tell(&story),
        remediations: remediations.collect(),
        intents: &story.intents,
        approvals: story
            .approvals
            .iter()
            .map(|approval| ApprovalView::of(approval, Some(&story.issue), now))
            .collect(),
    })
}

pub(super) fn missing(id: IssueId) -> Fault {
    Fault::missing(format!("there is no {id}")).help("GET /api/self-healing/issues lists them")
}
