//! The words of the rule language besides Rhai's own: one table, from which come the reference, the editor definitions
//! and what is said of a call that fits none of them.

use crate::fault::{FaultKind, Refusal};

/// One function of the language.
pub(crate) struct Word {
    /// Its name.
    pub name: &'static str,
    /// What it is called on; empty for a plain function.
    pub on: &'static str,
    /// Its parameters with their types, and what it gives.
    pub signature: &'static str,
    /// What it does.
    pub doc: &'static str,
}

const fn word(on: &'static str, name: &'static str, signature: &'static str, doc: &'static str) -> Word {
    Word { name, on, signature, doc }
}

/// Functions that join steps to a plan.
pub(crate) const COMBINATORS: &[Word] = &[
    word(
        "",
        "sequence",
        "(parts: Array) -> Plan",
        "All in order; the first failure undoes what was applied.",
    ),
    word(
        "",
        "fallback",
        "(parts: Array) -> Plan",
        "The first whose verification holds; each that does not help is undone before the next.",
    ),
    word(
        "",
        "best",
        "(parts: Array) -> Plan",
        "A fallback, ordered by how often each part's first action helped before.",
    ),
    word(
        "",
        "escalate",
        "(parts: Array) -> Plan",
        "One plan for each escalation level, weakest first; beyond the last, a person.",
    ),
    word("", "skip", "(why: String) -> Skip", "Decides to do nothing, and says why."),
];

/// What can be said of a step.
pub(crate) const STEP_OPTIONS: &[Word] = &[
    word(
        "Step",
        "verify",
        "(condition: Condition, within: String) -> Step",
        "The step has helped when the condition holds within this time; otherwise it is undone.",
    ),
    word(
        "Step",
        "retry",
        "(times: int, first_delay: String) -> Step",
        "Further tries (1 to 10) after a passing failure; each delay is twice the one before.",
    ),
    word(
        "Step",
        "timeout",
        "(time: String) -> Step",
        "How long one application may take; 30s when not said.",
    ),
    word("Step", "revert_after", "(time: String) -> Step", "Undo it after this time, although it helped."),
    word("Step", "keep_on_failure", "() -> Step", "Leave it applied when it did not help."),
    word("Step", "needs_approval", "(why: String) -> Step", "Ask a person first."),
];

/// Comparisons of a probe (by its main field) or of one of its fields.
pub(crate) const COMPARISONS: &[Word] = &[
    word("Probe", "below", "(bound: float) -> Condition", "Less than the bound."),
    word("Probe", "at_most", "(bound: float) -> Condition", "Less than the bound, or equal."),
    word("Probe", "above", "(bound: float) -> Condition", "Greater than the bound."),
    word("Probe", "at_least", "(bound: float) -> Condition", "Greater than the bound, or equal."),
    word("Probe", "equals", "(value: ?) -> Condition", "Equal to a text, a number, true or false."),
    word(
        "Probe",
        "differs",
        "(value: ?) -> Condition",
        "Known, and other than a text, a number, true or false.",
    ),
    word(
        "Probe",
        "falls_by",
        "(share: float) -> Condition",
        "At least this share (above 0, up to 1) lower than just before the step.",
    ),
    word(
        "Probe",
        "rises_by",
        "(share: float) -> Condition",
        "At least this share (above 0) higher than just before the step.",
    ),
    word(
        "Probe",
        "field",
        "(path: String) -> Measure",
        "A field of the reading by its dotted path; `probe.name` is the same as `probe.field(\"name\")`.",
    ),
];

/// Functions that join conditions, and helpers.
pub(crate) const HELPERS: &[Word] = &[
    word("", "all_of", "(conditions: Array) -> Condition", "Holds when all of them hold."),
    word("", "any_of", "(conditions: Array) -> Condition", "Holds when at least one of them holds."),
    word(
        "",
        "is_known",
        "(value: ?) -> bool",
        "False for an inconclusive reading and for `()`, true for everything else.",
    ),
    word(
        "",
        "duration",
        "(text: String) -> float",
        "The seconds of a span of time: `duration(\"1h30m\")` is 5400.0.",
    ),
    word("", "min", "(a: float, b: float) -> float", "The smaller number; whole when both are."),
    word("", "max", "(a: float, b: float) -> float", "The greater number; whole when both are."),
    word("", "ceil", "(number: float) -> float", "The next whole number upwards; also `ceiling`."),
];

/// All words.
pub(crate) fn words() -> impl Iterator<Item = &'static Word> {
    [COMBINATORS, STEP_OPTIONS, COMPARISONS, HELPERS].into_iter().flatten()
}

/// Words of Rhai that no rule may use, with what to do instead.
pub(crate) const DISABLED: &[(&str, &str)] = &[
    ("eval", "a rule is what its text says; write the code itself"),
    ("import", "a rule is one file; adapters are there by their names: pg::connections(..)"),
    ("export", "a rule is one file; its constants and functions are its own"),
    ("this", "give the function a parameter: |x| x + 1"),
];

/// Words that Rhai keeps for itself without using them.
pub(crate) fn reserved_help(word: &str) -> String {
    match DISABLED.iter().find(|(disabled, _)| *disabled == word) {
        Some((_, instead)) => (*instead).to_owned(),
        None => "choose another name".to_owned(),
    }
}

/// What is said of a call that no function takes. Rhai's signature is `name (type, type)`, for a function of an adapter
/// `module::name (type, type)`.
pub(crate) fn wrong_call(signature: &str) -> Refusal {
    let (name, types) = signature.split_once(' ').unwrap_or((signature, ""));
    let types: Vec<&str> = types.trim_matches(['(', ')']).split(", ").map(type_text).collect();
    let script = |message: String| Refusal::new(FaultKind::Script, message);
    if !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':') {
        let operands = types.join(" and ");
        let refusal = script(format!("the operator {name} does not take {operands}"));
        return match types.contains(&"nothing") {
            true => refusal.help(
                "what is missing is a label, a field of a reading, or a result; test it with is_known()",
            ),
            false => refusal,
        };
    }
    let refusal = script(format!("{name}() does not take {}", types.join(", ")));
    let takes: Vec<String> = words()
        .filter(|word| word.name == name)
        .map(|word| {
            if word.on.is_empty() {
                format!("{name}{}", word.signature)
            } else {
                format!("{}.{name}{}", word.on, word.signature)
            }
        })
        .collect();
    if types.first() == Some(&"Plan") && STEP_OPTIONS.iter().any(|word| word.name == name) {
        return refusal.help(format!("{name} belongs to a step, not to a combinator"));
    }
    match (takes.is_empty(), types.first()) {
        (false, _) => refusal.help(takes.join(" or ")),
        (true, Some(&"nothing")) => refusal
            .help("what is missing is a label, a field of a reading, or a result; test it with is_known()"),
        (true, _) => refusal,
    }
}

/// A type of Rhai as people call it.
pub(crate) fn type_text(name: &str) -> &str {
    match name {
        "" | "()" => "nothing",
        "&str | ImmutableString | String" | "ImmutableString" | "string" => "a text",
        "i64" => "a whole number",
        "f64" => "a number",
        "bool" => "true or false",
        other => other,
    }
}
