//! Finds what would fail only when an alert comes: unknown functions, wrong numbers of arguments, arguments that are written
//! out and not taken, unknown settings, properties and variables, and fields that no reading has (`readings`). All that is
//! wrong is told at once.
//!
//! Rhai resolves functions and properties when it runs; its own strict mode knows variables only, and stops at the
//! first fault.

use std::collections::BTreeSet;

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, Stmt};
use selfheal_contract::ParameterSpec;
use selfheal_contract::settings::suggest;

use crate::adapters::required;
use crate::arguments::{self, convert};
use crate::diagnostic::{Diagnostic, Source};
use crate::facts::Facts;
use crate::fields::Readable;
use crate::names::Names;
use crate::readings::unknown_fields;
use crate::record::unknown_setting;
use crate::steps::{positive, retries};
use crate::view::{properties, property_help};

/// The name under which the operator's settings are seen.
pub(crate) const SETTINGS: &str = "settings";

/// What a rule's text is checked against.
pub(crate) struct Known<'a> {
    pub names: &'a Names,
    pub readable: &'a Readable,
    pub settings: &'a serde_json::Map<String, serde_json::Value>,
}

/// Everything that is wrong, in no order.
pub(crate) fn check(ast: &AST, source: Source<'_>, known: &Known<'_>) -> Vec<Diagnostic> {
    let mut lint = Lint { source, known, facts: Facts::gather(ast), faults: Vec::new() };
    lint.top(ast);
    lint.entry_points(ast);
    ast.walk(&mut |path| {
        lint.node(path);
        true
    });
    for (at, refusal) in unknown_fields(ast, known.readable) {
        lint.fault(at, refusal.message, refusal.help);
    }
    lint.faults
}

struct Lint<'a> {
    source: Source<'a>,
    known: &'a Known<'a>,
    facts: Facts,
    faults: Vec<Diagnostic>,
}

