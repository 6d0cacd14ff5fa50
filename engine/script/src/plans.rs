//! Plans as scripts build them: steps joined by combinators, bounded in size and depth as they grow.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};
use selfheal_core::plan::{Decision, Draft};

use crate::arguments::shown;
use crate::fault::{FaultKind, Refusal, cut, refused};
use crate::limits::Limits;
use crate::meter;
use crate::steps::Step;

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// What a combinator makes of its parts.
type Join = fn(Vec<Draft>) -> Draft;

/// Steps joined by a combinator.
#[derive(Clone)]
pub(crate) struct Plan {
    join: Join,
    name: &'static str,
    parts: Arc<Vec<Part>>,
    size: usize,
    depth: usize,
}

/// A decision to do nothing.
#[derive(Clone)]
struct Skip(ImmutableString);

#[derive(Clone)]
enum Part {
    Step(Step),
    Plan(Plan),
}

impl Part {
    fn size(&self) -> usize {
        match self {
            Self::Step(_) => 1,
            Self::Plan(plan) => plan.size,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Step(_) => 0,
            Self::Plan(plan) => plan.depth,
        }
    }

    fn into_draft(self) -> Draft {
        match self {
            Self::Step(step) => Draft::Step(Box::new(step.into_draft())),
            Self::Plan(plan) => {
                let parts = Arc::unwrap_or_clone(plan.parts);
                (plan.join)(parts.into_iter().map(Self::into_draft).collect())
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Step(step) => step.text(),
            Self::Plan(plan) => {
                let parts: Vec<String> = plan.parts.iter().map(Self::text).collect();
                format!("{}([{}])", plan.name, parts.join(", "))
            }
        }
    }
}

fn combine(name: &'static str, join: Join, given: Array, limits: &Limits) -> Outcome<Plan> {
    if !meter::make(limits) {
        return Err(meter::too_many_made().into());
    }
    if given.is_empty() {
        return Err(refused(format!("{name}([]) has no steps"))
            .help("to do nothing, return skip(why)")
            .into());
    }
    let (mut parts, mut size, mut depth) = (Vec::with_capacity(given.len()), 0, 1);
    for (at, value) in given.into_iter().enumerate() {
        let part = part(value).map_err(|value| not_a_part(name, at, &value))?;
        size += part.size();
        depth = depth.max(part.depth() + 1);
        parts.push(part);
        if size > limits.plan_steps || depth > limits.plan_depth {
            let message = format!(
                "a plan has at most {} steps, in combinators at most {} deep",
                limits.plan_steps, limits.plan_depth
            );
            return Err(Refusal::new(FaultKind::Size, message).into());
        }
    }
    Ok(Plan { join, name, parts: Arc::new(parts), size, depth })
}

/// The value as a part of a plan, or the value itself when it is none.
fn part(value: Dynamic) -> Result<Part, Dynamic> {
    let value = match value.try_cast_result::<Step>() {
        Ok(step) => return Ok(Part::Step(step)),
        Err(value) => value,
    };
    value.try_cast_result::<Plan>().map(Part::Plan)
}

fn not_a_part(name: &str, at: usize, value: &Dynamic) -> Refusal {
    let refusal =
        refused(format!("{name}: element {at} must be a step or a combinator, found {}", shown(value)));
    if value.is::<Skip>() {
        refusal.help("skip(why) stands alone: return it")
    } else if value.is_array() {
        refusal.help("wrap the inner array in sequence([..]) or fallback([..])")
    } else {
        refusal
    }
}

/// What `plan` returned, as a decision.
pub(crate) fn decision(value: Dynamic) -> Result<Decision, Refusal> {
    if let Some(skip) = value.read_lock::<Skip>() {
        return Ok(Decision::Skip(skip.0.to_string()));
    }
    match part(value) {
        Ok(part) => Ok(Decision::Act(part.into_draft())),
        Err(value) => Err(no_decision(&value)),
    }
}

fn no_decision(value: &Dynamic) -> Refusal {
    let refusal = |found: &str| {
        Refusal::new(
            FaultKind::WrongReturn,
            format!("plan must return a step, a combinator or skip(why), found {found}"),
        )
    };
    if value.is_unit() {
        refusal("nothing").help("every way through plan must end in one of them")
    } else if value.is_array() {
        refusal("an array").help("say how its steps belong together: sequence([..]), fallback([..])")
    } else {
        refusal(&shown(value))
    }
}

/// Makes plans known to scripts.
pub(crate) fn register(engine: &mut Engine, limits: &Arc<Limits>) {
    engine.register_type_with_name::<Plan>("Plan");
    engine.register_type_with_name::<Skip>("Skip");
    let combinators: [(&'static str, Join); 4] = [
        ("sequence", Draft::Sequence),
        ("fallback", Draft::Fallback),
        ("best", Draft::Best),
        ("escalate", Draft::Escalate),
    ];
    for (name, join) in combinators {
        let limits = Arc::clone(limits);
        engine.register_fn(name, move |parts: Array| combine(name, join, parts, &limits));
    }
    engine.register_fn("skip", |why: ImmutableString| -> Outcome<Skip> {
        if why.trim().is_empty() { Err(refused("skip: say why").into()) } else { Ok(Skip(cut(&why).into())) }
    });
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |plan: &mut Plan| Part::Plan(plan.clone()).text());
        engine.register_fn(name, |skip: &mut Skip| format!("skip({:?})", skip.0.as_str()));
    }
}
