//! Steps as scripts build them: one use of an action, and how it is to be carried out.
//!
//! An option gives a new step and leaves the old one as it was, so that a step kept in a variable can be used twice.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};
use selfheal_core::plan::{ActionCall, RETRIES_MAX, Retry, StepDraft, StepOptions, Verify};
use selfheal_core::span::Span;

use crate::arguments::{shown, span};
use crate::conditions::{Judged, Measure, Probe};
use crate::fault::{Refusal, cut, refused};

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// One use of an action.
#[derive(Clone)]
pub(crate) struct Step {
    action: Arc<ActionCall>,
    options: Options,
    line: Option<u32>,
}

/// The options that were set; what was not set has the default of [`StepOptions`].
#[derive(Clone, Default)]
struct Options {
    verify: Option<(Judged, Span)>,
    retry: Option<Retry>,
    timeout: Option<Span>,
    revert_after: Option<Span>,
    keep_on_failure: bool,
    needs_approval: Option<ImmutableString>,
}

impl Step {
    pub fn new(action: ActionCall, line: Option<u32>) -> Self {
        Self { action: Arc::new(action), options: Options::default(), line }
    }

    /// The step as the plan has it.
    pub fn into_draft(self) -> StepDraft {
        let defaults = StepOptions::default();
        let options = StepOptions {
            verify: self
                .options
                .verify
                .map(|(judged, within)| Verify { condition: Arc::unwrap_or_clone(judged.condition), within }),
            retry: self.options.retry,
            timeout: self.options.timeout.unwrap_or(defaults.timeout),
            revert_after: self.options.revert_after,
            keep_on_failure: self.options.keep_on_failure,
            needs_approval: self.options.needs_approval.map(Into::into),
        };
        StepDraft { action: Arc::unwrap_or_clone(self.action), options, line: self.line }
    }

    pub fn text(&self) -> String {
        self.action.text()
    }

    fn verify(&self, condition: &Dynamic, within: &Dynamic) -> Outcome<Self> {
        let Some(judged) = condition.read_lock::<Judged>() else {
            let refusal = refused(format!("verify: expected a condition, found {}", shown(condition)));
            let probe =
                condition.read_lock::<Probe>().is_some() || condition.read_lock::<Measure>().is_some();
            return Err(match probe {
                true => refusal.help("compare the probe: probe.below(0.05)").into(),
                false => refusal.into(),
            });
        };
        let within = positive("verify", within)?;
        self.set("verify", |options| &mut options.verify, (judged.clone(), within))
    }

    fn retry(&self, times: i64, first_delay: &Dynamic) -> Outcome<Self> {
        let times = retries(times)?;
        let first_delay = positive("retry", first_delay)?;
        self.set("retry", |options| &mut options.retry, Retry { times, first_delay })
    }

    /// Sets an option that was not set before.
    fn set<T>(&self, name: &str, slot: impl Fn(&mut Options) -> &mut Option<T>, value: T) -> Outcome<Self> {
        let mut step = self.clone();
        let slot = slot(&mut step.options);
        if slot.is_some() {
            return Err(refused(format!("{name} was already set on this step")).into());
        }
        *slot = Some(value);
        Ok(step)
    }
}

/// A span of time that is not zero.
pub(crate) fn positive(name: &str, value: &Dynamic) -> Result<Span, Refusal> {
    let span = span(name, value)?;
    if span.is_zero() { Err(refused(format!("{name}: no time at all"))) } else { Ok(span) }
}

/// How often a step may be tried again.
pub(crate) fn retries(times: i64) -> Result<u32, Refusal> {
    let times = u32::try_from(times).ok().filter(|times| (1..=RETRIES_MAX).contains(times));
    times.ok_or_else(|| refused(format!("retry: a step may be tried 1 to {RETRIES_MAX} further times")))
}

fn reason(name: &str, why: &ImmutableString) -> Outcome<ImmutableString> {
    if why.trim().is_empty() {
        return Err(refused(format!("{name}: say why")).into());
    }
    Ok(cut(why).into())
}

/// Makes steps known to scripts.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Step>("Step");
    engine.register_fn("verify", |step: &mut Step, condition: Dynamic, within: Dynamic| {
        step.verify(&condition, &within)
    });
    // Found at once for what is expected; the one above says what is wrong with anything else.
    engine.register_fn("verify", |step: &mut Step, condition: Judged, within: ImmutableString| {
        step.verify(&Dynamic::from(condition), &within.into())
    });
    engine.register_fn("retry", |step: &mut Step, times: i64, first_delay: Dynamic| {
        step.retry(times, &first_delay)
    });
    engine.register_fn("timeout", |step: &mut Step, time: Dynamic| {
        step.set("timeout", |options| &mut options.timeout, positive("timeout", &time)?)
    });
    engine.register_fn("revert_after", |step: &mut Step, time: Dynamic| {
        step.set("revert_after", |options| &mut options.revert_after, positive("revert_after", &time)?)
    });
    engine.register_fn("keep_on_failure", |step: &mut Step| {
        let mut step = step.clone();
        step.options.keep_on_failure = true;
        step
    });
    engine.register_fn("needs_approval", |step: &mut Step, why: ImmutableString| {
        let why = reason("needs_approval", &why)?;
        step.set("needs_approval", |options| &mut options.needs_approval, why)
    });
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |step: &mut Step| step.text());
    }
}
