//! The section `policy`: the operator's limits, with the defaults of [`Policy::default`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use selfheal_contract::settings::Section;
use selfheal_core::policy::{BlastRadius, Contested, Policy};
use selfheal_core::rule::{Mode, Priority};
use selfheal_core::span::Span;
use serde::{Serialize, Serializer};

use super::maintenance;
use super::reading::names;

const WEEK: Span = Span::from_hours(7 * 24);
const DAY: Span = Span::from_hours(24);

/// Reads the section.
///
/// | key | unit and range | default |
/// |---|---|---|
/// | `mode` | `shadow`, `approve`, `auto` | `auto` |
/// | `rule_modes` | map from a rule's name to a mode | none |
/// | `delays` | map from a priority to a duration, 0 to 7 d | critical 0, high 5 m, medium 15 m, low 1 h |
/// | `cooldown_min` | duration, 0 to 7 d | 5 m |
/// | `per_target_per_hour` | remediations, 1 to 10 000 | 10 |
/// | `in_all_per_hour` | remediations, 1 to 1 000 000 | 100 |
/// | `concurrent` | remediations, 1 to 10 000 | 10 |
/// | `steps` | steps of a plan, 1 to 64 | 16 |
/// | `blast_radius` | `item`, `object`, `service`, `cluster` | `service` |
/// | `replicas_min`, `replicas_max` | replicas, 0 and 1 to 10 000 | 1, 10 |
/// | `forbidden`, `needs_approval` | lists of `adapter.action` or `adapter.*` | none |
/// | `contested` | `act`, `ask`, `refuse` | `refuse` |
/// | `approval_ttl` | duration, 1 m to 7 d | 1 h |
/// | `storm_per_minute` | new issues of a rule, 0 (no limit) to 1 000 000 | 20 |
/// | `failure_share_max` | share, 0 to 1 | 0.3 |
/// | `failure_sample_min` | remediations, 1 to 10 000 | 10 |
/// | `breaker.failures` | failures in a row, 1 to 1000 | 5 |
/// | `breaker.open` | duration, 1 s to 1 d | 5 m |
/// | `target_wait` | duration, 1 s to 1 d | 15 m |
/// | `settle` | duration, 0 to 1 h | 1 m |
/// | `maintenance` | list of windows | none |
pub(super) fn check(section: &mut Section<'_>) -> Policy {
    let default = Policy::default();
    let mut breaker = section.section("breaker");
    let policy = Policy {
        mode: section.one_of("mode", Mode::NAMES, default.mode),
        rule_modes: rule_modes(section),
        delays: delays(section, &default),
        cooldown_min: duration(section, "cooldown_min", default.cooldown_min, Span::ZERO..=WEEK),
        per_target_per_hour: section.integer_or(
            "per_target_per_hour",
            default.per_target_per_hour,
            1..=10_000,
        ),
        in_all_per_hour: section.integer_or("in_all_per_hour", default.in_all_per_hour, 1..=1_000_000),
        concurrent: section.integer_or("concurrent", default.concurrent, 1..=10_000),
        steps: section.integer_or("steps", default.steps, 1..=64),
        blast_radius: section.one_of("blast_radius", BlastRadius::NAMES, default.blast_radius),
        replicas_min: section.integer_or("replicas_min", default.replicas_min, 0..=10_000),
        replicas_max: section.integer_or("replicas_max", default.replicas_max, 1..=10_000),
        forbidden: actions(section, "forbidden"),
        needs_approval: actions(section, "needs_approval"),
        contested: section.one_of("contested", Contested::NAMES, default.contested),
        approval_ttl: duration(section, "approval_ttl", default.approval_ttl, Span::from_mins(1)..=WEEK),
        storm_per_minute: section.integer_or("storm_per_minute", default.storm_per_minute, 0..=1_000_000),
        failure_share_max: section.float_or("failure_share_max", default.failure_share_max, 0.0..=1.0),
        failure_sample_min: section.integer_or("failure_sample_min", default.failure_sample_min, 1..=10_000),
        breaker_failures: breaker.integer_or("failures", default.breaker_failures, 1..=1000),
        breaker_open: duration(&mut breaker, "open", default.breaker_open, Span::from_secs(1)..=DAY),
        target_wait: duration(section, "target_wait", default.target_wait, Span::from_secs(1)..=DAY),
        settle: duration(section, "settle", default.settle, Span::ZERO..=Span::from_hours(1)),
        maintenance: section.list("maintenance").into_iter().filter_map(maintenance::window).collect(),
    };
    breaker.finish();
    if policy.replicas_min > policy.replicas_max {
        let Policy { replicas_min, replicas_max, .. } = policy;
        let (name, problem) = if section.has("replicas_min") {
            ("replicas_min", format!("{replicas_min} is more than replicas_max, which is {replicas_max}"))
        } else {
            ("replicas_max", format!("{replicas_max} is less than replicas_min, which is {replicas_min}"))
        };
        section.reject(name, problem, Some("raise replicas_max, or lower replicas_min"));
    }
    section.finish();
    policy
}

