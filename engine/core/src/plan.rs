//! Plans: data that says what to do, in which order, how to tell that it helped, and what to undo.
//!
//! A script returns a [`Draft`]. Resolving it, with the escalation level and the recorded success of each
//! alternative, gives a [`Plan`], in which nothing is left to choose. The plan is what is shown, approved, hashed
//! and executed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::condition::{Condition, call_text};
use crate::hash::ContentHash;
use crate::span::Span;
use crate::success::SuccessRecord;

/// What a rule's `plan` function returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Do nothing, because.
    Skip(String),
    /// Do this.
    Act(Draft),
}

/// A plan with choices still open.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// One use of an action.
    Step(Box<StepDraft>),
    /// All in order; the first failure undoes what was applied.
    Sequence(Vec<Draft>),
    /// The first whose verification holds.
    Fallback(Vec<Draft>),
    /// A fallback ordered by recorded success.
    Best(Vec<Draft>),
    /// One plan for each escalation level, weakest first; beyond the last, a person.
    Escalate(Vec<Draft>),
}

/// One use of an action, as a rule wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDraft {
    /// The action and its parameters.
    pub action: ActionCall,
    /// How it is to be carried out.
    pub options: StepOptions,
    /// Where in the rule's text it was written (line, from 1).
    pub line: Option<u32>,
}

/// A use of an action, with absolute values only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionCall {
    /// The adapter's name in rules, for example `pg`.
    pub adapter: String,
    /// The action's name, for example `terminate_idle`.
    pub action: String,
    /// Parameters by name.
    pub params: Map<String, Value>,
}

impl ActionCall {
    /// `adapter.action`, the name under which success is recorded and policy speaks of it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.adapter, self.action)
    }

    /// The call as people read it.
    pub fn text(&self) -> String {
        call_text(&self.adapter, &self.action, &self.params)
    }
}

/// How a step is carried out, verified and undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOptions {
    /// What shows that it helped. Without it, having been applied is all that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Further tries after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long one application may take.
    pub timeout: Span,
    /// Undo it after this time, although it helped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert_after: Option<Span>,
    /// Leave it applied when it did not help.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_on_failure: bool,
    /// Ask a person first, because.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_approval: Option<String>,
}

/// The time that one application of an action may take when a rule names none.
pub const STEP_TIMEOUT_DEFAULT: std::time::Duration = std::time::Duration::from_secs(30);

impl Default for StepOptions {
    fn default() -> Self {
        Self {
            verify: None,
            retry: None,
            timeout: Span::from(STEP_TIMEOUT_DEFAULT),
            revert_after: None,
            keep_on_failure: false,
            needs_approval: None,
        }
    }
}

/// What must hold, and how long it may take to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// The condition.
    pub condition: Condition,
    /// From the end of the application.
    pub within: Span,
}

/// Further tries, each after twice the delay of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many further tries, 1 to [`RETRIES_MAX`].
    pub times: u32,
    /// The delay before the first of them.
    pub first_delay: Span,
}

/// The most further tries that a step may ask for.
pub const RETRIES_MAX: u32 = 10;

impl Retry {
    /// The delay before further try `number` (from 1).
    pub fn delay(&self, number: u32) -> std::time::Duration {
        let doublings = number.saturating_sub(1).min(RETRIES_MAX);
        std::time::Duration::from(self.first_delay).saturating_mul(1 << doublings)
    }
}

/// A plan with nothing left to choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// One use of an action.
    Step(Box<Step>),
    /// All in order.
    Sequence(Vec<Plan>),
    /// The first whose verification holds.
    Fallback(Vec<Plan>),
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the plan: indexes from the root, joined by dots (`0.1`); the root alone is `0`.
    pub path: String,
    /// The action and its parameters.
    #[serde(flatten)]
    pub action: ActionCall,
    /// How it is carried out.
    #[serde(flatten)]
    pub options: StepOptions,
    /// Line of the rule's text, for people; not part of the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Why alternatives stand in the order in which they stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The place in the plan that was decided.
    pub path: String,
    /// What was chosen, and on which facts.
    pub why: String,
}

/// A draft that offers nothing for this escalation level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("level {level} was reached and the rule has {offered} plan(s): a person is needed")]
pub struct BeyondLastPlan {
    /// The level reached, from 0.
    pub level: u32,
    /// How many plans the rule offers.
    pub offered: u32,
}

impl Draft {
    /// Settles every choice. `record` gives an action's recorded success by its name ([`ActionCall::name`]).
    ///
    /// A draft without `escalate` is its own only plan: any level above 0 is beyond it.
    pub fn resolve(
        self,
        level: u32,
        record: &dyn Fn(&str) -> SuccessRecord,
    ) -> Result<(Plan, Vec<Choice>), BeyondLastPlan> {
        let mut choices = Vec::new();
        let chosen = match self {
            Self::Escalate(plans) => {
                let offered = plans.len() as u32;
                let why = format!("level {level} of {offered} plans");
                choices.push(Choice { path: "0".to_owned(), why });
                plans.into_iter().nth(level as usize).ok_or(BeyondLastPlan { level, offered })?
            }
            _ if level > 0 => return Err(BeyondLastPlan { level, offered: 1 }),
            only => only,
        };
        Ok((chosen.settle("0".to_owned(), record, &mut choices), choices))
    }

