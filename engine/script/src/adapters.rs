//! Every adapter as a module of functions: `pg::connections("main")`. Generated from what actions and probes say of
//! their parameters; what they refuse is refused with the rule's line and the offending value.

use std::any::TypeId;
use std::sync::Arc;

use rhai::{
    Dynamic, Engine, EvalAltResult, FuncRegistration, ImmutableString, Module, NativeCallContext, Position,
    RhaiFunc,
};
use selfheal_contract::{Adapter, AnyAction, AnyProbe, Catalog, Kind, ParameterSpec};
use selfheal_core::condition::ProbeCall;
use selfheal_core::plan::ActionCall;
use serde_json::{Map, Value};

use crate::arguments::by_name;
use crate::conditions::Probe;
use crate::fault::{Refusal, refused};
use crate::fields::{ProbeFacts, Readable};
use crate::limits::Limits;
use crate::meter;
use crate::steps::Step;

/// Makes the catalog's adapters known to scripts.
pub(crate) fn register(engine: &mut Engine, catalog: &Catalog, readable: &Readable, limits: &Arc<Limits>) {
    for adapter in catalog.adapters() {
        let mut module = Module::new();
        for action in &adapter.actions {
            let name = action.about().name;
            let make = use_of_action(adapter.name, name, Arc::clone(action));
            add(&mut module, (adapter, name), action.parameters(), limits, make);
        }
        for probe in &adapter.probes {
            let name = probe.about().name;
            let facts = readable.probe(adapter.name, name).expect("every probe of the catalog is readable");
            let make = use_of_probe(adapter.name, name, Arc::clone(probe), Arc::clone(facts));
            add(&mut module, (adapter, name), probe.parameters(), limits, make);
        }
        engine.register_static_module(adapter.name, module.into());
    }
}

fn use_of_action(
    adapter: &'static str,
    name: &'static str,
    action: Arc<dyn AnyAction>,
) -> impl Fn(Map<String, Value>, Option<u32>) -> Result<Dynamic, Refusal> + Clone + Send + Sync + 'static {
    move |params, line| {
        action.assess(&params).map_err(|failure| refused(failure.what))?;
        let action = ActionCall { adapter: adapter.to_owned(), action: name.to_owned(), params };
        Ok(Dynamic::from(Step::new(action, line)))
    }
}

fn use_of_probe(
    adapter: &'static str,
    name: &'static str,
    probe: Arc<dyn AnyProbe>,
    facts: Arc<ProbeFacts>,
) -> impl Fn(Map<String, Value>, Option<u32>) -> Result<Dynamic, Refusal> + Clone + Send + Sync + 'static {
    move |params, _line| {
        probe.check(&params).map_err(|failure| refused(failure.what))?;
        let call = ProbeCall { adapter: adapter.to_owned(), probe: name.to_owned(), params };
        Ok(Dynamic::from(Probe::new(call, Arc::clone(&facts))))
    }
}

/// Adds a function for every number of arguments that the parameters allow.
fn add(
    module: &mut Module,
    (adapter, name): (&Adapter, &'static str),
    specs: &'static [ParameterSpec],
    limits: &Arc<Limits>,
    make: impl Fn(Map<String, Value>, Option<u32>) -> Result<Dynamic, Refusal> + Clone + Send + Sync + 'static,
) {
    let (adapter, from_labels) = (adapter.name, adapter.from_labels);
    let from_labels: Vec<&str> =
        specs.iter().map(|spec| spec.name).filter(|name| from_labels.contains(name)).collect();
    for arguments in required(specs)..=specs.len() {
        let from_labels = from_labels.clone();
        let make = make.clone();
        let limits = Arc::clone(limits);
        let call = move |context: Option<NativeCallContext>, given: &mut [&mut Dynamic]| {
            if !meter::make(&limits) {
                return Err(meter::too_many_made().into());
            }
            // Rhai fills in the place of an error everywhere but in functions of modules.
            let at = context.map_or(Position::NONE, |context| context.call_position());
            let line = at.line().and_then(|line| u32::try_from(line).ok());
            by_name(specs, given)
                .and_then(|mut params| {
                    for &name in &from_labels {
                        if !params.contains_key(name) {
                            params.extend(meter::label(name).map(|value| (name.to_owned(), value.into())));
                        }
                    }
                    make(params, line)
                })
                .map_err(|refusal| refusal.of(&format!("{adapter}::{name}")).at(at))
        };
        let call: Arc<NativeCall> = Arc::new(call);
        // Under the types that are expected, to be found at once, and under any, to say what is wrong with others.
        let expected: Vec<TypeId> = specs[..arguments].iter().map(|spec| native_type(spec.kind)).collect();
        for types in [expected, vec![TypeId::of::<Dynamic>(); arguments]] {
            let func = Arc::clone(&call);
            let function = RhaiFunc::Pure { func, has_context: true, is_pure: true, is_volatile: false };
            FuncRegistration::new(name).set_into_module_raw(module, types, function);
        }
    }
}

type NativeCall = dyn Fn(Option<NativeCallContext>, &mut [&mut Dynamic]) -> Result<Dynamic, Box<EvalAltResult>>
    + Send
    + Sync;

/// The script's type for a kind of parameter.
fn native_type(kind: Kind) -> TypeId {
    match kind {
        Kind::Text | Kind::Duration | Kind::Choice(_) => TypeId::of::<ImmutableString>(),
        Kind::Boolean => TypeId::of::<bool>(),
        Kind::Integer | Kind::Positive => TypeId::of::<rhai::INT>(),
        Kind::Number => TypeId::of::<rhai::FLOAT>(),
        Kind::Texts => TypeId::of::<rhai::Array>(),
    }
}

/// How many arguments must be given: up to the last parameter that may not be left out.
pub(crate) fn required(specs: &[ParameterSpec]) -> usize {
    specs.iter().rposition(|spec| !spec.optional).map_or(0, |last| last + 1)
}
