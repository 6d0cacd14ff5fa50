//! Counts, rates and times, from episodes that are written down here.

use selfheal_core::issue::IssueId;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW - seconds).unwrap()
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// An issue that fired some time ago, was heard of 10 s later, and resolved after some seconds.
fn episode(id: i64, name: &str, fired: i64, resolved_after: Option<i64>) -> Episode {
    Episode {
        issue: IssueId(id),
        name: name.to_owned(),
        severity: Some("critical".to_owned()),
        rule: Some(format!("rule_of_{name}")),
        priority: None,
        component: None,
        resource: "a".to_owned(),
        starts_at: ago(fired),
        received_at: ago(fired - 10),
        resolved_at: resolved_after.map(|after| ago(fired - after)),
        closed_at: None,
        outcome: None,
        courses: Vec::new(),
    }
}

/// A remediation that began 20 s after the alert fired, had its effect 2 s later and ended after 8 s.
fn course(fired: i64, outcome: Outcome) -> Course {
    Course {
        rule: "r".to_owned(),
        started_at: ago(fired - 20),
        effect_at: Some(ago(fired - 22)),
        ended_at: Some(ago(fired - 28)),
        outcome: Some(outcome),
    }
}

fn statistics(episodes: &[Episode]) -> Value {
    let now = ago(0);
    serde_json::to_value(Statistics::of(Totals::default(), episodes, now)).unwrap()
}

#[test]
fn rates_count_what_succeeded_or_failed() {
    let totals = |remediations: &[(Outcome, u64)], duration_seconds| Totals {
        issues: 147,
        open_issues: 3,
        remediations: remediations.iter().copied().collect(),
        duration_seconds,
    };
    let none = Statistics::of(totals(&[], 0.0), &[], ago(0));
    assert_eq!((none.success_rate, none.average_remediation_seconds), (None, None));
    let counts =
        [(Outcome::Recovered, 100), (Outcome::Applied, 24), (Outcome::Unwound, 18), (Outcome::Subsided, 8)];
    let some = Statistics::of(totals(&counts, 345.0), &[], ago(0));
    assert_eq!(some.total_remediations, 150);
    assert_eq!((some.successful_remediations, some.failed_remediations), (124, 18));
    assert_eq!((some.verified_remediations, some.unverified_remediations), (100, 24));
    assert_eq!(some.success_rate, Some(84.75), "what nobody verified speaks for nothing");
    let unverified = Statistics::of(totals(&[(Outcome::Applied, 69)], 7.0), &[], ago(0));
    assert_eq!((unverified.unverified_remediations, unverified.success_rate), (69, None));
    assert_eq!(some.average_remediation_time, "2.3 seconds");
}

#[test]
fn times_are_told_in_their_parts() {
    let healed =
        Episode { courses: vec![course(HOUR, Outcome::Recovered)], ..episode(1, "a", HOUR, Some(60)) };
    let failed =
        Episode { courses: vec![course(2 * DAY, Outcome::Unwound)], ..episode(2, "b", 2 * DAY, None) };
    let found = statistics(&[healed, failed]);
    let day = &found["windows"]["24h"];
    assert_eq!((&day["issues_detected"], &day["issues_resolved"]), (&json!(1), &json!(1)), "{day}");
    assert_eq!(day["mttr"]["p50_seconds"], 60.0);
    for (part, seconds) in [
        ("detection", 10.0),
        ("decision", 10.0),
        ("effect", 2.0),
        ("verification", 6.0),
        ("resolution", 32.0),
        ("remediation", 8.0),
    ] {
        assert_eq!(day["times"][part]["p99_seconds"], seconds, "{part}: {day}");
    }
    let sum = ["detection", "decision", "effect", "verification", "resolution"]
        .iter()
        .map(|part| day["times"][part]["mean_seconds"].as_f64().unwrap())
        .sum::<f64>();
    assert_eq!(sum, 60.0, "the parts of one alert are its whole");
    let week = &found["windows"]["7d"];
    let remediations = &week["remediations"];
    assert_eq!(remediations["success_rate"], 50.0);
    assert_eq!(remediations["by_outcome"], json!({ "recovered": 1, "unwound": 1 }));
    let names: Vec<&Value> = week["by_rule"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["rule_of_a", "rule_of_b"]);
    assert_eq!(week["by_kind"][1]["remediations"]["success_rate"], 0.0);
    assert_eq!(
        (&week["by_severity"], &week["by_component"]),
        (&json!({ "critical": 2 }), &json!({ "none": 2 }))
    );
    assert_eq!(day["by_rule"].as_array().unwrap().len(), 1, "the other was not of this day");
}

#[test]
fn weeks_are_compared_where_there_are_two() {
    assert_eq!(statistics(&[])["mttr_reduction"], Value::Null);
    let mut episodes: Vec<Episode> = (0..3).map(|id| episode(id, "new", DAY + id, Some(50))).collect();
    let found = statistics(&episodes);
    assert_eq!((&found["mttr_reduction"], &found["uptime_improvement"]), (&Value::Null, &Value::Null));
    // A week in which it took twice as long; one issue of half the week is counted once, though others overlap it.
    episodes.extend((0..3).map(|id| episode(10 + id, "old", 9 * DAY + id, Some(100))));
    let found = statistics(&episodes);
    assert_eq!(found["mttr_reduction"], "-50%");
    episodes.push(episode(20, "long", 14 * DAY, Some(7 * DAY / 2)));
    episodes.push(episode(21, "long", 13 * DAY, Some(DAY)));
    assert_eq!(statistics(&episodes)["uptime_improvement"], "+50.0%");
}
