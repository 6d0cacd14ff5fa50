//! What a rollout says of itself: its strategy, where its update stands, and whether its controller has seen what was
//! asked of it.

use selfheal_cluster::Object;
use serde_json::Value;

/// How a rollout updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Step by step, a share of the traffic at a time.
    Canary,
    /// The whole new version beside the old one, then all traffic at once.
    BlueGreen,
}

impl Strategy {
    pub(crate) fn of(rollout: &Object) -> Self {
        if rollout.at("/spec/strategy/blueGreen").is_object() { Self::BlueGreen } else { Self::Canary }
    }

    /// Its name in a rollout's own specification.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::BlueGreen => "blueGreen",
        }
    }
}

/// The hash of the pod template that serves when an update is aborted; empty before the first was completed.
pub(crate) fn stable(rollout: &Object) -> &str {
    rollout.text("/status/stableRS")
}

/// The hash of the newest pod template that the controller has seen.
pub(crate) fn current(rollout: &Object) -> &str {
    rollout.text("/status/currentPodHash")
}

/// Whether a version is being replaced by another.
pub(crate) fn is_updating(rollout: &Object) -> bool {
    !stable(rollout).is_empty() && !current(rollout).is_empty() && stable(rollout) != current(rollout)
}

/// Whether the update was aborted.
pub(crate) fn is_aborted(rollout: &Object) -> bool {
    rollout.at("/status/abort") == true
}

/// Whether somebody has paused it; the controller's own pauses are [`pauses`].
pub(crate) fn is_paused(rollout: &Object) -> bool {
    rollout.at("/spec/paused") == true
}

/// Why the controller has paused it, each with the time of its beginning, which tells it from a later one.
pub(crate) fn pauses(rollout: &Object) -> &[Value] {
    rollout.items("/status/pauseConditions")
}

/// The number of a canary's steps.
pub(crate) fn steps(rollout: &Object) -> i64 {
    i64::try_from(rollout.items("/spec/strategy/canary/steps").len()).unwrap_or(i64::MAX)
}

/// The index of a canary's step, from 0; the number of steps when all are behind it.
pub(crate) fn step(rollout: &Object) -> i64 {
    rollout.number("/status/currentStepIndex").unwrap_or_default()
}

/// Whether the controller has seen the newest specification, and that of the deployment that it refers to. It writes the
/// generations as text.
pub(crate) fn is_settled(rollout: &Object) -> bool {
    let observed = rollout.text("/status/observedGeneration");
    let own = match (rollout.number("/metadata/generation"), observed.parse::<i64>()) {
        (Some(generation), Ok(observed)) => observed >= generation,
        // Very old controllers write a hash there, which says nothing.
        _ => !observed.is_empty(),
    };
    let workload = rollout.annotation("rollout.argoproj.io/workload-generation");
    let seen = rollout.text("/status/workloadObservedGeneration");
    let referred = match workload {
        Some(workload) if rollout.at("/spec/workloadRef").is_object() && !seen.is_empty() => workload == seen,
        _ => true,
    };
    own && referred
}

/// The phase and its message, as people are shown them: what the status says holds only once the controller has seen
/// everything that was asked of it.
pub(crate) fn phase(rollout: &Object) -> (&str, &str) {
    if !is_settled(rollout) {
        return ("Progressing", "waiting for the controller to see the newest specification");
    }
    if rollout.at("/status/controllerPause") == true && pauses(rollout).is_empty() {
        return ("Progressing", "waiting for the controller to go on after a pause");
    }
    match rollout.text("/status/phase") {
        "" => ("Unknown", "the controller tells no phase"),
        phase => (phase, rollout.text("/status/message")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rollout(json: Value) -> Object {
        Object { json, date: None }
    }

    #[test]
    fn generations_are_texts_and_compared_as_numbers() {
        let cases = [
            (json!({ "metadata": { "generation": 9 }, "status": { "observedGeneration": "9" } }), true),
            (json!({ "metadata": { "generation": 10 }, "status": { "observedGeneration": "9" } }), false),
            (json!({ "metadata": { "generation": 9 }, "status": { "observedGeneration": "10" } }), true),
            (json!({ "metadata": { "generation": 9 }, "status": { "observedGeneration": "6c7f8" } }), true),
            (json!({ "metadata": { "generation": 1 } }), false),
        ];
        for (json, expected) in cases {
            assert_eq!(is_settled(&rollout(json.clone())), expected, "{json}");
        }
        let referring = |seen: &str| {
            rollout(json!({
                "metadata": { "generation": 1, "annotations": { "rollout.argoproj.io/workload-generation": "4" } },
                "spec": { "workloadRef": { "name": "web" } },
                "status": { "observedGeneration": "1", "workloadObservedGeneration": seen },
            }))
        };
        assert!(is_settled(&referring("4")) && !is_settled(&referring("3")));
    }

    #[test]
    fn a_phase_counts_only_when_it_is_of_now() {
        let of = |generation: i64, status: Value| {
            rollout(json!({ "metadata": { "generation": generation }, "status": status }))
        };
        let healthy = json!({ "observedGeneration": "2", "phase": "Healthy", "message": "m" });
        assert_eq!(phase(&of(2, healthy.clone())), ("Healthy", "m"));
        assert_eq!(phase(&of(3, healthy)).0, "Progressing");
        let unpausing = json!({ "observedGeneration": "2", "phase": "Paused", "controllerPause": true });
        assert_eq!(phase(&of(2, unpausing)).0, "Progressing");
        assert_eq!(phase(&of(2, json!({ "observedGeneration": "2" }))).0, "Unknown");
    }

    #[test]
    fn an_update_is_under_way_between_two_versions() {
        let cases = [("a", "b", true), ("a", "a", false), ("", "b", false), ("a", "", false)];
        for (stable, current, expected) in cases {
            let rollout = rollout(json!({ "status": { "stableRS": stable, "currentPodHash": current } }));
            assert_eq!(is_updating(&rollout), expected, "{stable} {current}");
        }
    }
}
