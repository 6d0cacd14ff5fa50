//! What a test expects at one time. What it does not name is not looked at.

use std::time::Duration;

use selfheal_contract::settings::{Node, Section, Value, suggest};
use selfheal_core::guard::Guard;
use selfheal_core::issue::{Outcome, Phase};

use super::given::time;

/// A value of the file, with its line.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

/// What must be so, at one time.
pub(super) struct Expect {
    pub(super) at: Duration,
    /// Labels of the alert whose issue is looked at; none mean the first alert.
    pub(super) alert: Vec<(String, String)>,
    /// The rules that are for the alert, in the order in which they are asked.
    pub(super) matched: Option<At<Vec<String>>>,
    /// The rule that decided last to do something; `None` inside is `none`.
    pub(super) rule: Option<At<Option<String>>>,
    /// Rules that decided to do nothing, each with a part of its reason.
    pub(super) skipped: Option<At<Vec<(String, String)>>>,
    /// The lines of the plan.
    pub(super) plan: Option<At<Option<String>>>,
    /// Guards with what each says.
    pub(super) verdicts: Vec<At<(Guard, String)>>,
    pub(super) outcome: Option<At<Option<Outcome>>>,
    pub(super) phase: Option<At<Phase>>,
    /// Part of the reason for outcome or waiting.
    pub(super) why: Option<At<String>>,
    pub(super) level: Option<At<u32>>,
    /// Effects so far, in order.
    pub(super) did: Option<At<Vec<String>>>,
    /// Everything that people were told so far, in order.
    pub(super) messages: Option<At<Vec<Message>>>,
    /// Part of why a person is asked; `None` inside is `none`.
    pub(super) approval: Option<At<Option<String>>>,
}

/// One message to people.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: String,
    /// Texts that its title, text or facts contain.
    pub(super) contains: Vec<String>,
}

/// What a guard can say, as tests write it.
const SAYS: &[(&str, &str)] =
    &[("pass", "pass"), ("hold", "hold"), ("refuse", "refuse"), ("shadow", "shadow"), ("ask", "ask")];
const KINDS: &[(&str, &str)] = &[
    ("outcome", "outcome"),
    ("approval", "approval"),
    ("person", "person"),
    ("switch", "switch"),
    ("storm", "storm"),
];

/// Reads one expectation.
pub(super) fn read(mut section: Section<'_>, rules: &[String]) -> Expect {
    let at = time(&mut section, "at").unwrap_or_default();
    let outcomes: Vec<(&str, Option<Outcome>)> = choices(Outcome::NAMES);
    let expect = Expect {
        at,
        alert: section.text_map("alert"),
        matched: is_given(&mut section, "matched").map(|line| At { line, value: section.texts("matched") }),
        rule: text(&mut section, "rule").map(|At { line, value }| At { line, value: unless_none(value) }),
        skipped: is_given(&mut section, "skipped")
            .map(|line| At { line, value: section.text_map("skipped") }),
        plan: text(&mut section, "plan").map(|At { line, value }| At { line, value: unless_none(value) }),
        verdicts: verdicts(&mut section),
        outcome: is_given(&mut section, "outcome")
            .map(|line| At { line, value: section.one_of("outcome", &outcomes, None) }),
        phase: is_given(&mut section, "phase")
            .map(|line| At { line, value: section.one_of("phase", Phase::NAMES, Phase::Waiting) }),
        why: text(&mut section, "why"),
        level: is_given(&mut section, "level")
            .map(|line| At { line, value: section.integer("level", 0..=64) }),
        did: is_given(&mut section, "did").map(|line| At { line, value: section.texts("did") }),
        messages: is_given(&mut section, "messages")
            .map(|line| At { line, value: section.list("messages").into_iter().map(message).collect() }),
        approval: text(&mut section, "approval")
            .map(|At { line, value }| At { line, value: unless_none(value) }),
    };
    let named = expect.matched.iter().flat_map(|matched| &matched.value).map(|name| ("matched", name));
    let decided = expect.rule.iter().filter_map(|rule| rule.value.as_ref()).map(|name| ("rule", name));
    let skipped = expect.skipped.iter().flat_map(|skipped| &skipped.value).map(|(name, _)| ("skipped", name));
    for (key, name) in named.chain(decided).chain(skipped).filter(|(_, name)| !rules.contains(name)) {
        let help =
            suggest(name, rules.iter().map(String::as_str)).map(|meant| format!("did you mean {meant:?}?"));
        section.reject(key, format!("there is no rule {name:?}"), help.as_deref());
    }
    section.finish();
    if expect.is_empty() {
        section.reject(
            "at",
            "nothing is expected here",
            Some("name one of rule, skipped, plan, outcome, did, messages"),
        );
    }
    expect
}

impl Expect {
    fn is_empty(&self) -> bool {
        let Self {
            at: _,
            alert: _,
            matched,
            rule,
            skipped,
            plan,
            verdicts,
            outcome,
            phase,
            why,
            level,
            did,
            messages,
            approval,
        } = self;
        let given = [
            matched.is_some(),
            rule.is_some(),
            skipped.is_some(),
            plan.is_some(),
            !verdicts.is_empty(),
            outcome.is_some(),
            phase.is_some(),
            why.is_some(),
            level.is_some(),
            did.is_some(),
            messages.is_some(),
            approval.is_some(),
        ];
        !given.contains(&true)
    }
}

fn choices(names: &[(&'static str, Outcome)]) -> Vec<(&'static str, Option<Outcome>)> {
    std::iter::once(("none", None)).chain(names.iter().map(|(name, value)| (*name, Some(*value)))).collect()
}

/// The line of a key's value, where the key is given: an empty list is an expectation, too.
fn is_given(section: &mut Section<'_>, name: &str) -> Option<usize> {
    section.node(name).map(|node| node.at.line)
}

fn text(section: &mut Section<'_>, name: &str) -> Option<At<String>> {
    let line = is_given(section, name)?;
    Some(At { line, value: section.text(name) })
}

fn unless_none(text: String) -> Option<String> {
    (text.trim() != "none").then_some(text)
}

fn verdicts(section: &mut Section<'_>) -> Vec<At<(Guard, String)>> {
    let Some(Node { value: Value::Map(entries), .. }) = section.node("verdicts") else {
        // What is no map is reported by this.
        section.section("verdicts").finish();
        return Vec::new();
    };
    let mut guards = section.section("verdicts");
    let mut read = Vec::new();
    for (name, guard) in Guard::NAMES {
        let Some((_, node)) = entries.iter().find(|(key, _)| key.name == *name) else {
            // Asked for, so that a slip of it is recognised.
            guards.node(name);
            continue;
        };
        let says = guards.one_of(name, SAYS, "");
        read.push(At { line: node.at.line, value: (*guard, says.to_owned()) });
    }
    guards.finish();
    read
}

fn message(mut section: Section<'_>) -> Message {
    if section.node("kind").is_none() {
        section.reject(
            "kind",
            "required, but missing",
            Some("write one of outcome, approval, person, switch, storm"),
        );
    }
    let message =
        Message { kind: section.one_of("kind", KINDS, "").to_owned(), contains: section.texts("contains") };
    section.finish();
    message
}
