//! Matching and deciding: an alert among ten thousand rules, beside the same among ten.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use selfheal_core::alert::Alert;
use selfheal_core::notification::Notification;
use selfheal_core::span::Span;
use selfheal_script::{RuleSet, View};

use super::{Case, Work, compile};
use crate::body::Request;
use crate::rules;

pub(super) fn cases() -> Vec<Case> {
    let case = |figure, asked| Case {
        figure,
        floor_is: "the same with 10 rules",
        wanted: "≤ 1.5",
        floor: deciding(10, 10),
        work: deciding(10_000, asked),
    };
    vec![
        case("match and decide, 10 000 rules, 10 of them asked", 10),
        // No alert comes twice in ten thousand: every rule and every alert has left the processor's caches.
        case("match and decide, 10 000 rules, all of them asked in turn", 10_000),
    ]
}

/// Alerts for so many of the rules in turn, evenly spread over all of them.
fn deciding(count: usize, asked: usize) -> Work {
    let set = compile(rules::many(count));
    let alerts: Vec<Arc<Alert>> = (0..asked).map(|at| alert(at * (count / asked))).collect();
    let (mut at, mut found) = (0, Vec::new());
    Box::new(move || {
        // A prime further, so that neighbours in memory are not neighbours in time.
        at = (at + 7919) % alerts.len();
        decide(&set, &alerts[at], &mut found);
    })
}

fn decide(set: &RuleSet, alert: &Arc<Alert>, found: &mut Vec<u32>) {
    set.matching_into(&alert.labels, found);
    for index in found.iter() {
        let Some(rule) = set.rule(*index) else { continue };
        let view = View::new(Arc::clone(alert), Span::from_secs(60), 0);
        black_box(rule.plan(&view, &BTreeMap::new()).expect("the rule only writes to the log"));
    }
}

fn alert(number: usize) -> Arc<Alert> {
    let mut request = Request::new(&format!("{}{number:05}", rules::ALERT), 1);
    request.number(number as u64);
    let read = Notification::read(request.body()).expect("what is rendered here can be read");
    Arc::new(read.alerts.into_iter().next().expect("it has one alert").1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_its_rule() {
        let set = compile(rules::many(12));
        let mut found = Vec::new();
        for number in 0..12 {
            set.matching_into(&alert(number).labels, &mut found);
            assert_eq!(found, [number as u32]);
        }
    }
}
