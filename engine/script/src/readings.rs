//! Finds fields that no reading has, before an alert comes: of `seen.name`, of variables that stand for it or for a probe,
//! and of conditions. Only what is certain is told; what a rule computes is found when it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use crate::fault::{FaultKind, Refusal};
use crate::fields::{ProbeFacts, Readable};
use crate::record::INCONCLUSIVE;

/// Methods that compare a measure, for which its field must be one that is documented itself.
const COMPARISONS: &[&str] =
    &["below", "at_most", "above", "at_least", "equals", "differs", "falls_by", "rises_by"];

/// Fields that there are not, each with its place.
pub(crate) fn unknown_fields(ast: &AST, readable: &Readable) -> Vec<(Position, Refusal)> {
    let asked = asked(ast, readable);
    let Some(seen) = ast
        .iter_functions()
        .find(|function| function.name == "plan")
        .and_then(|function| function.params.get(1).map(|name| (*name).to_owned()))
    else {
        return Vec::new();
    };
    let plan = ast.clone_functions_only_filtered(|_, _, _, name, _| name == "plan");
    let meanings = Meanings::of(&plan, &seen, &asked, readable);
    let mut unknown = Vec::new();
    plan.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..))) = path.last() {
            let mut links = Vec::new();
            follow(&chain.rhs, &mut links);
            unknown.extend(meanings.fault(&chain.lhs, &links));
        }
        true
    });
    unknown
}

/// What can be told of a name: the probe that it stands for; `None` where there are several, or it may be something else.
type Asked<'a> = BTreeMap<String, Option<&'a Arc<ProbeFacts>>>;

/// The names that `observe` and what it calls give to probes.
fn asked<'a>(ast: &AST, readable: &'a Readable) -> Asked<'a> {
    let mut asked = Asked::new();
    let mut is_certain = true;
    let mut note = |name: &str, value: &Expr| {
        let probe = probe_of(value, readable);
        let known = asked.entry(name.to_owned()).or_insert(probe);
        if known.map(Arc::as_ptr) != probe.map(Arc::as_ptr) {
            *known = None;
        }
    };
    ast.clone_functions_only_filtered(|_, _, _, name, _| name != "plan").walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                map.0.iter().for_each(|(key, value)| note(key.as_str(), value));
            }
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => match &assignment.1.lhs {
                Expr::Dot(chain, ..) | Expr::Index(chain, ..) => {
                    let mut links = Vec::new();
                    follow(&chain.rhs, &mut links);
                    match links.last() {
                        Some(Link::Field(name, _)) => note(name, &assignment.1.rhs),
                        _ => is_certain = false,
                    }
                }
                _ => is_certain &= matches!(assignment.1.rhs, Expr::Map(..)),
            },
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                is_certain &= !matches!(call.name.as_str(), "set" | "mixin" | "fill_with");
            }
            _ => {}
        }
        is_certain
    });
    if is_certain { asked } else { Asked::new() }
}

/// The probe that an expression asks.
fn probe_of<'a>(value: &Expr, readable: &'a Readable) -> Option<&'a Arc<ProbeFacts>> {
    match value {
        Expr::FnCall(call, _) if call.is_qualified() => readable.probe(call.namespace.root(), &call.name),
        _ => None,
    }
}

/// One link of a chain, after the first.
enum Link<'a> {
    /// A field by its name, whichever way it is asked for.
    Field(&'a str, Position),
    /// A method.
    Call(&'a str, Position),
    /// An index that is computed.
    Computed,
}

/// The links of `a.b["c"].d`, one after the other.
fn follow<'a>(rest: &'a Expr, links: &mut Vec<Link<'a>>) {
    match rest {
        Expr::Property(property, at) => links.push(Link::Field(&property.2, *at)),
        Expr::StringConstant(name, at) => links.push(Link::Field(name, *at)),
        Expr::MethodCall(call, at) => match (call.name.as_str(), call.args.as_slice()) {
            ("get" | "field", [Expr::StringConstant(name, at)]) => links.push(Link::Field(name, *at)),
            (name, _) => links.push(Link::Call(name, *at)),
        },
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => {
            follow(&chain.lhs, links);
            follow(&chain.rhs, links);
        }
        _ => links.push(Link::Computed),
    }
}

/// What the names in `plan` stand for.
struct Meanings<'a> {
    /// The parameter that holds the readings; `None` when the name is used for something else, too.
    seen: Option<&'a str>,
    asked: &'a Asked<'a>,
    /// Variables that stand for one reading.
    readings: BTreeMap<String, &'a Arc<ProbeFacts>>,
    /// Variables that stand for a probe.
    probes: BTreeMap<String, &'a Arc<ProbeFacts>>,
    readable: &'a Readable,
}

