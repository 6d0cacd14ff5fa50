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