fn duration(
    section: &mut Section<'_>,
    name: &str,
    default: Duration,
    range: RangeInclusive<Span>,
) -> Duration {
    section.span_or(name, Span::from(default), range).duration()
}

fn rule_modes(section: &mut Section<'_>) -> BTreeMap<String, Mode> {
    let rules = names(section, "rule_modes");
    let mut modes = section.section("rule_modes");
    rules
        .into_iter()
        .map(|rule| {
            if modes.node(rule).is_none() {
                modes.reject(rule, "a mode is required: shadow, approve or auto", None);
            }
            // The strictest stands in for a faulty one.
            (rule.to_owned(), modes.one_of(rule, Mode::NAMES, Mode::Shadow))
        })
        .collect()
}

fn delays(section: &mut Section<'_>, default: &Policy) -> BTreeMap<Priority, Duration> {
    let mut delays = section.section("delays");
    let delay = |&(name, priority): &(&str, Priority)| {
        (priority, duration(&mut delays, name, default.delay(priority), Span::ZERO..=WEEK))
    };
    let read = Priority::NAMES.iter().map(delay).collect();
    delays.finish();
    read
}

/// The patterns under `name`. Whether there is such an action is only known once the adapters are connected.
fn actions(section: &mut Section<'_>, name: &str) -> Vec<String> {
    let patterns = section.texts(name);
    for pattern in patterns.iter().filter(|pattern| !is_action(pattern)) {
        let help = match pattern.replace("::", ".") {
            meant if is_action(&meant) => format!("did you mean {meant:?}?"),
            _ => "write one action as pg.terminate_idle, or all of an adapter as pg.*".to_owned(),
        };
        section.reject(name, format!("{pattern:?} names no action"), Some(&help));
    }
    patterns
}

fn is_action(pattern: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    pattern
        .split_once('.')
        .is_some_and(|(adapter, action)| is_word(adapter) && (action == "*" || is_word(action)))
}

/// The policy in the shape of its section.
pub(super) fn show<S: Serializer>(policy: &Policy, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Breaker {
        failures: u32,
        open: Span,
    }

    #[derive(Serialize)]
    struct Shown<'a> {
        mode: Mode,
        rule_modes: &'a BTreeMap<String, Mode>,
        delays: BTreeMap<&'static str, Span>,
        cooldown_min: Span,
        per_target_per_hour: u32,
        in_all_per_hour: u32,
        concurrent: u32,
        steps: u32,
        blast_radius: BlastRadius,
        replicas_min: u32,
        replicas_max: u32,
        forbidden: &'a [String],
        needs_approval: &'a [String],
        contested: Contested,
        approval_ttl: Span,
        storm_per_minute: u32,
        failure_share_max: f64,
        failure_sample_min: u32,
        breaker: Breaker,
        target_wait: Span,
        settle: Span,
        maintenance: Vec<maintenance::Shown<'a>>,
    }

    // Named in full, so that a new limit cannot be forgotten here.
    let Policy {
        mode,
        rule_modes,
        delays,
        cooldown_min,
        per_target_per_hour,
        in_all_per_hour,
        concurrent,
        steps,
        blast_radius,
        replicas_min,
        replicas_max,
        forbidden,
        needs_approval,
        contested,
        approval_ttl,
        storm_per_minute,
        failure_share_max,
        failure_sample_min,
        breaker_failures,
        breaker_open,
        target_wait,
        settle,
        maintenance,
    } = policy;
    Shown {
        mode: *mode,
        rule_modes,
        delays: delays.iter().map(|(priority, delay)| (priority.name(), Span::from(*delay))).collect(),
        cooldown_min: Span::from(*cooldown_min),
        per_target_per_hour: *per_target_per_hour,
        in_all_per_hour: *in_all_per_hour,
        concurrent: *concurrent,
        steps: *steps,
        blast_radius: *blast_radius,
        replicas_min: *replicas_min,
        replicas_max: *replicas_max,
        forbidden,
        needs_approval,
        contested: *contested,
        approval_ttl: Span::from(*approval_ttl),
        storm_per_minute: *storm_per_minute,
        failure_share_max: *failure_share_max,
        failure_sample_min: *failure_sample_min,
        breaker: Breaker { failures: *breaker_failures, open: Span::from(*breaker_open) },
        target_wait: Span::from(*target_wait),
        settle: Span::from(*settle),
        maintenance: maintenance.iter().map(maintenance::shown).collect(),
    }
    .serialize(serializer)
}
