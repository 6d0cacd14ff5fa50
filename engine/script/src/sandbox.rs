//! The engine in which rules run: Rhai with chosen packages, bounded in every direction, with no way out.
//!
//! Left out on purpose: Rhai's core package, which has a `sleep` that nothing can stop, `exit` and reflection; modules;
//! `eval`; blobs and time. `this` is disabled because values reached through it pass by the variable resolver.
//!
//! The resolver is the gate for memory (see `weight`): it weighs every value that is read from a variable. A variable that a
//! closure has captured would become a cell shared by both, in which a closure could hold itself for ever; the resolver
//! hands out copies of such cells instead, so that closures capture values and values stay trees.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, FuncArgs, Module, OptimizationLevel, Scope};
use selfheal_contract::Catalog;
use selfheal_core::alert::Alert;
use selfheal_core::span::Span;

use crate::coverage::Coverage;
use crate::fault::{Cause, FaultKind, Refusal, refused};
use crate::fields::Readable;
use crate::limits::{Clock, Limits};
use crate::meter::{self, Constants, Running, Stop};
use crate::{adapters, conditions, language, plans, record, steps, view, weight};

/// The engine, shared by all rules and all threads.
pub(crate) struct Sandbox {
    pub engine: Engine,
    pub readable: Readable,
    pub limits: Arc<Limits>,
    pub clock: Clock,
}

/// What came of running something in the sandbox.
pub(crate) struct Ran<T> {
    pub result: Result<T, Cause>,
    pub notes: Vec<String>,
    pub operations: u64,
}

impl Sandbox {
    pub fn new(catalog: &Catalog, limits: Limits, clock: Clock, coverage: Option<&Coverage>) -> Self {
        let limits = Arc::new(limits);
        let mut engine = Engine::new_raw();
        packages(&mut engine);
        bounds(&mut engine, &limits);
        hooks(&mut engine, &limits, &clock);
        if let Some(coverage) = coverage {
            coverage.watch(&mut engine);
        }
        let readable = Readable::new(catalog);
        let fields = readable.names();
        view::register(&mut engine);
        record::register(&mut engine, &fields);
        conditions::register(&mut engine, &limits, &fields);
        steps::register(&mut engine);
        plans::register(&mut engine, &limits);
        helpers(&mut engine);
        adapters::register(&mut engine, catalog, &readable, &limits);
        Self { engine, readable, limits, clock }
    }

