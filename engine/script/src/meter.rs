//! What the running call has used up, counted per thread.
//!
//! Rhai starts its own count of operations anew in every callback that a native function makes (`filter` inside `filter`
//! is never stopped by it), so the count is kept here. A limit once passed stays passed: the call ends at its next
//! operation whatever the script catches.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use rhai::Dynamic;
use selfheal_core::alert::Alert;

use crate::fault::{FaultKind, Refusal};
use crate::limits::{Clock, Limits};

/// A limit that stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Too many operations.
    Operations,
    /// Too much time.
    Deadline,
    /// Too much of the stack.
    Stack,
    /// One value too large; in which way.
    Heavy(&'static str),
    /// Too many bytes read from variables, all together.
    Handled,
    /// Too many steps, probes and conditions.
    Made,
}

/// The values that a rule's functions see by plain name: the constants at the top of its file, and `settings`.
#[derive(Debug, Default)]
pub(crate) struct Constants(pub Vec<(Box<str>, Dynamic)>);

impl Constants {
    fn get(&self, name: &str) -> Option<&Dynamic> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}

#[derive(Default)]
struct Meter {
    operations: Cell<u64>,
    handled_bytes: Cell<usize>,
    made: Cell<u32>,
    ends_at: Cell<Duration>,
    stack_base: Cell<usize>,
    stop: Cell<Option<Stop>>,
    notes: RefCell<Vec<String>>,
    constants: RefCell<Option<Arc<Constants>>>,
    alert: RefCell<Option<Arc<Alert>>>,
}

thread_local! {
    static METER: Meter = Meter::default();
}

/// The clock is read every so many operations, and at the first.
const OPERATIONS_BETWEEN_LOOKS: u64 = 256;

/// A call that is being counted; the count ends with it.
pub(crate) struct Running(());

impl Running {
    /// Begins a count. A call never begins inside another: adapters are asked to assess, and cannot run rules.
    pub fn start(
        limits: &Limits,
        clock: &Clock,
        constants: &Arc<Constants>,
        alert: Option<&Arc<Alert>>,
    ) -> Self {
        METER.with(|meter| {
            meter.operations.set(0);
            meter.handled_bytes.set(0);
            meter.made.set(0);
            meter.ends_at.set(clock().saturating_add(limits.deadline));
            meter.stack_base.set(stack_place());
            meter.stop.set(None);
            meter.notes.borrow_mut().clear();
            *meter.constants.borrow_mut() = Some(Arc::clone(constants));
            *meter.alert.borrow_mut() = alert.cloned();
        });
        Self(())
    }

    /// The limit that was passed, if one was.
    pub fn stopped(&self) -> Option<Stop> {
        METER.with(|meter| meter.stop.get())
    }

    /// What was printed, and how many operations were counted.
    pub fn finish(self) -> (Vec<String>, u64) {
        METER.with(|meter| (meter.notes.take(), meter.operations.get()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        METER.with(|meter| {
            *meter.constants.borrow_mut() = None;
            *meter.alert.borrow_mut() = None;
        });
    }
}

/// About where the stack ends now. Depths of calls and of expressions are bounded each, but they multiply, and how
/// much stack a level takes differs tenfold between builds; so what counts is measured. Every level of an expression
/// is an operation, and between two operations little is used.
#[inline(never)]
fn stack_place() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Counts one operation; true when the call must end.
pub(crate) fn tick(limits: &Limits, clock: &Clock) -> bool {
    METER.with(|meter| {
        let operations = meter.operations.get() + 1;
        meter.operations.set(operations);
        if meter.stop.get().is_some() {
            return true;
        }
        if operations > limits.operations {
            meter.stop.set(Some(Stop::Operations));
        } else if stack_place().abs_diff(meter.stack_base.get()) > limits.stack_bytes {
            meter.stop.set(Some(Stop::Stack));
        } else if operations.is_multiple_of(OPERATIONS_BETWEEN_LOOKS) && clock() > meter.ends_at.get() {
            meter.stop.set(Some(Stop::Deadline));
        }
        meter.stop.get().is_some()
    })
}

/// Ends the call for this reason, unless another ended it before.
pub(crate) fn stop(reason: Stop) {
    METER.with(|meter| {
        if meter.stop.get().is_none() {
            meter.stop.set(Some(reason));
        }
    });
}

/// Counts bytes read from a variable; false when they were too many.
pub(crate) fn handle(bytes: usize, limits: &Limits) -> bool {
    METER.with(|meter| {
        let handled = meter.handled_bytes.get().saturating_add(bytes);
        meter.handled_bytes.set(handled);
        if handled > limits.handled_bytes {
            stop(Stop::Handled);
            return false;
        }
        true
    })
}

/// Counts a step, probe or condition that was made; false when they were too many.
pub(crate) fn make(limits: &Limits) -> bool {
    METER.with(|meter| {
        let made = meter.made.get().saturating_add(1);
        meter.made.set(made);
        if made > limits.made {
            stop(Stop::Made);
            return false;
        }
        true
    })
}

/// What a function says that made too much; the call ends right after it, and tells the limit.
pub(crate) fn too_many_made() -> Refusal {
    Refusal::new(FaultKind::Size, "too many steps, probes and conditions")
}

/// Keeps a printed line, as far as the limits allow.
pub(crate) fn note(text: &str, limits: &Limits) {
    METER.with(|meter| {
        let mut notes = meter.notes.borrow_mut();
        match notes.len() {
            kept if kept < limits.notes => notes.push(text.chars().take(limits.note_chars).collect()),
            kept if kept == limits.notes => {
                notes.push("(what was printed after this was not kept)".to_owned())
            }
            _ => {}
        }
    });
}

/// A constant of the rule that is running.
pub(crate) fn constant(name: &str) -> Option<Dynamic> {
    METER.with(|meter| meter.constants.borrow().as_ref()?.get(name).cloned())
}

/// A label of the alert that the running rule is asked about.
pub(crate) fn label(name: &str) -> Option<String> {
    METER.with(|meter| meter.alert.borrow().as_ref()?.labels.get(name).map(str::to_owned))
}
