//! What a test is given besides readings: alerts, what was before, what people do.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use selfheal_contract::settings::Section;
use selfheal_core::span::Span;

use super::file::{Reader, must_be_a_rule};

/// The longest time that a test may take, in its own time.
const LASTS_MAX: Span = Span::from_hours(30 * 24);

/// An alert of a test. Times count from the test's beginning.
pub(super) struct Alert {
    pub(super) labels: Vec<(String, String)>,
    pub(super) annotations: Vec<(String, String)>,
    pub(super) starts: SignedDuration,
    pub(super) sent: Duration,
    pub(super) resolved: Option<Duration>,
}

/// What happened before a test begins.
pub(super) struct History {
    pub(super) switch_on: bool,
    pub(super) failures: Vec<Failures>,
    pub(super) results: Vec<Results>,
    pub(super) remediations: Vec<Earlier>,
}

/// Tries that failed, which raise the escalation level.
pub(super) struct Failures {
    pub(super) rule: String,
    /// What they were about; what the test's first alert is about, if not given.
    pub(super) resource: Option<String>,
    pub(super) times: u32,
    pub(super) ago: Duration,
}

/// How often an action helped, which orders `best`.
pub(super) struct Results {
    pub(super) rule: String,
    pub(super) action: String,
    pub(super) helped: u32,
    pub(super) failed: u32,
}

/// Remediations that hold something in the ledger: cooldown, rate, a place among those that run.
pub(super) struct Earlier {
    pub(super) rule: String,
    pub(super) target: String,
    pub(super) times: u32,
    pub(super) ago: Duration,
    pub(super) running: bool,
}

/// What happens besides alerts.
pub(super) enum Event {
    /// A person turns the switch.
    Switch(bool, String),
    /// A person answers the approval that is open.
    Approval(bool, String),
}

/// A time before (`-10m`) or after (`10m`) the beginning.
struct Offset(SignedDuration);

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (before, span) = match text.strip_prefix('-') {
            Some(span) => (true, span),
            None => (false, text),
        };
        let span: Span = span.parse().map_err(|_| "expected a time such as -10m, 0s or 5m".to_owned())?;
        let time = SignedDuration::try_from(span.duration()).map_err(|fault| fault.to_string())?;
        Ok(Self(if before { -time } else { time }))
    }
}

impl Reader<'_> {
    /// Reads what was before.
    pub(super) fn history(&self, mut section: Section<'_>) -> History {
        let history = History {
            switch_on: section.one_of("switch", &[("on", true), ("off", false)], true),
            failures: section.list("failures").into_iter().map(|one| self.failures(one)).collect(),
            results: section.list("results").into_iter().map(|one| self.results(one)).collect(),
            remediations: section.list("remediations").into_iter().map(|one| self.earlier(one)).collect(),
        };
        section.finish();
        history
    }

    fn rule(&self, section: &mut Section<'_>) -> String {
        let rule = section.text("rule");
        if !rule.is_empty() {
            must_be_a_rule(section, "rule", &rule, &self.rules);
        }
        rule
    }

    fn failures(&self, mut section: Section<'_>) -> Failures {
        let failures = Failures {
            rule: self.rule(&mut section),
            resource: section.optional_text("resource"),
            times: section.integer_or("times", 1, 1..=1000),
            ago: time(&mut section, "ago").unwrap_or_default(),
        };
        section.finish();
        failures
    }

    fn results(&self, mut section: Section<'_>) -> Results {
        let rule = self.rule(&mut section);
        let action = self.call(&mut section, "action", false);
        let results = Results {
            rule,
            action: action.map(|call| format!("{}.{}", call.adapter, call.name)).unwrap_or_default(),
            helped: section.integer_or("helped", 0, 0..=1000),
            failed: section.integer_or("failed", 0, 0..=1000),
        };
        section.finish();
        results
    }

    fn earlier(&self, mut section: Section<'_>) -> Earlier {
        let earlier = Earlier {
            rule: self.rule(&mut section),
            target: section.text("target"),
            times: section.integer_or("times", 1, 1..=10_000),
            ago: time(&mut section, "ago").unwrap_or_default(),
            running: section.bool_or("running", false),
        };
        section.finish();
        earlier
    }
}

/// Reads an alert.
pub(super) fn alert(mut section: Section<'_>) -> Alert {
    let Offset(starts) = section.parsed_or("starts", Offset(SignedDuration::ZERO));
    let sent = time(&mut section, "sent").unwrap_or_else(|| Duration::try_from(starts).unwrap_or_default());
    let alert = Alert {
        labels: section.text_map("labels"),
        annotations: section.text_map("annotations"),
        starts,
        sent,
        resolved: time(&mut section, "resolved"),
    };
    if alert.labels.iter().all(|(name, _)| name != "alertname") {
        section.reject("labels", "the label alertname is required", None);
    }
    if SignedDuration::try_from(sent).is_ok_and(|sent| sent < starts) {
        section.reject("sent", "an alert is not sent before it starts", None);
    }
    if alert.resolved.is_some_and(|resolved| resolved <= sent) {
        section.reject("resolved", "an alert is resolved after it was sent", None);
    }
    section.finish();
    alert
}

/// Reads what a person does, and when.
pub(super) fn event(mut section: Section<'_>) -> Option<(Duration, Event)> {
    let at = time(&mut section, "at").unwrap_or_default();
    let reason = section.optional_text("reason").unwrap_or_else(|| "the test says so".to_owned());
    let switch = section.one_of("switch", &[("on", Some(true)), ("off", Some(false))], None);
    let approval = section.one_of("approval", &[("granted", Some(true)), ("refused", Some(false))], None);
    let event = match (switch, approval) {
        (Some(on), None) => Some(Event::Switch(on, reason)),
        (None, Some(granted)) => Some(Event::Approval(granted, reason)),
        _ => {
            section.reject("at", "expected one of switch (on, off) and approval (granted, refused)", None);
            None
        }
    };
    section.finish();
    Some((at, event?))
}

/// A time from the beginning on.
pub(super) fn time(section: &mut Section<'_>, name: &str) -> Option<Duration> {
    section.optional_span(name, Span::ZERO..=LASTS_MAX).map(Span::duration)
}