    /// Calls one of a rule's functions about an alert and reads its result.
    pub fn call<T>(
        &self,
        ast: &AST,
        constants: &Arc<Constants>,
        alert: &Arc<Alert>,
        function: &str,
        arguments: impl FuncArgs,
        read: impl FnOnce(Dynamic) -> Result<T, Refusal>,
    ) -> Ran<T> {
        self.run(
            constants,
            Some(alert),
            |engine| {
                let options = CallFnOptions::new().eval_ast(false);
                engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), ast, function, arguments)
            },
            read,
        )
    }

    /// Runs the top of a rule's text, which defines its constants.
    pub fn constants(&self, ast: &AST, settings: &Arc<Constants>) -> Ran<Vec<(Box<str>, Dynamic)>> {
        let mut scope = Scope::new();
        let ran = self.run(
            settings,
            None,
            |engine| engine.run_ast_with_scope(&mut scope, ast).map(Dynamic::from),
            |_| Ok(()),
        );
        let defined = scope.iter().map(|(name, _, value)| (name.into(), value)).collect();
        Ran { result: ran.result.map(|()| defined), notes: ran.notes, operations: ran.operations }
    }

    fn run<T>(
        &self,
        constants: &Arc<Constants>,
        alert: Option<&Arc<Alert>>,
        body: impl FnOnce(&Engine) -> Result<Dynamic, Box<EvalAltResult>>,
        read: impl FnOnce(Dynamic) -> Result<T, Refusal>,
    ) -> Ran<T> {
        let running = Running::start(&self.limits, &self.clock, constants, alert);
        // A panic would be a fault of the engine or of an adapter. What was being computed is dropped, the engine
        // itself is immutable, so nothing half-done can be seen afterwards.
        let result = catch_unwind(AssertUnwindSafe(|| match (body(&self.engine), running.stopped()) {
            (Ok(value), None) => read(value).map_err(Cause::of_function),
            // `sort` takes a failed comparison for an answer and goes on.
            (Ok(_), Some(stop)) => Err(Cause::of_function(stop.explain(&self.limits))),
            (Err(error), stop) => Err(Cause::read(&error, stop, &self.limits)),
        }))
        .unwrap_or_else(|panic| Err(Cause::of_function(panicked(&*panic))));
        let (notes, operations) = running.finish();
        Ran { result, notes, operations }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Refusal {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    // The standard library's own protest against a comparer that contradicts itself.
    if text.contains("total order") {
        return Refusal::new(FaultKind::Script, "sort: the function that compares contradicts itself")
            .help("it must give the same answer for the same two, and the opposite for them swapped");
    }
    Refusal::new(FaultKind::Engine, format!("the engine failed: {text}"))
        .help("please report this with the rule")
}

/// All packages in one module: Rhai looks a function up in one module after the other, anew in every call.
fn packages(engine: &mut Engine) {
    let mut module = Module::new();
    for init in [
        ArithmeticPackage::init,
        LogicPackage::init,
        BasicMathPackage::init,
        BasicStringPackage::init,
        MoreStringPackage::init,
        BasicIteratorPackage::init,
        BasicArrayPackage::init,
        BasicMapPackage::init,
        BasicFnPackage::init,
    ] {
        init(&mut module);
    }
    // Left lazy, every function that is looked for in vain would be compared with all of them.
    module.register_lazy_functions();
    module.build_index();
    engine.register_global_module(module.into());
}

fn bounds(engine: &mut Engine, limits: &Limits) {
    // What the lint reads must be what was written.
    engine.set_optimization_level(OptimizationLevel::None);
    // Interned strings are behind one lock for all threads.
    engine.set_max_strings_interned(0);
    engine.set_max_string_size(limits.text_bytes);
    engine.set_max_array_size(limits.items);
    engine.set_max_map_size(limits.items);
    engine.set_max_call_levels(limits.call_depth);
    engine.set_max_expr_depths(limits.expression_depth, limits.expression_depth);
    engine.set_max_variables(limits.variables);
    engine.set_max_modules(0);
    for (word, _) in language::DISABLED {
        engine.disable_symbol(*word);
    }
}

#[expect(deprecated, reason = "Rhai marks its variable resolver as volatile, and has no other")]
fn hooks(engine: &mut Engine, limits: &Arc<Limits>, clock: &Clock) {
    let (bounds, clock) = (Arc::clone(limits), Arc::clone(clock));
    engine.on_progress(move |_| meter::tick(&bounds, &clock).then_some(Dynamic::UNIT));
    let bounds = Arc::clone(limits);
    engine.on_print(move |text| meter::note(text, &bounds));
    let bounds = Arc::clone(limits);
    engine.on_debug(move |text, _, at| {
        let line = at.line().unwrap_or(0);
        meter::note(&format!("line {line}: {text}"), &bounds);
    });
    let bounds = Arc::clone(limits);
    engine.on_var(move |name, _, mut context| {
        let found = context.scope_mut().get(name);
        let value = match found {
            Some(value) => value,
            None => return Ok(meter::constant(name)),
        };
        let stop = match weight::weigh(value, &bounds) {
            Ok(bytes) if meter::handle(bytes, &bounds) => {
                return Ok(value.is_shared().then(|| value.flatten_clone()));
            }
            Ok(_) => Stop::Handled,
            Err(too_heavy) => Stop::Heavy(too_heavy.0),
        };
        meter::stop(stop);
        Err(Refusal::new(FaultKind::Size, format!("{name} is too large")).into())
    });
}

fn helpers(engine: &mut Engine) {
    engine.register_fn("duration", |text: &str| -> Result<f64, Box<EvalAltResult>> {
        let span = text.parse::<Span>().map_err(|fault| refused(format!("duration: {fault}")))?;
        Ok(span.duration().as_secs_f64())
    });
    engine.register_fn("ceil", |number: f64| number.ceil());
    engine.register_fn("ceil", |number: i64| number);
    engine.register_fn("floor", |number: i64| number);
    engine.register_fn("round", |number: i64| number);
}
