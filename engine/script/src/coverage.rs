//! Which statements of rules were reached, for tests of rules.
//!
//! The rule is neither rewritten nor compiled in another way: the engine's debugger interface tells of every node that
//! is about to be evaluated. A compiler that was not made to cover registers none, and pays nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::debugger::{Debugger, DebuggerCommand};
use rhai::{AST, ASTNode, Engine, Position, Stmt};
use serde::Serialize;

/// Where a statement stands in a rule's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
}

/// What was reached, by rule. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    reached: Arc<Mutex<BTreeMap<String, BTreeSet<Place>>>>,
}

impl Coverage {
    /// The places of a rule at which something was evaluated. More than its [`statements`](crate::Rule::statements):
    /// parts of expressions are evaluated too.
    pub fn reached(&self, rule: &str) -> BTreeSet<Place> {
        self.all().get(rule).cloned().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<Place>>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, rule: &str, place: Place) {
        let mut all = self.all();
        match all.get_mut(rule) {
            Some(places) => drop(places.insert(place)),
            None => drop(all.insert(rule.to_owned(), BTreeSet::from([place]))),
        }
    }

    /// Lets an engine tell what it evaluates. The source of an `AST` must be the rule's name.
    #[expect(
        deprecated,
        reason = "Rhai marks its debugger as volatile, and has no other way to see statements"
    )]
    pub(crate) fn watch(&self, engine: &mut Engine) {
        let coverage = self.clone();
        engine.register_debugger(
            |_, debugger: Debugger| debugger,
            move |_, _, node: ASTNode<'_>, rule, _| {
                if let (Some(rule), Some(place)) = (rule, place(node.position())) {
                    coverage.note(rule, place);
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }
}

/// The statements of all functions, as [`Coverage`] tells them.
pub(crate) fn statements(ast: &AST) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    ast.walk(&mut |path| {
        if let Some(ASTNode::Stmt(statement)) = path.last() {
            let at = match statement {
                Stmt::Noop(_) | Stmt::Block(_) => Position::NONE,
                // What is told is the expression, which may begin before the place that it is known by.
                Stmt::Expr(expression) => expression.position(),
                other => other.position(),
            };
            places.extend(place(at));
        }
        true
    });
    places
}

fn place(at: Position) -> Option<Place> {
    Some(Place { line: at.line()?, column: at.position().unwrap_or(1) })
}
