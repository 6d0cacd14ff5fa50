//! Which statements of rules were reached and which ways were taken, for tests of rules.
//!
//! The rule is neither rewritten nor compiled in another way: the engine's debugger interface tells of every node that
//! is about to be evaluated. A compiler that was not made to cover registers none, and pays nothing.
//!
//! A way that leads past something has no node of its own: the `else` that is not written, the right side of `||`, `&&` or
//! `??` that was not needed. It was taken when the fork was come to and what lies on the other way was not, until the fork
//! was come to again or nothing more came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use rhai::debugger::{Debugger, DebuggerCommand};
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt};
use serde::Serialize;

/// Where something stands in a rule's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
}

/// Something in a rule's functions that tests should try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Part {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What it is.
    pub what: What,
}

/// What a part of a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A statement.
    Statement,
    /// A side of `||`, `&&` or `??` that is looked at only when those to its left do not decide.
    Side,
    /// That an `if` without `else` does not hold.
    Else,
    /// That `||`, `&&` or `??` is decided before its last side.
    Short,
}

/// What was reached, by rule. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

/// What was seen of one rule.
#[derive(Clone, Debug, Default)]
struct Seen {
    places: BTreeSet<Place>,
    passed: BTreeSet<Place>,
    /// Forks that were come to, with what lies on the way that is not past it. Threads run one thing after the other, and
    /// each forks by itself.
    open: Vec<(ThreadId, Fork)>,
}

/// A place from which one way leads to another place, and one past it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fork {
    at: Place,
    to: Place,
}

impl Coverage {
    /// Those of the parts that were reached.
    pub fn reached(&self, rule: &str, parts: &BTreeSet<Part>) -> BTreeSet<Part> {
        let all = self.all();
        let Some(seen) = all.get(rule) else { return BTreeSet::new() };
        let is_reached = |part: &&Part| match part.what {
            What::Statement | What::Side => seen.places.contains(&part.place),
            What::Else | What::Short => {
                seen.passed.contains(&part.place) || seen.open.iter().any(|(_, fork)| fork.at == part.place)
            }
        };
        parts.iter().filter(is_reached).copied().collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, rule: &str, place: Place, fork: Option<Fork>) {
        let mut all = self.all();
        match all.get_mut(rule) {
            Some(seen) => seen.note(place, fork),
            None => all.entry(rule.to_owned()).or_default().note(place, fork),
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
                    coverage.note(rule, place, fork(&node));
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }
}

impl Seen {
    fn note(&mut self, place: Place, fork: Option<Fork>) {
        self.places.insert(place);
        let thread = thread::current().id();
        self.open.retain(|(of, fork)| *of != thread || fork.to != place);
        let Some(fork) = fork else { return };
        if self.open.contains(&(thread, fork)) {
            self.passed.insert(fork.at);
        } else {
            self.open.push((thread, fork));
        }
    }
}

/// What tests should try of all functions.
pub(crate) fn parts(ast: &AST) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    ast.walk(&mut |path| {
        let Some(node) = path.last() else { return true };
        let mut add = |at, what| parts.extend(place(at).map(|place| Part { place, what }));
        match node {
            ASTNode::Stmt(statement) => add(position(statement), What::Statement),
            ASTNode::Expr(expression) => {
                sides(expression).iter().skip(1).for_each(|side| add(side.position(), What::Side));
            }
            _ => {}
        }
        let what = if matches!(node, ASTNode::Stmt(_)) { What::Else } else { What::Short };
        parts.extend(fork(node).map(|Fork { at, .. }| Part { place: at, what }));
        true
    });
    parts
}

/// Where a statement is told to be evaluated.
fn position(statement: &Stmt) -> Position {
    match statement {
        Stmt::Noop(_) | Stmt::Block(_) => Position::NONE,
        // What is told is the expression, which may begin before the place that it is known by.
        Stmt::Expr(expression) => expression.position(),
        other => other.position(),
    }
}

/// The sides of `||`, `&&` and `??`, from the left.
fn sides(expression: &Expr) -> &[Expr] {
    match expression {
        Expr::And(sides, _) | Expr::Or(sides, _) | Expr::Coalesce(sides, _) => sides,
        _ => &[],
    }
}

/// Whether a node has a way past something that it does not show.
fn fork(node: &ASTNode<'_>) -> Option<Fork> {
    let to = match node {
        ASTNode::Stmt(Stmt::If(flow, _)) if flow.branch.is_empty() => {
            flow.body.iter().find_map(|statement| place(position(statement)))
        }
        ASTNode::Expr(expression) => sides(expression).last().and_then(|side| place(side.position())),
        _ => None,
    };
    Some(Fork { at: place(node.position())?, to: to? })
}

fn place(at: Position) -> Option<Place> {
    Some(Place { line: at.line()?, column: at.position().unwrap_or(1) })
}
