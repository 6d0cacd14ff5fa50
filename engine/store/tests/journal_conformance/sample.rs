//! Values for the cases. All times are whole seconds from a fixed start.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::labels::Labels;
use selfheal_core::plan::{ActionCall, Plan, Step, StepOptions};
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_core::rule::{Component, Priority};
use selfheal_runtime::ports::journal::{
    Approval, Intent, Issue, NewReceipt, Opening, Progress, ReceiptId, Record, Remediation, Sighted,
    Sighting, Write,
};
use selfheal_runtime::ports::{Claim, Journal, JournalFault, JournalFaultKind, News, NewsKind};
use serde_json::{Value, json};

/// Some seconds after the start of every case.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// An alert of the given name, that started at a time and, if so, ended at another.
pub fn alert(name: &str, starts: i64, ends: Option<i64>) -> Alert {
    let labels: Labels = [("alertname", name), ("severity", "critical")].into_iter().collect();
    Alert {
        status: if ends.is_some() { AlertStatus::Resolved } else { AlertStatus::Firing },
        annotations: [("summary", "it's \"bad\"\n")].into_iter().collect(),
        starts_at: at(starts),
        ends_at: ends.map(at),
        generator_url: "http://prometheus:9090/graph".into(),
        heard_by: None,
        fingerprint: labels.fingerprint(),
        labels,
    }
}

pub fn receipt(seconds: i64) -> NewReceipt {
    let trace = format!("{seconds:032x}");
    NewReceipt {
        received_at: at(seconds),
        source: "alertmanager",
        trace,
        body: vec![0, 1, 255, seconds as u8],
    }
}

pub fn sighting(alert: Alert, received: i64) -> Sighting {
    let opening = Opening {
        rule: Some("connections".to_owned()),
        priority: Some(Priority::Critical),
        component: Some(Component::Database),
        resource: format!("resource of {}", alert.name()),
        wake_at: Some(at(received)),
        outcome: None,
        told: Vec::new(),
    };
    Sighting {
        received_at: at(received),
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        alert,
        opening,
        take_at: None,
    }
}

pub fn finished(receipt: ReceiptId, expanded: u32) -> Progress {
    Progress { receipt, expanded, finished: true }
}

/// Receives and expands one alert.
pub async fn see(journal: &dyn Journal, alert: Alert, received: i64) -> Sighted {
    let id = journal.receive(receipt(received)).await.unwrap();
    let answers = journal.expand([sighting(alert, received)].into(), vec![finished(id, 1)]).await.unwrap();
    let [answer] = <[Sighted; 1]>::try_from(answers).unwrap();
    answer
}

/// Opens an issue for an alert of the given name.
pub async fn opened(journal: &dyn Journal, name: &str) -> IssueId {
    match see(journal, alert(name, 0, None), 1).await {
        Sighted::Opened(issue) => issue,
        other => panic!("{name}: {other:?}"),
    }
}

/// Resolves the alert of the issue that was opened by this name.
pub async fn resolved(journal: &dyn Journal, name: &str) {
    let answer = see(journal, alert(name, 0, Some(5)), 6).await;
    assert!(matches!(answer, Sighted::Resolved(_)), "{name}: {answer:?}");
}

pub async fn issue(journal: &dyn Journal, id: IssueId) -> Issue {
    journal.issue(id).await.unwrap().unwrap()
}

pub fn step(issue: IssueId, event: Event) -> Write {
    Write::Move { issue, event, wake_at: None, outcome: None, why: format!("{event:?}"), at: at(100) }
}

pub fn rest(issue: IssueId, outcome: Outcome) -> Write {
    Write::Move {
        issue,
        event: Event::Rest,
        wake_at: None,
        outcome: Some(outcome),
        why: outcome.to_string(),
        at: at(100),
    }
}

pub fn record(issue: Option<IssueId>, kind: &str, facts: Value) -> Record {
    Record {
        issue,
        remediation: None,
        at: at(7),
        kind: kind.to_owned(),
        actor: "ann".to_owned(),
        summary: format!("{kind} it"),
        facts,
    }
}

