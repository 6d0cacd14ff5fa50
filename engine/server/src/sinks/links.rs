//! Where a message leads: the issue's story in the dashboard, and what the alert itself names, such as its runbook.
//!
//! Annotations come from strangers. An address is taken as far as it is one of a page: `http` or `https`, with a host and without
//! credentials, which only serve to make a host look like another one.

use selfheal_runtime::ports::News;
use serde::Serialize;

use super::cut;
use crate::outgoing;

/// The longest address, as it is sent.
const URL_BYTES_MAX: usize = 500;
/// The longest name of one.
const LABEL_CHARS_MAX: usize = 40;

/// An address that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    /// What it is called: letters, digits and spaces.
    pub(super) name: String,
    /// The address: ASCII, without spaces.
    pub(super) url: String,
}

/// Where people reach the dashboard, with a place within.
pub(super) fn dashboard(external_url: &str, place: &str) -> String {
    format!("{}/#/{place}", external_url.trim_end_matches('/'))
}

/// Where the issue of a message can be read, if it has one and the server knows its own address.
pub(super) fn issue_link(news: &News, external_url: Option<&str>) -> Option<String> {
    let (issue, base) = (news.issue?, external_url?);
    Some(dashboard(base, &format!("issues/{issue}")))
}

/// What the alert names.
pub(super) fn alert_links(news: &News) -> Vec<Link> {
    let usable = |(name, text): &(String, String)| {
        let url = outgoing::address(text).ok()?;
        let plain = url.username().is_empty() && url.password().is_none();
        (plain && url.as_str().len() <= URL_BYTES_MAX).then(|| Link { name: label(name), url: url.into() })
    };
    news.links.iter().filter_map(usable).collect()
}

/// An annotation's name for people: `runbook_url` is the runbook.
fn label(name: &str) -> String {
    let bare = ["_url", "_link"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let words = bare.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect::<String>();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "link".to_owned() } else { cut(&words, LABEL_CHARS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::testing::news;

    #[test]
    fn an_issue_is_read_in_the_dashboard() {
        for base in ["https://heal.example.org", "https://heal.example.org/"] {
            let link = issue_link(&news(), Some(base));
            assert_eq!(link.as_deref(), Some("https://heal.example.org/#/issues/issue-17"));
        }
        assert_eq!(issue_link(&news(), None), None);
        assert_eq!(issue_link(&News { issue: None, ..news() }, Some("https://heal.example.org")), None);
    }

    #[test]
    fn only_addresses_of_pages_are_taken() {
        let long = format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX));
        let cases = [
            (
                "runbook_url",
                "https://example.org/a b?c=1&d",
                Some(("runbook", "https://example.org/a%20b?c=1&d")),
            ),
            ("dashboard_link", "http://grafana:3000/d/x", Some(("dashboard", "http://grafana:3000/d/x"))),
            ("*Approved by*\nann", "https://example.org", Some(("Approved by ann", "https://example.org/"))),
            ("_url", "https://ex\u{e4}mple.org", Some(("link", "https://xn--exmple-cua.org/"))),
            ("runbook_url", "https://good.example.org@evil.example.org/", None),
            ("runbook_url", "javascript:alert(1)", None),
            ("runbook_url", "see the wiki", None),
            ("runbook_url", long.as_str(), None),
        ];
        for (name, text, expected) in cases {
            let links = alert_links(&News { links: vec![(name.to_owned(), text.to_owned())], ..news() });
            let found: Vec<_> = links.iter().map(|link| (link.name.as_str(), link.url.as_str())).collect();
            assert_eq!(found, Vec::from_iter(expected), "{name} {text}");
        }
    }
}
