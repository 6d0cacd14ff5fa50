//! What is counted. One family of names, `self_healing_`; the server adds what only it knows (its own memory, uptime).

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// All counters of the rooms.
pub struct Metrics {
    /// Notifications by what became of them: `stored`, `known`, `refused`, `unavailable`.
    pub notifications: IntCounterVec,
    /// Alerts by what became of them: `opened`, `refired`, `resolved`, `known`, `stale`, `malformed`.
    pub alerts: IntCounterVec,
    /// Bodies, alerts, requests, rules and configuration that failed validation, by what was wrong.
    pub validation_failures: IntCounterVec,
    /// Issues opened, by rule (empty where none matched).
    pub issues_detected: IntCounterVec,
    /// Decisions, by rule and by what was decided.
    pub decisions: IntCounterVec,
    /// Verdicts other than pass, by guard and verdict.
    pub guard_stops: IntCounterVec,
    /// Plans that a rate limit held back.
    pub rate_limit_rejections: IntCounter,
    /// Remediations that ended, by rule and outcome.
    pub remediations: IntCounterVec,
    /// Share of successes among the remediations of this process, 0 to 1.
    pub success_rate: Gauge,
    /// Time from the beginning to the end of a remediation.
    pub remediation_seconds: HistogramVec,
    /// Tries of actions, by action and whether they helped.
    pub actions: IntCounterVec,
    /// Time from when an issue was due to be looked at, for one without a delay its receipt, to the first intent being
    /// durable.
    pub latency_seconds: Histogram,
    /// Time that a decision by one rule takes: its probes, its plan, every guard.
    pub decision_seconds: Histogram,
    /// Plans that wait for a person.
    pub approvals_waiting: IntGauge,
    /// Messages in the outbox, by sink.
    pub outbox_size: IntGaugeVec,
    /// Age of the oldest message in the outbox, by sink.
    pub outbox_oldest_seconds: GaugeVec,
    /// Probes read, by adapter and result: `known`, `inconclusive`, `failed`.
    pub checks: IntCounterVec,
    /// Rounds of scheduled checks, by check and what they found: `well`, `ill`, `inconclusive`, `cut_off`.
    pub scheduled_checks: IntCounterVec,
    /// 1 while the alert of a scheduled check fires.
    pub scheduled_checks_firing: IntGaugeVec,
    /// Alerts received and not yet expanded, and issues waiting for a place.
    pub queue_size: IntGauge,
    /// What the queue may hold.
    pub queue_capacity: IntGauge,
    /// Notifications answered 503 because the queue was full.
    pub queue_overflow: IntCounter,
    /// 1 while an adapter's circuit breaker is open.
    pub breaker_open: IntGaugeVec,
    /// Failed exchanges with an adapter's targets.
    pub breaker_failures: IntCounterVec,
    /// Rule sets by what became of them: `loaded`, `refused`.
    pub reloads: IntCounterVec,
    /// The generation of the rule set in use.
    pub rules_generation: IntGauge,
    /// How many rules it has.
    pub rules_loaded: IntGauge,
    /// 1 while automatic remediation is on.
    pub switch_on: IntGauge,
    /// Deliveries of news by sink and result: `delivered`, `retried`, `given_up`.
    pub deliveries: IntCounterVec,
    /// Looks at the source of alerts by result: `ok`, `failed`.
    pub reconciliations: IntCounterVec,
    /// Alerts that only a look at the source brought.
    pub recovered_alerts: IntCounter,
}

impl Metrics {
    /// Makes all counters and registers them.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker { registry };
        let seconds =
            [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let long = [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0];
        Ok(Self {
            notifications: make.counters("notifications_total", "Notifications received, by result.", &["result"])?,
            alerts: make.counters("alerts_total", "Alerts received, by what became of them.", &["result"])?,
            validation_failures: make.counters(
                "validation_failures_total",
                "Input that failed validation, by what was wrong.",
                &["input", "reason"],
            )?,
            issues_detected: make.counters("issues_detected_total", "Issues opened, by rule.", &["rule"])?,
            decisions: make.counters("decisions_total", "Decisions, by rule and result.", &["rule", "decision"])?,
            guard_stops: make.counters("guard_stops_total", "Verdicts other than pass.", &["guard", "verdict"])?,
            rate_limit_rejections: make.counter("rate_limit_rejections_total", "Plans held by a rate limit.")?,
            remediations: make.counters("remediations_total", "Remediations that ended.", &["rule", "outcome"])?,
            success_rate: make.gauge("remediation_success_rate", "Share of successful remediations, 0 to 1.")?,
            remediation_seconds: make.histograms(
                "remediation_duration_seconds",
                "Time from the beginning to the end of a remediation.",
                &long,
                &["rule"],
            )?,
            actions: make.counters("actions_total", "Tries of actions.", &["action", "success"])?,
            latency_seconds: make.histogram(
                "latency_seconds",
                "Time from receipt to the first durable intent, without a priority's delay or a guard's hold.",
                &seconds,
            )?,
            decision_seconds: make.histogram(
                "decision_duration_seconds",
                "Time that a decision by one rule takes: probes, plan and guards.",
                &seconds,
            )?,
            approvals_waiting: make.int_gauge("approvals_waiting", "Plans that wait for a person.")?,
            outbox_size: make.int_gauges("outbox_size", "Messages that wait to be delivered.", &["sink"])?,
            outbox_oldest_seconds: make.gauges(
                "outbox_oldest_age_seconds",
                "Age of the oldest message that waits to be delivered.",
                &["sink"],
            )?,
            checks: make.counters("checks_total", "Probes read.", &["adapter", "result"])?,
            scheduled_checks: make.counters(
                "scheduled_checks_total",
                "Rounds of scheduled checks, by what they found.",
                &["check", "result"],
            )?,
            scheduled_checks_firing: make.int_gauges(
                "scheduled_check_firing",
                "1 while the alert of a scheduled check fires.",
                &["check"],
            )?,
            queue_size: make.int_gauge("queue_size", "Alerts and issues that wait for a place.")?,
            queue_capacity: make.int_gauge("queue_capacity", "What the queue may hold.")?,
            queue_overflow: make.counter("queue_overflow_total", "Notifications answered 503: the queue was full.")?,
            breaker_open: make.int_gauges("circuit_breaker_open", "1 while open.", &["adapter"])?,
            breaker_failures: make.counters("circuit_breaker_failures_total", "Failed exchanges.", &["adapter"])?,
            reloads: make.counters("rule_reloads_total", "Rule sets, by result.", &["result"])?,
            rules_generation: make.int_gauge("rules_generation", "The generation of the rule set in use.")?,
            rules_loaded: make.int_gauge("rules_loaded", "How many rules are in use.")?,
            switch_on: make.int_gauge("switch_on", "1 while automatic remediation is on.")?,
            deliveries: make.counters("deliveries_total", "Deliveries of news.", &["sink", "result"])?,
            reconciliations: make.counters("reconciliations_total", "Looks at the source of alerts.", &["result"])?,
            recovered_alerts: make.counter("recovered_alerts_total", "Alerts that only a look at the source brought.")?,
        })
    }
}

struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    fn register<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::new(full(name), help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(full(name), help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::new(full(name), help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(Opts::new(full(name), help), labels)?)
    }

    fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::new(full(name), help)?)
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(full(name), help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.register(Histogram::with_opts(HistogramOpts::new(full(name), help).buckets(buckets.to_vec()))?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(full(name), help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }
}

fn full(name: &str) -> String {
    format!("self_healing_{name}")
}
