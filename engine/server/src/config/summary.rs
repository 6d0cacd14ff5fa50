//! The configuration in a few lines, for the one who starts or checks it. Without secrets.

use std::fmt::Write;

use selfheal_core::span::Span;

use super::Configuration;
use super::access::LOCAL_NAME;
use super::sinks::Receiver;

impl Configuration {
    /// What is in force, one part a line; ends with a line break. Notes follow at the end.
    pub fn summary(&self) -> String {
        let mut page = String::new();
        for (part, what) in self.parts() {
            writeln!(page, "{part:<13} {what}").expect("writing to a String cannot fail");
        }
        for note in &self.notes {
            writeln!(page, "note: {note}").expect("writing to a String cannot fail");
        }
        page
    }

    fn parts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("listen", self.listen.to_string()),
            ("data", self.data_kind()),
            ("rules", self.rules.display().to_string()),
            ("webhook", self.webhook()),
            ("api", self.tokens()),
            ("switch", if self.switch.enabled { "on" } else { "off" }.to_owned()),
            ("policy", self.limits()),
            ("learning", if self.learning { "on" } else { "off" }.to_owned()),
            ("audit", self.signatures()),
            ("ledger", self.ledger_kind()),
            ("alertmanager", self.alertmanagers()),
            ("checks", self.check_names()),
            ("adapters", self.adapter_names()),
            ("sinks", self.sink_names()),
            ("escalation", self.levels()),
            ("log", format!("{}, as {}", self.telemetry.log.level, self.telemetry.log.format.name())),
            ("traces", self.traces()),
        ]
    }

    fn webhook(&self) -> String {
        let intake = &self.intake;
        let who = if intake.credentials.is_open() {
            "open to this machine".to_owned()
        } else {
            let (tokens, users) = (intake.credentials.bearer_tokens.len(), intake.credentials.basic.len());
            format!("{} and {}", counted(tokens, "bearer token"), counted(users, "basic user"))
        };
        format!("{who}; bodies up to {}, backlog up to {} alerts", intake.body_max, intake.backlog_max)
    }

    fn tokens(&self) -> String {
        if self.api.tokens.is_empty() {
            return format!("open to this machine, as admin {LOCAL_NAME}");
        }
        let token = |token: &super::access::ApiToken| format!("{} ({})", token.name, token.role.name());
        self.api.tokens.iter().map(token).collect::<Vec<_>>().join(", ")
    }

    fn limits(&self) -> String {
        let policy = &self.policy;
        format!(
            "mode {}; {} an hour for a target, {} in all, {} at once; cooldown {}; replicas {} to {}; up to {}; {}",
            policy.mode,
            policy.per_target_per_hour,
            policy.in_all_per_hour,
            policy.concurrent,
            Span::from(policy.cooldown_min),
            policy.replicas_min,
            policy.replicas_max,
            policy.blast_radius,
            counted(policy.maintenance.len(), "maintenance window"),
        )
    }

    fn data_kind(&self) -> String {
        match self.journal.url {
            Some(_) => format!("{} (journal on PostgreSQL)", self.data.display()),
            None => format!("{} (journal {})", self.data.display(), self.journal.path.display()),
        }
    }

    fn signatures(&self) -> String {
        match (self.audit.signing(), self.audit.old_keys.len()) {
            (Some(key), 0) => format!("signed by key {}", key.name()),
            (Some(key), old) => format!("signed by key {}, {} of before", key.name(), counted(old, "key")),
            (None, _) => "not signed: audit.key is not set".to_owned(),
        }
    }

    fn ledger_kind(&self) -> String {
        match self.ledger.url {
            Some(_) => format!("redis, keys {}:*", self.ledger.prefix),
            None => "embedded".to_owned(),
        }
    }

    fn alertmanagers(&self) -> String {
        let alertmanager = &self.alertmanager;
        if alertmanager.urls.is_empty() {
            return "not configured: alerts that no notification brings are missed".to_owned();
        }
        format!("{}, every {}", alertmanager.urls.join(", "), alertmanager.interval)
    }

    fn check_names(&self) -> String {
        let check = |(name, check): (&String, &super::Check)| format!("{name} (every {})", check.interval);
        let checks: Vec<String> = self.checks.each.iter().map(check).collect();
        if checks.is_empty() { "none".to_owned() } else { checks.join(", ") }
    }

    fn adapter_names(&self) -> String {
        let name = |adapter: &super::adapters::CheckedAdapter| match adapter.configured {
            true => adapter.section.to_owned(),
            false => format!("{} (nothing set)", adapter.section),
        };
        let names: Vec<String> = self.adapters.iter().map(name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn sink_names(&self) -> String {
        let kind = |receiver: &Receiver| match receiver {
            Receiver::Slack { .. } => "slack",
            Receiver::SlackApp { .. } => "slack_app",
            Receiver::Pagerduty { .. } => "pagerduty",
            Receiver::Opsgenie { .. } => "opsgenie",
            Receiver::Incidents { .. } => "incidents",
            Receiver::Webhook { .. } => "webhook",
            Receiver::Kafka { .. } => "kafka",
            Receiver::Log {} => "log",
        };
        let sinks = self.sinks.iter().map(|(name, sink)| format!("{name} ({})", kind(&sink.receiver)));
        sinks.collect::<Vec<_>>().join(", ")
    }

    fn levels(&self) -> String {
        let level =
            |level: &super::people::Level| format!("{} after {}", level.sinks.join(", "), level.after);
        match self.escalation.as_slice() {
            [] => "none: people are told once".to_owned(),
            levels => levels.iter().map(level).collect::<Vec<_>>().join("; "),
        }
    }

    fn traces(&self) -> String {
        let otlp = &self.telemetry.otlp;
        match &otlp.endpoint {
            Some(endpoint) => format!("to {endpoint}, {} % of them", otlp.sample_ratio * 100.0),
            None => "not sent".to_owned(),
        }
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
