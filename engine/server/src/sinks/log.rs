//! News in the log, for where no other sink is configured and beside others.

use async_trait::async_trait;
use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind, Sink, SinkFault};
use tracing::{info, warn};

/// How the log receives news.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// The kinds of news that it takes.
    pub events: Vec<NewsKind>,
}

/// The log as a sink: one line a message, with target `selfheal::news`. What a person has to look at is a warning, all
/// else is information. Escaping is the log's, which does it for every line.
pub struct Log(LogSettings);

impl Log {
    /// Makes the sink.
    pub fn new(settings: LogSettings) -> Self {
        Self(settings)
    }
}

#[async_trait]
impl Sink for Log {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn wants(&self, news: &News) -> bool {
        self.0.events.contains(&news.kind)
    }

    /// Never fails; a repeated delivery is a repeated line.
    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        let facts: serde_json::Map<String, serde_json::Value> =
            news.facts.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let facts = (!facts.is_empty()).then(|| serde_json::Value::from(facts).to_string());
        // The macros want the level at compile time.
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    target: "selfheal::news",
                    sink = self.0.name,
                    key,
                    kind = news.kind.name(),
                    issue = news.issue.map(tracing::field::display),
                    remediation = news.remediation.map(tracing::field::display),
                    outcome = news.outcome.map(Outcome::name),
                    severity = news.severity,
                    text = (!news.text.is_empty()).then_some(news.text.as_str()),
                    facts,
                    "{}",
                    news.title
                )
            };
        }
        if needs_attention(news) {
            line!(warn);
        } else {
            line!(info);
        }
        Ok(())
    }
}

/// Whether a person has to look.
fn needs_attention(news: &News) -> bool {
    matches!(news.kind, NewsKind::Person | NewsKind::Storm) || news.outcome.is_some_and(Outcome::needs_person)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sinks::testing::{EVERY_KIND, news};
    use crate::telemetry::testing::{Lines, dispatch};

    #[tokio::test]
    async fn a_line_says_everything_at_its_level() {
        let cases = [
            (NewsKind::Outcome, Some(Outcome::Recovered), "INFO"),
            (NewsKind::Outcome, Some(Outcome::Stuck), "WARN"),
            (NewsKind::Approval, None, "INFO"),
            (NewsKind::Person, None, "WARN"),
            (NewsKind::Storm, None, "WARN"),
            (NewsKind::Switch, None, "INFO"),
        ];
        for (kind, outcome, level) in cases {
            let lines: Lines = Arc::new(Mutex::new(Vec::new()));
            let sink = Log::new(LogSettings { name: "log".into(), events: EVERY_KIND.to_vec() });
            let message = News { kind, outcome, ..news() };
            {
                let _guard = tracing::dispatcher::set_default(&dispatch(&lines));
                sink.deliver(&message, "key-1").await.unwrap();
            }
            let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
            let line: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(line["level"], level, "{text}");
            assert_eq!(line["target"], "selfheal::news");
            assert_eq!(line["message"], message.title);
            assert_eq!(line["key"], "key-1");
            assert_eq!(line["kind"], kind.name());
            assert_eq!(line["issue"], "issue-17");
            assert_eq!(line["remediation"], "remediation-17-1");
            assert_eq!(line.get("outcome").and_then(|name| name.as_str()), outcome.map(Outcome::name));
            assert_eq!(line["facts"], r#"{"namespace":"production"}"#);
        }
    }

    #[test]
    fn it_takes_what_it_is_configured_for() {
        for kind in EVERY_KIND {
            let sink = Log::new(LogSettings { name: "log".into(), events: vec![NewsKind::Person] });
            assert_eq!(sink.wants(&News { kind, ..news() }), kind == NewsKind::Person, "{kind:?}");
        }
    }
}
