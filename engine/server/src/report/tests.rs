//! A report of a whole story, and of hostile ones.

use selfheal_core::issue::Phase;
use serde_json::json;

use super::*;
use crate::http::tests::support::{House, Plan, firing};

#[actix_web::test]
async fn a_report_tells_everything_in_its_order() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.notify(firing("Delicate", "b").to_string()).await;
    house.notify(firing("Nothing", "c|<img> `x` [y](z)").to_string()).await;
    house.rest().await;
    let cases: [(i64, &[&str]); 3] = [
        (
            1,
            &[
                "# issue-1: Broken at job/a",
                "## Summary",
                "A change was made; the plan names nothing to verify it by",
                "## Timeline",
                "the alert began to fire",
                "**applied**",
                "## Cause, as far as known",
                "Rule `heal`",
                "## What was done",
                "### remediation-1-1",
                "`fake.note` at `fake/a` — **done**",
                "## Verification",
                "The plan names nothing to verify it by.",
                "## Open action items",
                "- [ ] The alert still fires",
            ],
        ),
        (
            2,
            &[
                "Nothing was changed.",
                "is waited for until",
                "would note b",
                "- [ ] Answer the approval that is waited for",
            ],
        ),
        (3, &["no rule is for this alert.", "## Open action items", "- [ ] Write a rule for this alert"]),
    ];
    for (issue, parts) in cases {
        let story = house.engine.journal.story(selfheal_core::issue::IssueId(issue)).await.unwrap().unwrap();
        let report = markdown(&story);
        let mut at = 0;
        for part in parts {
            at += report[at..]
                .find(part)
                .unwrap_or_else(|| panic!("{part:?} is not where it must be:\n{report}"));
        }
    }
    let story = house.engine.journal.story(selfheal_core::issue::IssueId(3)).await.unwrap().unwrap();
    let heading = r"# issue-3: Nothing at job/c\|\<img\> \`x\` \[y\](z)";
    assert_eq!(markdown(&story).lines().next(), Some(heading));
    let answer = house.get("/issues/1/report").await;
    assert_eq!(answer.headers.get("content-type").unwrap(), "text/markdown; charset=utf-8");
    assert!(answer.text.starts_with("# issue-1"), "{}", answer.text);
}

#[actix_web::test]
async fn a_report_has_bounds_whatever_a_story_holds() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    let mut story = house.engine.journal.story(selfheal_core::issue::IssueId(1)).await.unwrap().unwrap();
    let record = story.records[0].clone();
    story.records = vec![Record { summary: "`|\n# heading\n".repeat(10_000), ..record }; 5000];
    story.intents[0].prior = json!({ "a": vec!["x"; 100], "b": { "c": "```\n# heading" } });
    (story.issue.phase, story.issue.why) = (Phase::Closed, "# heading\n".repeat(100));
    let report = markdown(&story);
    assert!(report.len() < 1_000_000, "{}", report.len());
    assert_eq!(report.lines().filter(|line| line.starts_with("# ")).count(), 1);
    assert!(report.contains("… and "), "what is left out is counted");
}

#[actix_web::test]
async fn a_diff_shows_what_changed_and_nothing_else() {
    let house = House::build(Plan::default()).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    let whole = house.engine.journal.story(selfheal_core::issue::IssueId(1)).await.unwrap().unwrap();
    let asked = json!({ "parameter": "maxmemory", "target": "main", "value": "1500000" });
    // The state before, what was asked for, what the adapter said of it, what a person had seen; then the block.
    let cases = [
        (
            json!({ "value": "1200000" }),
            asked.clone(),
            json!(null),
            json!(null),
            "```diff\n  parameter: maxmemory\n  target: main\n- value: 1200000\n+ value: 1500000\n```",
        ),
        (
            json!({ "uid": "u", "values": 2 }),
            json!({ "namespace": "shop", "replicas": 4 }),
            json!({ "from": 2, "to": 4, "uid": "u" }),
            json!(null),
            "```diff\n- fake/a: 2\n+ fake/a: 4\n```",
        ),
        (
            json!({ "values": {} }),
            json!({}),
            json!({ "from": { "cpu": "1", "memory": "1Gi" }, "to": { "cpu": "1", "memory": "2Gi" } }),
            json!(null),
            "```diff\n- memory: 1Gi\n+ memory: 2Gi\n```",
        ),
        (
            json!({ "value": "1200000" }),
            asked,
            json!({ "from": "1200000", "to": "1500000" }),
            json!([{ "what": "maxmemory", "from": "1200000", "to": "1500000" }, { "what": "note", "from": null, "to": "a\nb" }]),
            "```diff\n- maxmemory: 1200000\n+ maxmemory: 1500000\n+ note: a\n+ note: b\n```",
        ),
        (
            json!({ "length": 120_000 }),
            json!({ "key": "celery", "keep": 1000 }),
            json!({ "deleted": 119_000 }),
            json!(null),
            "```text\nasked for:\n  keep: 1000\n  key: celery\nbefore:\n  length: 120000\n```",
        ),
    ];
    for (prior, params, facts, seen, expected) in cases {
        let mut story = whole.clone();
        (story.intents[0].prior, story.intents[0].params) = (prior, params);
        for record in story.records.iter_mut().filter(|record| record.kind == "applied") {
            record.facts["facts"] = facts.clone();
        }
        if seen.is_array() {
            let remediation = &story.remediations[0];
            story.approvals.push(selfheal_runtime::ports::journal::Approval {
                id: "0123".to_owned(),
                issue: story.issue.id,
                rule: remediation.rule.clone(),
                plan: remediation.plan.clone(),
                plan_hash: remediation.plan_hash,
                level: 0,
                why: "it is delicate".to_owned(),
                previews: json!([{ "path": story.intents[0].path, "action": "x", "preview": { "summary": "s", "changes": seen } }]),
                asked_at: remediation.started_at,
                expires_at: remediation.started_at,
                answer: None,
            });
        }
        let report = markdown(&story);
        assert!(report.contains(expected), "{expected}\nis not in\n{report}");
    }
}

#[actix_web::test]
async fn the_summary_says_how_it_stands_and_where_the_runbook_is() {
    let house = House::build(Plan::default()).await;
    let mut body = firing("Broken", "a");
    body["alerts"][0]["annotations"]["runbook_url"] = json!("https://runbooks.example/broken");
    house.notify(body.to_string()).await;
    house.rest().await;
    let mut story = house.engine.journal.story(selfheal_core::issue::IssueId(1)).await.unwrap().unwrap();
    let healed = "it is 0.8; since then skipped: nothing to do";
    for (phase, outcome, why, state, expected) in [
        (
            Phase::Rested,
            Outcome::Recovered,
            healed,
            IntentState::Done,
            "It was healed, and that was verified: it is 0.8",
        ),
        (Phase::Remediating, Outcome::Recovered, healed, IntentState::Done, "A plan is under way.\n"),
        (
            Phase::Rested,
            Outcome::Denied,
            "ann had it rolled back",
            IntentState::Undone,
            "What was done has been taken back: ann had it rolled back.\n",
        ),
        (
            Phase::Rested,
            Outcome::Denied,
            "not now",
            IntentState::Done,
            "Nothing was done: a person refused the plan",
        ),
    ] {
        (story.issue.phase, story.issue.outcome, story.issue.why) = (phase, Some(outcome), why.to_owned());
        story.intents[0].state = state;
        let report = markdown(&story);
        assert!(report.contains(expected), "{outcome}: {report}");
    }
    assert!(markdown(&story).contains("| Runbook | <https://runbooks.example/broken> |"));
}
