//! What a script may use up. The figures are those of the durability page of the design; a script that needs more
//! is doing something that belongs into an adapter.

use std::sync::Arc;
use std::time::Duration;

/// A monotonic clock: the time since any fixed moment. Read only to stop scripts that take too long.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The bounds of one rule's text and of one call of one of its functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text of a rule, in bytes.
    pub source_bytes: usize,
    /// Operations of one call, counted through the callbacks of native functions too.
    pub operations: u64,
    /// The bytes of one text, and of all texts inside one array or map.
    pub text_bytes: usize,
    /// The elements of one array and the entries of one map, with those nested inside.
    pub items: usize,
    /// How deep functions may call each other, callbacks of native functions included.
    pub call_depth: usize,
    /// How deep expressions and blocks may nest in the text; a chain of operators nests too.
    pub expression_depth: usize,
    /// The bytes of the thread's stack that one call may use, whatever the depths. A thread that runs rules needs
    /// half a MiB more.
    pub stack_bytes: usize,
    /// Variables that one function may have at a time.
    pub variables: usize,
    /// The bytes of texts, arrays and maps that one call may read from its variables, all reads together. As every
    /// larger value must come through a variable, this bounds what a call can hold on to.
    pub handled_bytes: usize,
    /// Steps, probes and conditions that one call may make.
    pub made: u32,
    /// The steps of one plan.
    pub plan_steps: usize,
    /// How deep combinators may nest in one plan.
    pub plan_depth: usize,
    /// Probes that `observe` may ask for.
    pub probes: usize,
    /// Lines kept from `print` and `debug`.
    pub notes: usize,
    /// Characters kept of each such line.
    pub note_chars: usize,
    /// The time after which a call is stopped at its next look at the clock.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 64 * 1024,
            operations: 50_000,
            text_bytes: 4 * 1024,
            items: 256,
            call_depth: 16,
            expression_depth: 48,
            stack_bytes: 1024 * 1024,
            variables: 128,
            handled_bytes: 8 * 1024 * 1024,
            made: 512,
            plan_steps: 64,
            plan_depth: 8,
            probes: 32,
            notes: 32,
            note_chars: 256,
            deadline: Duration::from_millis(100),
        }
    }
}
