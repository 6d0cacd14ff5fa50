//! A compiled rule: its header, and its two functions to be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, Dynamic, FuncArgs, Map};
use selfheal_core::condition::{ProbeCall, Reading};
use selfheal_core::plan::Decision;
use selfheal_core::rule::RuleHeader;

use crate::arguments::shown;
use crate::conditions::{Measure, Probe};
use crate::coverage::{self, Part};
use crate::diagnostic::{Diagnostic, Source};
use crate::facts;
use crate::fault::{FaultKind, Refusal, RuleFault};
use crate::meter::Constants;
use crate::plans;
use crate::record::Record;
use crate::sandbox::{Ran, Sandbox};
use crate::set::RuleFile;
use crate::view::View;

/// A rule that was compiled and checked. Immutable; asked by many threads at once.
pub struct Rule {
    sandbox: Arc<Sandbox>,
    file: RuleFile,
    header: RuleHeader,
    ast: AST,
    constants: Arc<Constants>,
    observes: bool,
    warnings: Vec<Diagnostic>,
}

/// One of the probes that `observe` asked for, with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The probe: it says which fields there are.
    pub probe: ProbeCall,
    /// Its answer.
    pub reading: Reading,
}

/// A function's answer with what it left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced<T> {
    /// The answer, or why there is none.
    pub result: Result<T, RuleFault>,
    /// What the script printed, within [`Limits::notes`](crate::Limits::notes).
    pub notes: Vec<String>,
    /// How many operations it took.
    pub operations: u64,
}

impl Rule {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        file: RuleFile,
        header: RuleHeader,
        ast: AST,
        constants: Arc<Constants>,
        observes: bool,
        warnings: Vec<Diagnostic>,
    ) -> Self {
        Self { sandbox, file, header, ast, constants, observes, warnings }
    }

    /// The data at the top of its file.
    pub fn header(&self) -> &RuleHeader {
        &self.header
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// The file it was compiled from.
    pub fn file(&self) -> &RuleFile {
        &self.file
    }

    /// What is probably not as it was meant, although the rule can be used.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Whether it reads anything before it decides.
    pub fn observes(&self) -> bool {
        self.observes
    }

    /// The parts of its functions that tests should try; [`Coverage`](crate::Coverage) tells which were reached.
    pub fn parts(&self) -> BTreeSet<Part> {
        coverage::parts(&self.ast)
    }

    /// What it calls of adapters, wherever its text names it: adapter and function, a probe or an action.
    pub fn uses(&self) -> BTreeSet<(String, String)> {
        facts::adapter_calls(&self.ast)
    }

    pub(crate) fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// What to read before deciding: probes by the names under which `plan` sees their readings. A rule without
    /// `observe` reads nothing.
    ///
    /// # Errors
    /// The script failed, passed a limit, or returned something other than a map of probes.
    pub fn observe(&self, view: &View) -> Result<BTreeMap<String, ProbeCall>, RuleFault> {
        self.observe_traced(view).result
    }

    /// [`Rule::observe`], with what was printed.
    pub fn observe_traced(&self, view: &View) -> Traced<BTreeMap<String, ProbeCall>> {
        if !self.observes {
            return Traced { result: Ok(BTreeMap::new()), notes: Vec::new(), operations: 0 };
        }
        let most = self.sandbox.limits.probes;
        let arguments = (view.clone(),);
        let ran = self.call(view, "observe", arguments, |value| probes(value, most));
        self.traced("observe", ran)
    }

    /// What to do, given the readings that `observe` asked for. Pure: the same alert and readings give the same
    /// decision. A reading that is not given is seen as `()`.
    ///
    /// # Errors
    /// The script failed, passed a limit, or returned no decision; or an action refused its parameters.
    pub fn plan(&self, view: &View, readings: &BTreeMap<String, Observed>) -> Result<Decision, RuleFault> {
        self.plan_traced(view, readings).result
    }

    /// [`Rule::plan`], with what was printed.
    pub fn plan_traced(&self, view: &View, readings: &BTreeMap<String, Observed>) -> Traced<Decision> {
        let record = |observed: &Observed| {
            let ProbeCall { adapter, probe, .. } = &observed.probe;
            Dynamic::from(Record::of_reading(&observed.reading, self.sandbox.readable.probe(adapter, probe)))
        };
        let seen: Map =
            readings.iter().map(|(name, observed)| (name.as_str().into(), record(observed))).collect();
        let arguments = (view.clone(), seen);
        let ran = self.call(view, "plan", arguments, plans::decision);
        self.traced("plan", ran)
    }

    fn call<T>(
        &self,
        view: &View,
        function: &str,
        arguments: impl FuncArgs,
        read: impl FnOnce(Dynamic) -> Result<T, Refusal>,
    ) -> Ran<T> {
        self.sandbox.call(&self.ast, &self.constants, &view.alert, function, arguments, read)
    }

    fn traced<T>(&self, function: &'static str, ran: Ran<T>) -> Traced<T> {
        let result = ran.result.map_err(|mut cause| {
            let source = Source { file: &self.file.path, text: &self.file.text };
            if cause.at.is_none() {
                cause.at = source.function(function);
            }
            let kind = cause.what.kind;
            let diagnostic = Box::new(cause.into_diagnostic(source));
            RuleFault { rule: self.header.name.clone(), function, kind, diagnostic }
        });
        Traced { result, notes: ran.notes, operations: ran.operations }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("header", &self.header).finish_non_exhaustive()
    }
}

/// What `observe` returned, as probes.
fn probes(value: Dynamic, most: usize) -> Result<BTreeMap<String, ProbeCall>, Refusal> {
    const HELP: &str = "return #{ name: adapter::probe(..) }, and #{} to read nothing";
    let wrong = |message: String| Refusal::new(FaultKind::WrongReturn, message).help(HELP);
    let found = shown(&value);
    let Some(map) = value.try_cast::<Map>() else {
        return Err(wrong(format!("observe must return a map of probes, found {found}")));
    };
    if map.len() > most {
        let message = format!("observe asks for {} probes, at most {most} are read", map.len());
        return Err(Refusal::new(FaultKind::Size, message));
    }
    let probe = |(name, value): (rhai::Identifier, Dynamic)| match value.read_lock::<Probe>() {
        Some(probe) => Ok((name.to_string(), ProbeCall::clone(&probe.call))),
        None if value.is::<Measure>() => Err(wrong(format!(
            "observe: {name} is one field of a probe; read the whole probe, and its field in plan"
        ))),
        None => Err(wrong(format!("observe: {name} must be a probe, found {}", shown(&value)))),
    };
    map.into_iter().map(probe).collect()
}