impl Lint<'_> {
    fn fault(&mut self, at: Position, message: String, help: Option<String>) {
        self.faults.push(self.source.error(at, message, help));
    }

    /// Only constants and functions may stand at the top: nothing runs there.
    fn top(&mut self, ast: &AST) {
        for statement in ast.statements() {
            match statement {
                Stmt::Var(_, flags, _) if flags.intersects(ASTFlags::CONSTANT) => {}
                Stmt::Noop(_) => {}
                Stmt::Var(var, _, at) => {
                    let help = format!("write const {}", var.0.as_str());
                    self.fault(*at, "a variable outside of functions".into(), Some(help));
                }
                other => {
                    let help = "only constants and functions may stand at the top of a rule".to_owned();
                    self.fault(other.position(), "a statement outside of functions".into(), Some(help));
                }
            }
        }
    }

    fn entry_points(&mut self, ast: &AST) {
        for (name, parameters, required) in [("observe", 1, false), ("plan", 2, true)] {
            let wanted = if parameters == 1 { "fn observe(alert)" } else { "fn plan(alert, seen)" };
            match self.facts.functions.get(name) {
                None if required => {
                    let what =
                        ast.iter_functions().map(|function| function.name.to_owned()).collect::<Vec<_>>();
                    let help = match suggest(name, what.iter().map(String::as_str)) {
                        Some(meant) => format!("did you mean {name} where you wrote {meant}?"),
                        None => format!("{wanted} {{ .. }} decides what to do"),
                    };
                    self.fault(Position::NONE, format!("the rule has no {wanted}"), Some(help));
                }
                Some(found) if !found.contains(&parameters) => {
                    let found = found.iter().next().copied().unwrap_or(0);
                    let message = format!("{name} has {found} parameter(s), expected {wanted}");
                    self.fault(self.source.function(name), message, None);
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, path: &[ASTNode<'_>]) {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) => {
                self.call(call, 0, *at);
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, at))) => self.call(call, 1, *at),
            Some(ASTNode::Expr(Expr::Variable(variable, short, at))) => {
                let (index, name, namespace, _) = &**variable;
                if index.is_none() && short.is_none() && namespace.is_empty() {
                    self.variable(name, *at);
                } else if !namespace.is_empty() && namespace.root() != "global" {
                    let module = namespace.root().to_owned();
                    let help = self
                        .known
                        .names
                        .parameters(&module, name)
                        .map(|_| format!("call it: {module}::{name}(..)"));
                    self.fault(*at, format!("unknown constant {module}::{name}"), help);
                }
            }
            Some(ASTNode::Expr(Expr::Dot(chain, ..))) => {
                if let (Expr::Variable(variable, ..), Some((property, at))) =
                    (&chain.lhs, first_property(&chain.rhs))
                {
                    self.property(&variable.1, property, at);
                }
            }
            Some(ASTNode::Expr(Expr::Index(chain, ..))) => {
                if let (Expr::Variable(variable, ..), Expr::StringConstant(property, at)) =
                    (&chain.lhs, &chain.rhs)
                {
                    self.property(&variable.1, property, *at);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, receiver: usize, at: Position) {
        if call.is_operator_call() {
            return;
        }
        if call.is_qualified() {
            self.adapter_call(call, at);
            return;
        }
        let (name, arguments) = (call.name.as_str(), call.args.len() + receiver);
        if self.facts.functions.get(name).is_some_and(|arities| arities.contains(&call.args.len())) {
            return;
        }
        self.options(call);
        let own = self.facts.functions.get(name);
        let arities: BTreeSet<usize> = match (self.known.names.arities(name), own) {
            (Some(None), _) => return,
            (Some(Some(native)), own) => {
                let own = own.into_iter().flatten().map(|arity| arity + receiver);
                native.iter().copied().chain(own).collect()
            }
            (None, Some(own)) => own.iter().map(|arity| arity + receiver).collect(),
            // A function that is held by a variable is called by its name only as a method of `call`.
            (None, None) => {
                let own = self.facts.functions.keys().map(String::as_str);
                let help = self.known.names.function_help(name, own);
                self.fault(at, format!("unknown function {name}"), help);
                return;
            }
        };
        if !arities.contains(&arguments) {
            let expected: Vec<String> = arities
                .iter()
                .filter_map(|arity| arity.checked_sub(receiver))
                .map(|arity| arity.to_string())
                .collect();
            let given = call.args.len();
            let message = format!("{name} does not take {given} argument(s)");
            let help = format!("it takes {}", expected.join(" or "));
            self.fault(at, message, Some(help));
        }
    }

    fn adapter_call(&mut self, call: &FnCallExpr, at: Position) {
        let adapter = call.namespace.root();
        let place = call.namespace.position();
        let place = if place.is_none() { at } else { place };
        if !self.known.names.has_adapter(adapter) {
            let help = self.known.names.adapter_help(adapter);
            self.fault(place, format!("unknown adapter {adapter}"), Some(help));
            return;
        }
        let Some(specs) = self.known.names.parameters(adapter, &call.name) else {
            let help = self.known.names.member_help(adapter, &call.name);
            self.fault(place, format!("unknown function {adapter}::{}", call.name), Some(help));
            return;
        };
        let (least, given) = (required(specs), call.args.len());
        if !(least..=specs.len()).contains(&given) {
            let signature = selfheal_contract::parameters::signature(specs);
            let message = format!("{adapter}::{} does not take {given} argument(s)", call.name);
            self.fault(place, message, Some(format!("{adapter}::{}{signature}", call.name)));
            return;
        }
        self.literals(adapter, call, specs, place);
    }

    /// What is written out in a call is known before an alert comes, and so whether it is taken.
    fn literals(&mut self, adapter: &str, call: &FnCallExpr, specs: &[ParameterSpec], place: Position) {
        let name = format!("{adapter}::{}", call.name);
        let mut params = Some(serde_json::Map::new());
        for (spec, argument) in specs.iter().zip(&*call.args) {
            let converted = match argument.get_literal_value(None) {
                Some(value) if spec.optional && value.is_unit() => continue,
                Some(value) => convert(spec, &value),
                None => {
                    params = None;
                    continue;
                }
            };
            match converted {
                Ok(value) => drop(params.as_mut().map(|params| params.insert(spec.name.to_owned(), value))),
                Err(refusal) => {
                    let refusal = refusal.of(&name);
                    self.fault(argument.position(), refusal.message, refusal.help);
                    params = None;
                }
            }
        }
        // A warning: what is configured may change, and a name that is missing from it must not keep other rules from
        // being used.
        let refused = params.and_then(|params| self.known.names.refusal(adapter, &call.name, &params));
        if let Some(what) = refused {
            self.faults.push(self.source.warning(place, format!("{name}: {what}"), None));
        }
    }

    /// Spans of time and numbers that are written out in an option of a step.
    fn options(&mut self, call: &FnCallExpr) {
        let name = call.name.as_str();
        let (times, span) = match (name, &*call.args) {
            ("verify", [_, span]) | ("timeout" | "revert_after" | "duration", [span]) => (None, span),
            ("retry", [times, span]) => (Some(times), span),
            _ => return,
        };
        let literal = |argument: &Expr| argument.get_literal_value(None);
        if let Some((argument, number)) =
            times.and_then(|times| Some((times, literal(times)?.as_int().ok()?)))
            && let Err(refusal) = retries(number)
        {
            self.fault(argument.position(), refusal.message, refusal.help);
        }
        let refused = literal(span).and_then(|value| match name {
            "duration" => arguments::span(name, &value).err(),
            _ => positive(name, &value).err(),
        });
        if let Some(refusal) = refused {
            self.fault(span.position(), refusal.message, refusal.help);
        }
    }

    fn variable(&mut self, name: &str, at: Position) {
        let facts = &self.facts;
        let known = name == SETTINGS
            || facts.constants.contains(name)
            || facts.functions.contains_key(name)
            || (facts.captured.contains(name) && facts.declared.contains(name));
        if known {
            return;
        }
        let names = facts.declared.iter().chain(&facts.constants).map(String::as_str).chain([SETTINGS]);
        // Of names of one letter any is as near as any other.
        let help = match suggest(name, names).filter(|_| name.len() > 1) {
            Some(meant) if meant != name => Some(format!("did you mean {meant}?")),
            Some(_) => Some("it is defined elsewhere, and not seen here: pass it as an argument".to_owned()),
            None => self.known.names.has_adapter(name).then(|| format!("write {name}::..")),
        };
        self.fault(at, format!("unknown variable {name}"), help);
    }

    fn property(&mut self, of: &str, property: &str, at: Position) {
        if of == SETTINGS && !self.known.settings.contains_key(property) {
            let refusal = unknown_setting(SETTINGS, property, self.known.settings.keys().map(String::as_str));
            self.fault(at, refusal.message, refusal.help);
        } else if self.facts.alert.contains(of) && !properties().any(|known| known == property) {
            let message = format!("an alert has no property {property}");
            self.fault(at, message, Some(property_help(property)));
        } else if self.facts.seen.contains(of)
            && let Some(probes) = self.facts.probes.as_ref().filter(|probes| !probes.contains(property))
        {
            let help = match suggest(property, probes.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {of}.{meant}?"),
                None if probes.is_empty() => "observe asks for nothing".to_owned(),
                None => format!("it asks for {}", probes.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("observe asks for no probe {property}");
            self.faults.push(self.source.warning(at, message, Some(help)));
        }
    }
}

/// The property that follows the dot; in a chain, the first one.
fn first_property(rhs: &Expr) -> Option<(&str, Position)> {
    match rhs {
        Expr::Property(property, at) => Some((&property.2, *at)),
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => first_property(&chain.lhs),
        _ => None,
    }
}
