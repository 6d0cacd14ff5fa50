//! What the sinks' tests share: a message, a clock that stands, a client that may speak TLS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::{Clock, News, NewsKind};

pub(crate) const EVERY_KIND: [NewsKind; 10] = [
    NewsKind::Opened,
    NewsKind::Plan,
    NewsKind::Outcome,
    NewsKind::Approval,
    NewsKind::Person,
    NewsKind::Switch,
    NewsKind::Storm,
    NewsKind::Acknowledged,
    NewsKind::Answered,
    NewsKind::Closed,
];

/// A message with everything in it.
pub(crate) fn news() -> News {
    News {
        kind: NewsKind::Outcome,
        at: "2026-11-22T12:00:00Z".parse().unwrap(),
        title: "pg_connections: recovered".into(),
        text: "terminated 12 idle sessions".into(),
        facts: vec![("namespace".into(), "production".into())],
        links: vec![("runbook_url".into(), "https://example.org/pg".into())],
        issue: Some(IssueId(17)),
        remediation: Some(RemediationId { issue: IssueId(17), ordinal: 1 }),
        outcome: Some(Outcome::Recovered),
        severity: Some("critical".into()),
        rule: Some("pg_connections".into()),
        namespace: Some("production".into()),
        approval: None,
        escalation: None,
    }
}

/// A clock that stands.
pub(crate) struct Standing(pub(crate) Timestamp);

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// A clock that moves when it is told to.
pub(crate) struct Moving(std::sync::Mutex<(Timestamp, Duration)>);

impl Moving {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(std::sync::Mutex::new((now, Duration::ZERO)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap();
        time.0 = selfheal_core::moment::later(time.0, by);
        time.1 += by;
    }
}

#[async_trait]
impl Clock for Moving {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// A clock that stands at the message's time.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Standing(news().at))
}

/// Makes the process able to build clients; the program does so at its start.
pub(crate) fn install_tls() {
    // A second test finds it installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
