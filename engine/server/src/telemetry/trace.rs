//! One trace from the webhook to the outcome, minutes and restarts later: its id is the one in the journal.
//!
//! OpenTelemetry knows a span's trace only from its parent, and the parent's memory is gone after a restart. So the root
//! span's id is computed from the trace's id: [`begin`] gives the root both ids, and [`adopt`] hangs any later span under
//! that root, knowing nothing but the trace's id. What was received with a `traceparent` keeps the sender's trace, and its
//! root hangs under the sender's span.
//!
//! The ids reach the root through a thread-local that the id generator reads, because spans are built with whatever ids the
//! generator gives; the root is built within [`begin`], so the value never outlives the call.

use std::cell::Cell;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

thread_local! {
    /// The trace whose root is being built on this thread.
    static ROOT_OF: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// What a request's `traceparent` header says (W3C Trace Context, section 3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming(SpanContext);

impl Incoming {
    /// Reads a header; `None` where it is not as it must be, which the standard says to ignore.
    pub fn read(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = [version.len(), trace.len(), span.len(), flags.len()];
        let digits = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if lengths != [2, 32, 16, 2]
            || ![version, trace, span, flags].into_iter().all(digits)
            || version == "ff"
            || (version == "00" && parts.next().is_some())
        {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, TraceState::default());
        context.is_valid().then_some(Self(context))
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace(&self) -> String {
        self.0.trace_id().to_string()
    }
}

/// The root of a trace as a parent for spans of this process; `trace` has 32 hexadecimal digits. `None` when it has not, or
/// only zeros.
pub fn remote_parent(trace: &str) -> Option<Context> {
    let id = trace_id(trace)?;
    let root = SpanContext::new(id, root_span_id(id), TraceFlags::SAMPLED, true, TraceState::default());
    Some(Context::new().with_remote_span_context(root))
}

/// Makes a span the root of a trace, under the sender's span if it sent one of this trace. Must come before the span is
/// entered; does nothing when spans are not recorded or `trace` is no id.
pub fn begin(span: &Span, trace: &str, incoming: Option<&Incoming>) {
    if span.is_disabled() {
        return;
    }
    let Some(id) = trace_id(trace) else { return };
    let parent = match incoming {
        Some(incoming) if incoming.0.trace_id() == id => {
            Context::new().with_remote_span_context(incoming.0.clone())
        }
        _ => Context::new(),
    };
    if span.set_parent(parent).is_ok() {
        ROOT_OF.set(Some(id));
        // Asking for its context builds the span.
        let _ = span.context();
        ROOT_OF.set(None);
    }
}

/// Hangs a span under the root of a trace. Must come before the span is entered; does nothing when spans are not recorded
/// or `trace` is no id.
pub fn adopt(span: &Span, trace: &str) {
    if !span.is_disabled()
        && let Some(parent) = remote_parent(trace)
    {
        // It fails only for a span that has begun, which then keeps the parent that it has.
        let _ = span.set_parent(parent);
    }
}

fn trace_id(trace: &str) -> Option<TraceId> {
    let is_hex = trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    TraceId::from_hex(trace).ok().filter(|id| is_hex && *id != TraceId::INVALID)
}

/// The root's id: both halves of the trace's id, so that it is as random as they are.
fn root_span_id(trace: TraceId) -> SpanId {
    let id = u128::from_be_bytes(trace.to_bytes());
    let folded = (id >> 64) as u64 ^ id as u64;
    // Zero would be no id.
    SpanId::from(if folded == 0 { 1 } else { folded })
}

/// Gives a root its computed ids, and every other span random ones.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        ROOT_OF.get().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        ROOT_OF.get().map_or_else(|| self.0.new_span_id(), root_span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_standard_says() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let cases = [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!(" 00-{TRACE}-00f067aa0ba902b7-00 "), true),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-00f067aa0ba902b7"), false),
            ("00-1-1-1".into(), false),
            (String::new(), false),
            ("ä".repeat(40), false),
        ];
        for (header, valid) in cases {
            let trace = Incoming::read(&header).map(|incoming| incoming.trace());
            assert_eq!(trace.as_deref(), valid.then_some(TRACE), "{header:?}");
        }
    }

    #[test]
    fn a_parent_has_the_trace_id_that_it_was_made_from() {
        let cases = [
            ("4bf92f3577b34da6a3ce929d0e0e4736", Some("e837bda879bd0a90")),
            ("4BF92F3577B34DA6A3CE929D0E0E4736", Some("e837bda879bd0a90")),
            ("00000000000000010000000000000001", Some("0000000000000001")),
            ("00000000000000000000000000000000", None),
            ("4bf92f35", None),
            ("+bf92f3577b34da6a3ce929d0e0e4736", None),
            ("", None),
        ];
        for (trace, root) in cases {
            let parent = remote_parent(trace).map(|context| context.span().span_context().clone());
            let found = parent.map(|parent| (parent.trace_id().to_string(), parent.span_id().to_string()));
            let expected = root.map(|root| (trace.to_lowercase(), root.to_owned()));
            assert_eq!(found, expected, "{trace:?}");
        }
    }
}
