//! Why a rule's function gave no answer: Rhai's errors and this crate's refusals, as an operator reads them.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::diagnostic::{Diagnostic, Source};
use crate::language::type_text;
use crate::limits::Limits;
use crate::meter::Stop;

/// What kind of fault it is; the name is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The script is wrong: an unknown property, a wrong type, a division by zero, a `throw`.
    Script,
    /// It used up its operations.
    Operations,
    /// It made something too large, or too much of it.
    Size,
    /// It took too long.
    Deadline,
    /// It returned something that is no answer.
    WrongReturn,
    /// An action, a probe or a step option refused a value.
    Refused,
    /// The engine itself failed; please report it.
    Engine,
}

impl FaultKind {
    /// The name in metrics and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Operations => "operations",
            Self::Size => "size",
            Self::Deadline => "deadline",
            Self::WrongReturn => "wrong_return",
            Self::Refused => "refused",
            Self::Engine => "engine",
        }
    }
}

/// A rule's function that gave no answer, with the place in its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct RuleFault {
    /// The rule.
    pub rule: String,
    /// Which function of it was called.
    pub function: &'static str,
    /// What kind of fault.
    pub kind: FaultKind,
    /// What went wrong and where.
    pub diagnostic: Box<Diagnostic>,
}

/// A refusal by this crate's own functions, carried through Rhai as the value that was thrown.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub kind: FaultKind,
    pub message: String,
    pub help: Option<String>,
}

impl Refusal {
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The refusal with the name of what refused.
    pub fn of(mut self, name: &str) -> Self {
        self.message = format!("{name}: {}", self.message);
        self
    }

    /// The refusal as an error at a place of the text.
    pub fn at(self, at: Position) -> Box<EvalAltResult> {
        EvalAltResult::ErrorRuntime(Dynamic::from(self), at).into()
    }
}

impl From<Refusal> for Box<EvalAltResult> {
    /// Without a place: Rhai fills in that of the call.
    fn from(refusal: Refusal) -> Self {
        refusal.at(Position::NONE)
    }
}

/// A value or option that is refused.
pub(crate) fn refused(message: impl Into<String>) -> Refusal {
    Refusal::new(FaultKind::Refused, message)
}

/// What went wrong, before it has a rule's name and text.
#[derive(Debug)]
pub(crate) struct Cause {
    pub at: Position,
    pub what: Refusal,
}

impl Cause {
    /// A cause that concerns the function as a whole.
    pub fn of_function(what: Refusal) -> Self {
        Self { at: Position::NONE, what }
    }

    /// Reads an error that Rhai gave back; `stop` is the limit that was passed, if one was.
    pub fn read(error: &EvalAltResult, stop: Option<Stop>, limits: &Limits) -> Self {
        let error = innermost(error);
        let what = match stop {
            Some(stop) => stop.explain(limits),
            None => explain(error, limits),
        };
        Self { at: error.position(), what }
    }

    pub fn into_diagnostic(self, source: Source<'_>) -> Diagnostic {
        source.error(self.at, self.what.message, self.what.help)
    }
}

/// The error that was raised, inside the calls that it passed through.
fn innermost(error: &EvalAltResult) -> &EvalAltResult {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            innermost(inner)
        }
        other => other,
    }
}

impl Stop {
    /// What is said of a call that this limit stopped.
    pub fn explain(self, limits: &Limits) -> Refusal {
        match self {
            Self::Operations => {
                Refusal::new(FaultKind::Operations, format!("stopped after {} operations", limits.operations))
                    .help("a rule decides; what needs long loops belongs into an adapter")
            }
            Self::Deadline => {
                Refusal::new(FaultKind::Deadline, format!("stopped after {} ms", limits.deadline.as_millis()))
                    .help("a rule decides; what needs long loops belongs into an adapter")
            }
            Self::Stack => Refusal::new(FaultKind::Size, "calls and expressions are nested too deeply"),
            Self::Heavy(why) => {
                Refusal::new(FaultKind::Size, format!("a value is too large: {why}")).help(sizes(limits))
            }
            Self::Handled => Refusal::new(
                FaultKind::Size,
                format!("stopped after handling {} bytes of texts, arrays and maps", limits.handled_bytes),
            )
            .help("keep large values out of loops"),
            Self::Made => Refusal::new(
                FaultKind::Size,
                format!("stopped after making {} steps, probes and conditions", limits.made),
            ),
        }
    }
}