impl<'a> Meanings<'a> {
    fn of(plan: &AST, seen: &'a str, asked: &'a Asked<'a>, readable: &'a Readable) -> Self {
        let mut declared: BTreeMap<String, u32> = BTreeMap::new();
        let mut assigned = BTreeSet::new();
        let mut declare = |name: &str| *declared.entry(name.to_owned()).or_default() += 1;
        plan.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(var, ..))) => declare(var.0.as_str()),
                Some(ASTNode::Stmt(Stmt::For(each, _))) => {
                    declare(each.0.as_str());
                    each.1.iter().for_each(|counter| declare(counter.as_str()));
                    // One that is counted once here would pass for one with a value of its own.
                    declare(each.0.as_str());
                }
                Some(ASTNode::Stmt(Stmt::TryCatch(caught, _))) => {
                    if let Expr::Variable(name, ..) = &caught.expr {
                        declare(&name.1);
                    }
                }
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                    if let Expr::Variable(name, ..) = &assignment.1.lhs {
                        assigned.insert(name.1.to_string());
                    }
                }
                _ => {}
            }
            true
        });
        let is_fixed = |name: &str, times: u32| {
            declared.get(name).copied() == (times > 0).then_some(times) && !assigned.contains(name)
        };
        let mut meanings = Self {
            seen: Some(seen).filter(|name| is_fixed(name, 0)),
            asked,
            readings: BTreeMap::new(),
            probes: BTreeMap::new(),
            readable,
        };
        let (mut readings, mut probes) = (BTreeMap::new(), BTreeMap::new());
        plan.walk(&mut |path| {
            if let Some(ASTNode::Stmt(Stmt::Var(var, ..))) = path.last()
                && is_fixed(var.0.as_str(), 1)
            {
                let name = var.0.as_str().to_owned();
                if let Some(probe) = probe_of(&var.1, readable) {
                    probes.insert(name, probe);
                } else if let Some(probe) = meanings.reading(&var.1) {
                    readings.insert(name, probe);
                }
            }
            true
        });
        meanings.readings = readings;
        meanings.probes = probes;
        meanings
    }

    /// The probe whose reading `seen.name` is.
    fn reading(&self, value: &Expr) -> Option<&'a Arc<ProbeFacts>> {
        let Expr::Dot(chain, ..) = value else { return None };
        match (&chain.lhs, &chain.rhs) {
            (Expr::Variable(of, ..), Expr::Property(name, _)) if Some(of.1.as_str()) == self.seen => {
                self.asked.get(name.2.as_str()).copied().flatten()
            }
            _ => None,
        }
    }

    /// What is wrong with a chain, if something certainly is.
    fn fault(&self, root: &Expr, links: &[Link<'_>]) -> Option<(Position, Refusal)> {
        if let Some(probe) = probe_of(root, self.readable) {
            return measured(probe, links);
        }
        let Expr::Variable(variable, ..) = root else { return None };
        let name = variable.1.as_str();
        if Some(name) == self.seen {
            let (Link::Field(name, _), fields) = links.split_first()? else { return None };
            return read(self.asked.get(*name).copied().flatten()?, fields);
        }
        match (self.readings.get(name), self.probes.get(name)) {
            (Some(probe), _) => read(probe, links),
            (_, Some(probe)) => measured(probe, links),
            _ => None,
        }
    }
}

/// Fields of a reading.
fn read(probe: &ProbeFacts, links: &[Link<'_>]) -> Option<(Position, Refusal)> {
    let mut field = String::new();
    for link in links {
        let Link::Field(name, at) = link else { return None };
        extend(&mut field, name);
        if field != INCONCLUSIVE && !probe.may_have(&field) {
            return Some((*at, probe.unknown(FaultKind::Script, &field)));
        }
    }
    None
}

/// Fields of a condition.
fn measured(probe: &ProbeFacts, links: &[Link<'_>]) -> Option<(Position, Refusal)> {
    let mut field = String::new();
    for link in links {
        match link {
            Link::Field(name, at) => {
                extend(&mut field, name);
                if !probe.has(&field) && !probe.leads_on(&field) {
                    return Some((*at, probe.unknown(FaultKind::Script, &field)));
                }
            }
            Link::Call(method, at) if COMPARISONS.contains(method) && !field.is_empty() => {
                return (!probe.has(&field)).then(|| (*at, probe.unknown(FaultKind::Script, &field)));
            }
            Link::Call(..) | Link::Computed => return None,
        }
    }
    None
}

fn extend(field: &mut String, name: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(name);
}
