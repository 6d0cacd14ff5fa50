//! Probes, measures and conditions as scripts handle them: data that says what to read and how to judge it.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};
use selfheal_core::condition::{Condition, ProbeCall, Test};

use crate::arguments::{number, shown};
use crate::fault::{FaultKind, refused};
use crate::fields::ProbeFacts;
use crate::limits::Limits;
use crate::meter;
use crate::record::to_json;

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// The comparisons and conditions of one step may nest this deep.
const DEPTH_MAX: usize = 8;
/// The comparisons of one step.
const COMPARISONS_MAX: usize = 64;

/// A read-only question to an adapter.
#[derive(Clone)]
pub(crate) struct Probe {
    pub call: Arc<ProbeCall>,
    facts: Arc<ProbeFacts>,
}

impl Probe {
    pub fn new(call: ProbeCall, facts: Arc<ProbeFacts>) -> Self {
        Self { call: Arc::new(call), facts }
    }

    fn measure(&self, field: &str) -> Outcome<Measure> {
        if self.facts.has(field) || self.facts.leads_on(field) {
            Ok(Measure { probe: self.clone(), field: field.into() })
        } else {
            Err(self.facts.unknown(FaultKind::Refused, field).into())
        }
    }
}

/// One field of a probe's reading.
#[derive(Clone)]
pub(crate) struct Measure {
    probe: Probe,
    field: ImmutableString,
}

impl Measure {
    fn inner(&self, name: &str) -> Outcome<Measure> {
        self.probe.measure(&format!("{}.{name}", self.field))
    }
}

/// What can be compared: a measure, or a probe by its main field.
trait Comparable {
    fn parts(&self) -> Outcome<(&Probe, &str)>;

    fn compare(&self, test: Test, limits: &Limits) -> Outcome<Judged> {
        let (probe, field) = self.parts()?;
        made(limits)?;
        let condition =
            Condition::Compare { probe: ProbeCall::clone(&probe.call), field: field.to_owned(), test };
        Ok(Judged { condition: Arc::new(condition), comparisons: 1, depth: 1 })
    }
}

impl Comparable for Probe {
    fn parts(&self) -> Outcome<(&Probe, &str)> {
        Ok((self, self.facts.main_field()))
    }
}

impl Comparable for Measure {
    fn parts(&self) -> Outcome<(&Probe, &str)> {
        if self.probe.facts.has(&self.field) {
            Ok((&self.probe, &self.field))
        } else {
            Err(self.probe.facts.unknown(FaultKind::Refused, &self.field).into())
        }
    }
}

/// A condition, with its size.
#[derive(Clone)]
pub(crate) struct Judged {
    pub condition: Arc<Condition>,
    comparisons: usize,
    depth: usize,
}

fn made(limits: &Limits) -> Outcome<()> {
    if meter::make(limits) { Ok(()) } else { Err(meter::too_many_made().into()) }
}

fn join(
    name: &str,
    parts: &Array,
    limits: &Limits,
    joined: fn(Vec<Condition>) -> Condition,
) -> Outcome<Judged> {
    made(limits)?;
    if parts.is_empty() {
        return Err(refused(format!("{name}([]) joins nothing")).into());
    }
    let (mut conditions, mut comparisons, mut depth) = (Vec::new(), 0, 0);
    for (at, part) in parts.iter().enumerate() {
        let Some(part) = part.read_lock::<Judged>() else {
            let message = format!("{name}: element {at} must be a condition, found {}", shown(part));
            return Err(refused(message).help("compare a probe first: probe.below(5)").into());
        };
        comparisons += part.comparisons;
        depth = depth.max(part.depth + 1);
        if comparisons > COMPARISONS_MAX || depth > DEPTH_MAX {
            let message = format!("a condition has at most {COMPARISONS_MAX} comparisons, {DEPTH_MAX} deep");
            return Err(refused(message).into());
        }
        conditions.push(Condition::clone(&part.condition));
    }
    Ok(Judged { condition: Arc::new(joined(conditions)), comparisons, depth })
}

