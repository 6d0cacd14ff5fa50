//! `/issues`: the list, and one with its whole story.

use actix_web::http::header;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_runtime::ports::journal::IssueFilter;
use serde_json::json;

use super::super::answer::Fault;
use super::issue::IssueView;
use super::query::Query;
use super::remediations::RemediationView;
use super::{Answered, Call, PREFIX, approvals, ok, story};

/// Issues, newest first. Where there may be more, a `Link` header leads to them.
pub(super) async fn list(call: Call) -> Answered {
    let known = ["limit", "open", "phase", "outcome", "rule", "before"];
    let query = Query::read(call.request.query_string(), &known)?;
    let filter = IssueFilter {
        open: query.flag("open")?,
        phase: query.one_of("phase", Phase::NAMES)?,
        outcome: query.one_of("outcome", Outcome::NAMES)?,
        rule: query.parsed("rule", "a rule's name")?,
        before: query.parsed("before", "an issue such as issue-17")?,
        limit: query.limit(100, 1..=1000)?,
        ..IssueFilter::default()
    };
    let most = filter.limit as usize;
    let issues = call.app.engine.journal.issues(filter).await?;
    let views: Vec<IssueView<'_>> = issues.iter().map(IssueView::of).collect();
    let mut response = ok(&views)?;
    if let Some(last) = issues.last().filter(|_| issues.len() == most) {
        let link = query.next(&format!("{PREFIX}/issues"), &last.id.to_string());
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// One issue: what it is, its story from receipt to outcome, and everything that the story speaks of.
pub(super) async fn one(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    let id: IssueId = call.part("id").parse().map_err(Fault::wrong)?;
    let story = call.app.engine.journal.story(id).await?.ok_or_else(|| missing(id))?;
    let now = call.app.engine.clock.now();
    let remediations: Vec<RemediationView<'_>> = story
        .remediations
        .iter()
        .map(|remediation| {
            let intents = story.intents.iter().filter(|intent| intent.remediation == remediation.id);
            RemediationView::of(remediation).with_intents(intents.collect())
        })
        .collect();
    let approvals: Vec<_> =
        story.approvals.iter().map(|approval| approvals::ApprovalView::of(approval, now)).collect();
    ok(&json!({
        "issue": IssueView::of(&story.issue),
        "story": story::tell(&story),
        "remediations": remediations,
        "intents": story.intents,
        "approvals": approvals,
    }))
}

fn missing(id: IssueId) -> Fault {
    Fault::missing(format!("there is no {id}")).help("GET /api/self-healing/issues lists them")
}