    fn settle(self, path: String, record: &dyn Fn(&str) -> SuccessRecord, choices: &mut Vec<Choice>) -> Plan {
        let children = |parts: Vec<Draft>, choices: &mut Vec<Choice>| {
            let settle = |(i, part): (usize, Draft)| part.settle(format!("{path}.{i}"), record, choices);
            parts.into_iter().enumerate().map(settle).collect::<Vec<Plan>>()
        };
        match self {
            Self::Step(step) => {
                let StepDraft { action, options, line } = *step;
                Plan::Step(Box::new(Step { path, action, options, line }))
            }
            Self::Sequence(parts) => Plan::Sequence(children(parts, choices)),
            // Escalation inside a plan has no level of its own: its parts are alternatives, weakest first.
            Self::Fallback(parts) | Self::Escalate(parts) => Plan::Fallback(children(parts, choices)),
            Self::Best(parts) => {
                let parts = by_success(parts, &path, record, choices);
                Plan::Fallback(children(parts, choices))
            }
        }
    }

    /// An alternative is judged by its first step: that is what is tried first.
    fn leading_action(&self) -> Option<&ActionCall> {
        match self {
            Self::Step(step) => Some(&step.action),
            Self::Sequence(parts) | Self::Fallback(parts) | Self::Best(parts) | Self::Escalate(parts) => {
                parts.first()?.leading_action()
            }
        }
    }
}

fn by_success(
    parts: Vec<Draft>,
    path: &str,
    record: &dyn Fn(&str) -> SuccessRecord,
    choices: &mut Vec<Choice>,
) -> Vec<Draft> {
    let mut rated: Vec<(String, SuccessRecord, Draft)> = parts
        .into_iter()
        .map(|part| {
            let name = part.leading_action().map(ActionCall::name).unwrap_or_default();
            (name.clone(), record(&name), part)
        })
        .collect();
    // The sort is stable: equals stay in the order in which the rule wrote them.
    rated.sort_by(|a, b| b.1.expected_rate().total_cmp(&a.1.expected_rate()));
    let facts: Vec<String> = rated.iter().map(|(name, record, _)| format!("{name}: {record}")).collect();
    choices.push(Choice { path: path.to_owned(), why: format!("best first: {}", facts.join("; ")) });
    rated.into_iter().map(|(_, _, part)| part).collect()
}

impl Plan {
    /// The hash that names this plan: over all of it but the lines of the rule's text.
    pub fn hash(&self) -> ContentHash {
        let mut bare = self.clone();
        bare.steps_mut(&mut |step| step.line = None);
        ContentHash::of_json(&serde_json::to_value(&bare).expect("a plan holds only JSON with text keys"))
    }

    /// All steps, in the order in which they are written.
    pub fn steps(&self) -> Vec<&Step> {
        match self {
            Self::Step(step) => vec![step],
            Self::Sequence(parts) | Self::Fallback(parts) => parts.iter().flat_map(Self::steps).collect(),
        }
    }

    fn steps_mut(&mut self, see: &mut impl FnMut(&mut Step)) {
        match self {
            Self::Step(step) => see(step),
            Self::Sequence(parts) | Self::Fallback(parts) => {
                parts.iter_mut().for_each(|part| part.steps_mut(see));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(name: &str) -> Draft {
        let params = json!({ "value": 1 }).as_object().unwrap().clone();
        let action = ActionCall { adapter: "log".into(), action: name.into(), params };
        Draft::Step(Box::new(StepDraft { action, options: StepOptions::default(), line: Some(7) }))
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.steps().iter().map(|step| format!("{} {}", step.path, step.action.action)).collect()
    }

    fn never_tried(_: &str) -> SuccessRecord {
        SuccessRecord::default()
    }

    #[test]
    fn best_is_a_fallback_ordered_by_success_and_says_so() {
        let record = |name: &str| match name {
            "log.b" => SuccessRecord { successes: 5, failures: 0 },
            "log.a" => SuccessRecord { successes: 0, failures: 2 },
            _ => SuccessRecord::default(),
        };
        let draft = Draft::Best(vec![step("a"), step("c"), Draft::Sequence(vec![step("b"), step("a")])]);
        let (plan, choices) = draft.resolve(0, &record).unwrap();
        assert_eq!(names(&plan), ["0.0.0 b", "0.0.1 a", "0.1 c", "0.2 a"]);
        assert!(choices[0].why.starts_with("best first: log.b: 5 of 5 helped"), "{choices:?}");
    }

    #[test]
    fn levels_choose_a_stronger_plan_and_then_a_person() {
        let draft = || Draft::Escalate(vec![step("weak"), step("strong")]);
        assert_eq!(names(&draft().resolve(0, &never_tried).unwrap().0), ["0 weak"]);
        assert_eq!(names(&draft().resolve(1, &never_tried).unwrap().0), ["0 strong"]);
        assert_eq!(draft().resolve(2, &never_tried).unwrap_err(), BeyondLastPlan { level: 2, offered: 2 });
        assert!(step("only").resolve(1, &never_tried).is_err());
    }

    #[test]
    fn the_hash_depends_on_what_is_done_and_not_on_where_it_was_written() {
        let plan = |draft: Draft| draft.resolve(0, &never_tried).unwrap().0;
        let mut moved = plan(step("a"));
        moved.steps_mut(&mut |step| step.line = None);
        assert_eq!(plan(step("a")).hash(), moved.hash());
        assert_ne!(plan(step("a")).hash(), plan(step("b")).hash());
        let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan(step("a"))).unwrap()).unwrap();
        assert_eq!(stored.hash(), plan(step("a")).hash());
    }

    #[test]
    fn delays_double() {
        let retry = Retry { times: 3, first_delay: Span::from(std::time::Duration::from_secs(2)) };
        let seconds: Vec<u64> = (1..=3).map(|n| retry.delay(n).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8]);
    }
}
