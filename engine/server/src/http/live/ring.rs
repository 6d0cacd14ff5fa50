//! The events of the last while, each as it goes over the wire, for those who come back after a short absence.

use std::collections::VecDeque;
use std::fmt::Write as _;

use actix_web::web::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

/// Events that are kept.
const EVENTS_MAX: usize = 1024;
/// Their bytes in all.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events that a listener may be behind before it is sent away.
const BEHIND_MAX: usize = 256;

/// What is kept, and where events go out.
pub(super) struct Ring {
    /// Which process's events these are.
    origin: String,
    /// The number of the last event, from 1; 0 before the first.
    last: u64,
    /// The latest events without a gap.
    events: VecDeque<Bytes>,
    bytes: usize,
    sender: broadcast::Sender<Bytes>,
}

impl Ring {
    pub(super) fn new(origin: String) -> Self {
        let sender = broadcast::Sender::new(BEHIND_MAX);
        Self { origin, last: 0, events: VecDeque::new(), bytes: 0, sender }
    }

    /// Writes an event once, keeps it and sends it to all who listen.
    pub(super) fn publish(&mut self, kind: &str, data: &impl Serialize) {
        let data = match serde_json::to_string(data) {
            Ok(data) => data,
            Err(error) => return tracing::error!(%error, kind, "an event cannot be written as JSON"),
        };
        self.last += 1;
        // JSON as serde_json writes it is one line.
        let event = Bytes::from(self.event(kind, &data));
        self.bytes += event.len();
        self.events.push_back(event.clone());
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        // Without a listener there is nobody to send it to.
        let _ = self.sender.send(event);
    }

    /// Something happened that was not told: who comes back from before it must read again.
    pub(super) fn skip(&mut self) {
        self.last += 1;
        self.events.clear();
        self.bytes = 0;
    }

    /// What somebody missed who heard `after` last, and all that comes from now on. It begins with `hello`; with `reset`
    /// when what was missed is not known any more, so that lists must be read again.
    pub(super) fn join(&self, after: Option<&str>) -> (Vec<Bytes>, broadcast::Receiver<Bytes>) {
        let heard = after.map(|after| self.number(after));
        let oldest = self.last - self.events.len() as u64;
        let mut missed = Vec::new();
        match heard {
            None => missed.push(self.greeting("hello")),
            Some(Some(heard)) if (oldest..=self.last).contains(&heard) => {
                missed.push(Bytes::from_static(b": welcome back\nretry: 2000\n\n"));
                missed.extend(self.events.iter().skip((heard - oldest) as usize).cloned());
            }
            Some(_) => missed.push(self.greeting("reset")),
        }
        (missed, self.sender.subscribe())
    }

    fn greeting(&self, kind: &str) -> Bytes {
        let mut greeting = String::from("retry: 2000\n");
        greeting.push_str(&self.event(kind, "{}"));
        Bytes::from(greeting)
    }

    fn event(&self, kind: &str, data: &str) -> String {
        let mut event = String::with_capacity(data.len() + 64);
        // Writing to a string cannot fail.
        let _ = write!(event, "id: {}-{}\nevent: {kind}\ndata: {data}\n\n", self.origin, self.last);
        event
    }

    /// The number of an event of this process.
    fn number(&self, id: &str) -> Option<u64> {
        id.strip_prefix(self.origin.as_str())?.strip_prefix('-')?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(missed: &[Bytes]) -> Vec<String> {
        missed.iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
    }

    #[test]
    fn who_comes_back_gets_what_was_missed_or_must_read_again() {
        let mut ring = Ring::new("a".into());
        assert_eq!(texts(&ring.join(None).0), ["retry: 2000\nid: a-0\nevent: hello\ndata: {}\n\n"]);
        for number in 1..=3 {
            ring.publish("issue", &number);
        }
        let cases: [(&str, Option<usize>); 8] = [
            ("a-3", Some(0)),
            ("a-1", Some(2)),
            ("a-0", Some(3)),
            ("a-4", None),
            ("b-1", None),
            ("a-", None),
            ("", None),
            ("a-99999999999999999999999", None),
        ];
        for (after, expected) in cases {
            let missed = texts(&ring.join(Some(after)).0);
            match expected {
                Some(count) => assert_eq!(missed.len() - 1, count, "{after}: {missed:?}"),
                None => assert!(missed[0].contains("event: reset"), "{after}: {missed:?}"),
            }
        }
        assert_eq!(texts(&ring.join(Some("a-2")).0)[1], "id: a-3\nevent: issue\ndata: 3\n\n");
        ring.skip();
        assert!(texts(&ring.join(Some("a-3")).0)[0].contains("event: reset"));
        ring.publish("issue", &5);
        assert_eq!(texts(&ring.join(Some("a-4")).0).len(), 2, "from the gap on");
    }

    #[test]
    fn it_keeps_a_bounded_while() {
        let mut ring = Ring::new("a".into());
        for number in 0..2000 {
            ring.publish("issue", &number);
        }
        assert_eq!(ring.events.len(), EVENTS_MAX);
        for _ in 0..10 {
            ring.publish("issue", &"x".repeat(1024 * 1024));
        }
        assert!(ring.events.len() <= 4 && ring.bytes <= BYTES_MAX);
        assert_eq!(ring.bytes, ring.events.iter().map(Bytes::len).sum::<usize>());
    }
}