fn share(name: &str, value: &Dynamic, most: f64) -> Outcome<f64> {
    let share = number(name, value)?;
    if share > 0.0 && share <= most {
        Ok(share)
    } else {
        let range = if most.is_finite() { format!("above 0, up to {most}") } else { "above 0".to_owned() };
        Err(refused(format!("{name}: expected a share {range}, found {share}"))
            .help("a share is a part of one: 0.2 is 20 %")
            .into())
    }
}

fn scalar(name: &str, value: &Dynamic) -> Outcome<serde_json::Value> {
    to_json(value).ok_or_else(|| {
        refused(format!("{name}: expected a text, a number, true or false, found {}", shown(value))).into()
    })
}

/// Registers every comparison for one type that can be compared.
fn register_comparisons<C: Comparable + Clone + Send + Sync + 'static>(
    engine: &mut Engine,
    limits: &Arc<Limits>,
) {
    type Make = fn(&Dynamic) -> Outcome<Test>;
    let tests: [(&str, Make); 8] = [
        ("below", |bound| Ok(Test::Below(number("below", bound)?))),
        ("at_most", |bound| Ok(Test::AtMost(number("at_most", bound)?))),
        ("above", |bound| Ok(Test::Above(number("above", bound)?))),
        ("at_least", |bound| Ok(Test::AtLeast(number("at_least", bound)?))),
        ("equals", |value| Ok(Test::Equals(scalar("equals", value)?))),
        ("differs", |value| Ok(Test::Differs(scalar("differs", value)?))),
        ("falls_by", |part| Ok(Test::FallsBy(share("falls_by", part, 1.0)?))),
        ("rises_by", |part| Ok(Test::RisesBy(share("rises_by", part, f64::INFINITY)?))),
    ];
    for (name, make) in tests {
        let bounds = Arc::clone(limits);
        engine.register_fn(name, move |left: &mut C, right: Dynamic| left.compare(make(&right)?, &bounds));
        // Found at once for the commonest type; the one above says what is wrong with others.
        let bounds = Arc::clone(limits);
        engine.register_fn(name, move |left: &mut C, right: f64| left.compare(make(&right.into())?, &bounds));
    }
}

/// Makes probes and conditions known to scripts; `fields` are those that probes document, which are found fastest.
pub(crate) fn register(engine: &mut Engine, limits: &Arc<Limits>, fields: &[&'static str]) {
    engine.register_type_with_name::<Probe>("Probe");
    engine.register_type_with_name::<Measure>("Measure");
    engine.register_type_with_name::<Judged>("Condition");
    for &name in fields {
        engine.register_get(name, move |probe: &mut Probe| probe.measure(name));
        engine.register_get(name, move |measure: &mut Measure| measure.inner(name));
    }
    engine.register_indexer_get(|probe: &mut Probe, name: ImmutableString| probe.measure(&name));
    engine.register_indexer_get(|measure: &mut Measure, name: ImmutableString| measure.inner(&name));
    engine.register_fn("field", |probe: &mut Probe, name: ImmutableString| probe.measure(&name));
    engine.register_fn("field", |measure: &mut Measure, name: ImmutableString| measure.inner(&name));
    register_comparisons::<Probe>(engine, limits);
    register_comparisons::<Measure>(engine, limits);
    for (name, joined) in [
        ("all_of", Condition::All as fn(Vec<Condition>) -> Condition),
        ("any_of", Condition::Any as fn(Vec<Condition>) -> Condition),
    ] {
        let limits = Arc::clone(limits);
        engine.register_fn(name, move |parts: Array| join(name, &parts, &limits, joined));
    }
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |probe: &mut Probe| probe.call.key());
        engine.register_fn(name, |measure: &mut Measure| {
            format!("{}.{}", measure.probe.call.key(), measure.field)
        });
        engine.register_fn(name, |judged: &mut Judged| judged.condition.to_string());
    }
}