fn sizes(limits: &Limits) -> String {
    format!(
        "texts may have {} bytes, arrays and maps {} elements, with what is inside them",
        limits.text_bytes, limits.items
    )
}

fn explain(error: &EvalAltResult, limits: &Limits) -> Refusal {
    use EvalAltResult as E;
    let script = |message: String| Refusal::new(FaultKind::Script, message);
    match error {
        E::ErrorRuntime(thrown, _) => match thrown.read_lock::<Refusal>() {
            Some(refusal) => refusal.clone(),
            None => script(format!("the rule threw: {}", cut(&thrown.to_string()))),
        },
        E::ErrorTooManyOperations(_) | E::ErrorTerminated(..) => Stop::Operations.explain(limits),
        E::ErrorDataTooLarge(what, _) => {
            Refusal::new(FaultKind::Size, format!("too large: {}", what.to_lowercase())).help(sizes(limits))
        }
        E::ErrorTooManyVariables(_) => {
            Refusal::new(FaultKind::Size, format!("more than {} variables at a time", limits.variables))
        }
        E::ErrorStackOverflow(_) => Refusal::new(
            FaultKind::Size,
            format!("functions call each other more than {} deep", limits.call_depth),
        ),
        E::ErrorFunctionNotFound(signature, _) => crate::language::wrong_call(signature),
        E::ErrorDotExpr(text, _) => property(text),
        E::ErrorIndexingType(text, _) => script(format!("cannot be indexed: {text}")),
        E::ErrorVariableNotFound(name, _) => script(format!("unknown variable {name}")),
        E::ErrorAssignmentToConstant(name, _) => script(format!("cannot change {name}")).help(FROZEN),
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            script(format!("{name}() would change a value that cannot be changed")).help(FROZEN)
        }
        E::ErrorMismatchDataType(expected, found, _) => {
            script(format!("expected {}, found {}", type_text(expected), found_text(found)))
        }
        E::ErrorMismatchOutputType(expected, found, _) => Refusal::new(
            FaultKind::WrongReturn,
            format!("expected {}, found {}", type_text(expected), found_text(found)),
        ),
        E::ErrorArithmetic(text, _) => script(lower(text)),
        other => {
            let mut other = other.to_string();
            // The place is told separately.
            if let Some(at) = other.rfind(" (line ") {
                other.truncate(at);
            }
            script(lower(&other))
        }
    }
}

const FROZEN: &str =
    "constants, what a rule is given, and variables that a closure uses (from then on) cannot be changed";

fn found_text(found: &str) -> &str {
    match type_text(found) {
        "nothing" => "nothing: a label, a field or a result that is not there",
        known => known,
    }
}

/// Rhai's text for a property that a type does not have, such as
/// `Unknown property 'x' - a getter is not registered for type 'y'`.
fn property(text: &str) -> Refusal {
    let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    let refusal = |message: String| Refusal::new(FaultKind::Script, message);
    match (text.starts_with("Unknown property"), quoted.as_slice()) {
        (true, [name, "()"]) => refusal(format!("nothing has no property {name}"))
            .help("what stands left of the dot is missing: a label, a field of a reading, or a result"),
        (true, [name, type_name]) => refusal(format!("{type_name} has no property {name}")),
        (false, [name, type_name, ..]) => {
            refusal(format!("{name} of {type_name} cannot be set")).help(FROZEN)
        }
        _ => refusal(lower(text)),
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// As much of a script's own text as fits into a message.
pub(crate) fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
