//! News as CloudEvents 1.0 in structured JSON (<https://github.com/cloudevents/spec>, `cloudevents/formats/json-format.md`):
//! one mapping for every stream.

use jiff::Timestamp;
use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind};
use serde::Serialize;

use super::{Link, alert_links, issue_link};

/// The media type of an event.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// The source of events where the server does not know its own address.
const SOURCE_DEFAULT: &str = "/selfheal";

#[derive(Serialize)]
struct Event<'n> {
    specversion: &'static str,
    id: &'n str,
    source: &'n str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    data: Data<'n>,
}

#[derive(Serialize)]
struct Data<'n> {
    title: &'n str,
    text: &'n str,
    facts: Vec<Fact<'n>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

/// A fact: a list, because its order has a meaning and names may repeat.
#[derive(Serialize)]
struct Fact<'n> {
    name: &'n str,
    value: &'n str,
}

/// The type of an event, by what it is about.
pub(super) fn event_type(kind: NewsKind) -> &'static str {
    match kind {
        NewsKind::Opened => "dev.selfheal.issue.opened",
        NewsKind::Plan => "dev.selfheal.plan.admitted",
        NewsKind::Outcome => "dev.selfheal.issue.outcome",
        NewsKind::Approval => "dev.selfheal.approval.requested",
        NewsKind::Person => "dev.selfheal.person.needed",
        NewsKind::Switch => "dev.selfheal.switch.turned",
        NewsKind::Storm => "dev.selfheal.rule.held",
        NewsKind::Acknowledged => "dev.selfheal.issue.acknowledged",
        NewsKind::Answered => "dev.selfheal.approval.answered",
        NewsKind::Closed => "dev.selfheal.issue.closed",
    }
}

/// One message as an event. `id` is the same for every try, and with the source tells a repetition from a second event.
pub(super) fn encode(news: &News, id: &str, external_url: Option<&str>) -> Vec<u8> {
    let issue = news.issue.map(|id| id.to_string());
    let event = Event {
        specversion: "1.0",
        id,
        source: external_url.unwrap_or(SOURCE_DEFAULT),
        r#type: event_type(news.kind),
        subject: issue.clone(),
        time: news.at,
        datacontenttype: "application/json",
        data: Data {
            title: &news.title,
            text: &news.text,
            facts: news.facts.iter().map(|(name, value)| Fact { name, value }).collect(),
            issue,
            remediation: news.remediation.map(|id| id.to_string()),
            outcome: news.outcome,
            severity: news.severity.as_deref(),
            link: issue_link(news, external_url),
            links: alert_links(news),
        },
    };
    serde_json::to_vec(&event).expect("strings and numbers are always JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sinks::testing::{EVERY_KIND, news};

    #[test]
    fn an_event_has_what_the_specification_asks_for() {
        let event: Value =
            serde_json::from_slice(&encode(&news(), "key-1", Some("https://heal.example.com"))).unwrap();
        assert_eq!(
            event,
            json!({
                "specversion": "1.0",
                "id": "key-1",
                "source": "https://heal.example.com",
                "type": "dev.selfheal.issue.outcome",
                "subject": "issue-17",
                "time": "2026-11-22T12:00:00Z",
                "datacontenttype": "application/json",
                "data": {
                    "title": "pg_connections: recovered",
                    "text": "terminated 12 idle sessions",
                    "facts": [{ "name": "namespace", "value": "production" }],
                    "issue": "issue-17",
                    "remediation": "remediation-17-1",
                    "outcome": "recovered",
                    "severity": "critical",
                    "link": "https://heal.example.com/#/issues/issue-17",
                    "links": [{ "name": "runbook", "url": "https://example.org/pg" }],
                },
            })
        );
    }

    #[test]
    fn every_kind_has_a_type_of_its_own_and_no_attribute_is_empty() {
        let types: std::collections::BTreeSet<&str> = EVERY_KIND.into_iter().map(event_type).collect();
        assert_eq!(types.len(), EVERY_KIND.len());
        for kind in EVERY_KIND {
            let bare = News { kind, issue: None, remediation: None, outcome: None, severity: None, ..news() };
            let event: Value = serde_json::from_slice(&encode(&bare, "k", None)).unwrap();
            assert_eq!(event["source"], "/selfheal");
            assert!(event.get("subject").is_none() && event["data"].get("link").is_none(), "{event}");
        }
    }
}
