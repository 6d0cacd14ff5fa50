//! The smallest adapter: one action that writes a line to the log. For trying out rules, and the first to read for
//! whoever writes an adapter.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use selfheal_contract::settings::Section;
use selfheal_contract::{
    About, Action, Adapter, Applied, Assessment, BlastRadius, Effect, Failure, IntentId, Prepared, Preview,
    Reversal, RosterEntry, Undone, parameters,
};

/// The longest text, in bytes.
const TEXT_BYTES_MAX: usize = 4096;
/// Intents remembered, so that repeating one writes nothing.
const INTENTS_MAX: usize = 1024;

/// The roster's line.
pub const ENTRY: RosterEntry = RosterEntry { section: "log", check, inherits: None };

fn check(_section: &mut Section<'_>) -> Box<dyn Prepared> {
    Box::new(Ready)
}

struct Ready;

impl Prepared for Ready {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        Ok(Adapter {
            name: "log",
            doc: "Writes to selfheal's own log. Changes nothing anywhere else.",
            actions: vec![Arc::new(Write::default())],
            probes: Vec::new(),
            ..Adapter::default()
        })
    }
}

parameters! {
    /// What to write.
    pub struct Line {
        /// The text, at most 4 096 bytes.
        pub text: String,
    }
}

/// Writes one line.
#[derive(Default)]
pub struct Write {
    written: Mutex<Written>,
}

/// The latest intents, to find one and to forget the oldest.
#[derive(Default)]
struct Written {
    found: HashSet<IntentId>,
    order: VecDeque<IntentId>,
}

impl Written {
    /// Whether it was not there.
    fn add(&mut self, intent: IntentId) -> bool {
        if !self.found.insert(intent) {
            return false;
        }
        self.order.push_back(intent);
        if self.order.len() > INTENTS_MAX {
            self.order.pop_front().map(|oldest| self.found.remove(&oldest));
        }
        true
    }
}

#[async_trait]
impl Action for Write {
    type Parameters = Line;
    type Prior = ();

    fn about(&self) -> About {
        About {
            name: "write",
            doc: "Writes one line to the log, at level info. A line cannot be taken back.",
            reversal: Reversal::Irreversible,
            permissions: Vec::new(),
        }
    }

    fn assess(&self, params: &Line) -> Result<Assessment, Failure> {
        if params.text.len() > TEXT_BYTES_MAX {
            let length = params.text.len();
            return Err(Failure::refused(format!(
                "the text has {length} bytes, at most {TEXT_BYTES_MAX} may be written"
            )));
        }
        Ok(Assessment {
            // Lines do not get in each other's way: each text is a target of its own.
            target: format!("log/{}", params.text),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Line) -> Result<Preview, Failure> {
        Ok(Preview { summary: format!("would write {:?}", params.text), changes: Vec::new() })
    }

    async fn capture(&self, _params: &Line) -> Result<(), Failure> {
        Ok(())
    }

    async fn apply(&self, params: &Line, _prior: &(), intent: &IntentId) -> Result<Applied, Failure> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.add(*intent) {
            tracing::info!(intent = %intent.short(), text = params.text, "a rule says");
        }
        Ok(Applied::new("written"))
    }

    async fn effect(&self, _params: &Line, _prior: &(), intent: &IntentId) -> Result<Effect, Failure> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // After a restart nobody knows; a line written twice does no harm.
        Ok(if written.found.contains(intent) {
            Effect::Done(Applied::new("written"))
        } else {
            Effect::Untouched
        })
    }

    async fn undo(&self, _params: &Line, _prior: &(), _intent: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}

#[cfg(test)]
mod tests {
    use selfheal_contract::conformance::{Trial, describe, try_action};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn it_conforms() {
        let adapter = Box::new(Ready).connect().unwrap();
        assert_eq!(describe(&adapter), Vec::<String>::new());
        let action = Arc::new(Write::default());
        let seen = Arc::clone(&action);
        let observe = move || {
            let lines = seen.written.lock().unwrap().order.len();
            Box::pin(async move { json!(lines) }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
        };
        let params = json!({ "text": "hello" }).as_object().unwrap().clone();
        try_action(&Trial { action: &*action, params, observe: &observe }).await.unwrap();
    }

    #[test]
    fn a_text_is_bounded() {
        let params = Line { text: "x".repeat(TEXT_BYTES_MAX + 1) };
        assert!(Action::assess(&Write::default(), &params).is_err());
    }
}
