//! What is counted as it happens, for the metrics and for what goes by the counts: the circuit breakers, the switch, and what
//! is learnt of actions.

use std::sync::Arc;

use jiff::SignedDuration;
use selfheal_core::guard::{Guard, Says, Verdict};
use selfheal_core::issue::Outcome;

use crate::breaker::Turn;
use crate::engine::Engine;

impl Engine {
    /// Counts a try of an action. What was verified, or failed, is learnt from.
    pub(crate) fn count_try(&self, rule: &str, action: &str, success: bool, is_evidence: bool) {
        if is_evidence {
            self.learnt.count(rule, action, success);
        }
        self.metrics.actions.with_label_values(&[action, if success { "true" } else { "false" }]).inc();
    }

    /// Counts an exchange with an adapter's target.
    pub(crate) fn count_exchange(&self, adapter: &str, worked: bool) {
        match self.breakers.count(adapter, worked) {
            Some(Turn::Opened { until, failures }) => tracing::warn!(
                adapter,
                failures,
                %until,
                "the circuit breaker is open: its targets did not answer, and what needs them waits until one is tried again"
            ),
            Some(Turn::Closed) => {
                tracing::info!(adapter, "the circuit breaker is closed: a target answers again")
            }
            None => {}
        }
        if !worked {
            self.metrics.breaker_failures.with_label_values(&[adapter]).inc();
        }
        let open = self.breakers.open_until(adapter).is_some();
        self.metrics.breaker_open.with_label_values(&[adapter]).set(i64::from(open));
    }

    /// Counts a guard that stood in the way.
    pub(crate) fn count_verdict(&self, verdict: &Verdict) {
        let name = match verdict.says {
            Says::Pass => return,
            Says::Hold { .. } => "hold",
            Says::Refuse => "refuse",
            Says::Shadow => "shadow",
            Says::Ask => "ask",
        };
        self.metrics.guard_stops.with_label_values(&[verdict.guard.name(), name]).inc();
        if verdict.guard == Guard::Rate {
            self.metrics.rate_limit_rejections.inc();
        }
    }

    /// Counts a remediation that ended, and turns the switch off when too many fail.
    pub(crate) fn count_remediation(self: &Arc<Self>, rule: &str, outcome: Outcome, took: SignedDuration) {
        self.metrics.remediations.with_label_values(&[rule, outcome.name()]).inc();
        self.metrics.remediation_seconds.with_label_values(&[rule]).observe(took.as_secs_f64());
        let Some(success) = outcome.helped() else { return };
        let reason = self.switch.count(success, self.clock.now(), &self.policy);
        self.metrics.success_rate.set(self.switch.success_rate());
        if self.shared {
            self.ended.notify_one();
        } else if let Some(why) = reason {
            let engine = Arc::clone(self);
            tokio::spawn(async move { engine.turn_off_by_itself(&why).await });
        }
    }
}