pub fn plan() -> Plan {
    let params = json!({ "idle": "10m", "database": "o'brien" });
    Plan::Step(Box::new(Step {
        path: "0".to_owned(),
        action: ActionCall {
            adapter: "pg".to_owned(),
            action: "terminate_idle".to_owned(),
            params: params.as_object().unwrap().clone(),
        },
        options: StepOptions::default(),
        line: Some(12),
    }))
}

pub fn hash(text: &str) -> ContentHash {
    ContentHash::of_parts([text.as_bytes()])
}

pub fn remediation_id(issue: IssueId, ordinal: u32) -> RemediationId {
    RemediationId { issue, ordinal }
}

pub fn remediation(id: RemediationId, started: i64) -> Remediation {
    Remediation {
        id,
        rule: "connections".to_owned(),
        generation: u64::MAX,
        level: 1,
        plan: plan(),
        plan_hash: hash("plan"),
        claim: Claim {
            holder: id.to_string(),
            duplicate_key: format!("{}/connections", id.issue),
            targets: vec!["postgres/main".to_owned()],
            rule: "connections".to_owned(),
            cooldown: Duration::from_secs(300),
            per_target_max: 10,
            in_all_max: 100,
            rate_window: Duration::from_secs(3600),
            concurrent_max: 10,
            lease: Duration::from_secs(30),
        },
        approved_by: Some("bob".to_owned()),
        started_at: at(started),
        ended_at: None,
        outcome: None,
        why: "too many idle connections".to_owned(),
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
    }
}

pub fn intent(remediation: RemediationId, name: &str) -> Intent {
    Intent {
        id: hash(name),
        remediation,
        path: "0.1".to_owned(),
        try_number: 1,
        action: "pg.terminate_idle".to_owned(),
        params: json!({ "idle": "10m" }),
        target: "postgres/main".to_owned(),
        prior: json!([{ "pid": 7 }]),
        before: Value::Null,
        state: IntentState::Executing,
        said: String::new(),
        intended_at: at(20),
        applied_at: None,
        changed_at: at(20),
        revert_at: None,
    }
}

pub fn move_intent(
    id: IntentId,
    from: IntentState,
    to: IntentState,
    seconds: i64,
    revert: Option<i64>,
) -> Write {
    Write::MoveIntent { id, from, to, said: format!("{to}"), at: at(seconds), revert_at: revert.map(at) }
}

pub fn approval(id: &str, issue: IssueId) -> Approval {
    Approval {
        id: id.to_owned(),
        issue,
        rule: "connections".to_owned(),
        plan: plan(),
        plan_hash: hash("plan"),
        level: 0,
        why: "it changes a schema".to_owned(),
        previews: json!({ "0": "would end 7 sessions" }),
        asked_at: at(10),
        expires_at: at(900),
        answer: None,
    }
}

pub fn news(title: &str) -> News {
    News {
        kind: NewsKind::Outcome,
        at: at(3),
        title: title.to_owned(),
        text: "<!channel>\n".to_owned(),
        facts: vec![("rule".to_owned(), "connections".to_owned()), ("a".to_owned(), "b".to_owned())],
        links: vec![("runbook_url".to_owned(), "https://example.org/1".to_owned())],
        issue: Some(IssueId(1)),
        remediation: None,
        outcome: Some(Outcome::Recovered),
        severity: None,
        rule: None,
        namespace: None,
        approval: None,
        escalation: None,
    }
}

/// Commits what must be a conflict, and gives its text.
pub async fn conflict(journal: &dyn Journal, writes: Vec<Write>) -> String {
    let shown = format!("{writes:?}");
    match journal.commit(writes).await {
        Err(JournalFault { kind: JournalFaultKind::Conflict, what }) => what,
        other => panic!("{shown}: {other:?}"),
    }
}
