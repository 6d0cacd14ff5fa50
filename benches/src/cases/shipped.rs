//! Asking a shipped rule what to read and what to do, beside reading the alert that it is asked about.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use selfheal_core::condition::{ProbeCall, Reading};
use selfheal_core::notification::Notification;
use selfheal_core::span::Span;
use selfheal_script::{Observed, View};
use serde_json::{Map, json};

use super::{Case, compile};
use crate::body::Request;
use crate::wire;

const NAME: &str = "postgres_connections";
const TEXT: &str = include_str!("../../../rules/postgres_connections.rhai");

pub(super) fn case() -> Case {
    let request = Request::new("PostgresTooManyConnections", 1);
    let read = Notification::read(request.body()).expect("what is rendered here can be read");
    let alert = Arc::new(read.alerts.into_iter().next().expect("it has one alert").1);
    let set = compile(vec![(NAME.to_owned(), TEXT.to_owned())]);
    let rule = Arc::clone(set.rule(0).expect("one rule was compiled"));
    let readings = readings();
    Case {
        figure: "observe and plan, rule postgres_connections",
        floor_is: "serde_json, typed, 1 alert",
        wanted: "",
        floor: Box::new(move || {
            let read = serde_json::from_slice::<wire::Notification>(black_box(request.body()));
            black_box(read.expect("what is rendered here can be read"));
        }),
        work: Box::new(move || {
            let view = View::new(Arc::clone(&alert), Span::from_secs(60), 0);
            black_box(rule.observe(&view).expect("a test holds it to that"));
            black_box(rule.plan(&view, &readings).expect("a test holds it to that"));
        }),
    }
}

fn readings() -> BTreeMap<String, Observed> {
    let connections = json!({ "share": 0.97, "total": 97, "max": 100, "idle": 80 });
    let known =
        [("connections", "connections", connections), ("idle", "idle_connections", json!({ "count": 80 }))];
    let observed = |probe: &str, value| Observed {
        probe: ProbeCall { adapter: "pg".to_owned(), probe: probe.to_owned(), params: Map::new() },
        reading: Reading::Known(value),
    };
    known.into_iter().map(|(name, probe, value)| (name.to_owned(), observed(probe, value))).collect()
}

#[cfg(test)]
mod tests {
    use selfheal_core::plan::Decision;

    use super::*;

    #[test]
    fn the_rule_decides_to_act() {
        let set = compile(vec![(NAME.to_owned(), TEXT.to_owned())]);
        let request = Request::new("PostgresTooManyConnections", 1);
        let alert = Notification::read(request.body()).unwrap().alerts.remove(0).1;
        let view = View::new(alert, Span::from_secs(60), 0);
        assert_eq!(set.matching(&view.alert.labels), [0]);
        let decision = set.rule(0).unwrap().plan(&view, &readings()).unwrap();
        assert!(matches!(decision, Decision::Act(_)), "{decision:?}");
    }
}
