//! What a rule's text defines: functions, constants, names of variables, what its closures take from around them. The lint
//! looks up here what it does not find among the words of the language.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Stmt};

/// What the text itself defines.
#[derive(Default)]
pub(crate) struct Facts {
    /// Functions by name, with their numbers of parameters.
    pub functions: BTreeMap<String, BTreeSet<usize>>,
    /// Names at the top of the text.
    pub constants: BTreeSet<String>,
    /// Names of parameters and variables anywhere.
    pub declared: BTreeSet<String>,
    /// Names that closures take from around them; inside, these cannot be told from unknown ones.
    pub captured: BTreeSet<String>,
    /// The names of the parameter that is the alert, and of the one that holds the readings.
    pub alert: BTreeSet<String>,
    pub seen: BTreeSet<String>,
    /// The names that `observe` gives to its probes; `None` when they cannot be told from the text.
    pub probes: Option<BTreeSet<String>>,
}

impl Facts {
    /// Reads them off the parsed text.
    pub fn gather(ast: &AST) -> Self {
        let mut facts = Self::default();
        let mut closures: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for function in ast.iter_functions() {
            let params = function.params.iter().map(|name| (*name).to_owned());
            if function.name.starts_with("anon$") {
                closures.insert(function.name.to_owned(), params.collect());
                continue;
            }
            if matches!(function.name, "observe" | "plan") {
                facts.alert.extend(function.params.first().map(|name| (*name).to_owned()));
                facts.seen.extend(function.params.get(1).map(|name| (*name).to_owned()));
            }
            facts.declared.extend(params);
            facts.functions.entry(function.name.to_owned()).or_default().insert(function.params.len());
        }
        let mut captures: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                    let names = if path.len() == 1 && is_top(ast, path) {
                        &mut facts.constants
                    } else {
                        &mut facts.declared
                    };
                    names.insert(var.0.as_str().to_owned());
                }
                Some(ASTNode::Stmt(Stmt::For(each, _))) => {
                    facts.declared.insert(each.0.as_str().to_owned());
                    facts.declared.extend(each.1.as_ref().map(|counter| counter.as_str().to_owned()));
                }
                Some(ASTNode::Stmt(Stmt::TryCatch(caught, _))) => {
                    if let Expr::Variable(name, ..) = &caught.expr {
                        facts.declared.insert(name.1.to_string());
                    }
                }
                Some(ASTNode::Expr(Expr::FnCall(call, _))) if call.name == "curry" => {
                    if let Some(name) = closure_name(call) {
                        captures.entry(name).or_default().extend(captured_names(call));
                    }
                }
                _ => {}
            }
            true
        });
        for (name, params) in closures {
            let taken = captures.get(&name);
            let own = params.into_iter().filter(|param| !taken.is_some_and(|taken| taken.contains(param)));
            facts.declared.extend(own);
        }
        facts.captured = captures.into_values().flatten().collect();
        facts.probes = probes(ast);
        facts
    }
}

/// What the text calls of adapters: adapter and function.
pub(crate) fn adapter_calls(ast: &AST) -> BTreeSet<(String, String)> {
    let mut calls = BTreeSet::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last()
            && call.is_qualified()
        {
            calls.insert((call.namespace.root().to_owned(), call.name.to_string()));
        }
        true
    });
    calls
}

/// Whether the statement at the root of this path stands at the top of the text, outside all functions.
fn is_top(ast: &AST, path: &[ASTNode<'_>]) -> bool {
    match path.first() {
        Some(ASTNode::Stmt(root)) => ast.statements().iter().any(|statement| std::ptr::eq(statement, *root)),
        _ => false,
    }
}

fn closure_name(curry: &FnCallExpr) -> Option<String> {
    match curry.args.first()? {
        Expr::DynamicConstant(value, _) => {
            value.read_lock::<rhai::FnPtr>().map(|closure| closure.fn_name().to_owned())
        }
        _ => None,
    }
}

fn captured_names(curry: &FnCallExpr) -> impl Iterator<Item = String> {
    curry.args.iter().skip(1).filter_map(|argument| match argument {
        Expr::Variable(name, ..) => Some(name.1.to_string()),
        _ => None,
    })
}

/// The keys of the maps in `observe`, when it is so simple that these must be the names of its probes.
fn probes(ast: &AST) -> Option<BTreeSet<String>> {
    let observe = ast.clone_functions_only_filtered(|_, _, _, name, _| name == "observe");
    let (mut names, mut simple) = (BTreeSet::new(), true);
    observe.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Map(map, _))) => {
                names.extend(map.0.iter().map(|(key, _)| key.as_str().to_owned()));
            }
            Some(ASTNode::Stmt(Stmt::Assignment(_))) | Some(ASTNode::Expr(Expr::MethodCall(..))) => {
                simple = false
            }
            // A function of the rule's own may return the map.
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                simple &= call.is_qualified();
            }
            _ => {}
        }
        simple
    });
    simple.then_some(names)
}
