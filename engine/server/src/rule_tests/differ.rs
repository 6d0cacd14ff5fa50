//! Where what came of a test is not what it expects.

use std::time::Duration;

use selfheal_core::span::Span;
use selfheal_runtime::ports::{News, NewsKind};
use serde::Serialize;

use super::expected::{At, Expect, Message};
use super::facts::{Facts, says};
use super::plan_text;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The line of the file where it is expected, from 1.
    pub line: usize,
    /// What is different: `at 5m, outcome`.
    pub what: String,
    /// The lines that are expected.
    pub expected: Vec<String>,
    /// The lines that came.
    pub actual: Vec<String>,
    /// What to do about it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Compares what is expected with what came.
pub(super) fn compare(expect: &Expect, facts: &Facts) -> Vec<Difference> {
    let mut found = Comparison { at: expect.at, differences: Vec::new() };
    if let Some(matched) = &expect.matched {
        found.lines("matched", matched.line, &matched.value, &facts.matched);
    }
    if let Some(skipped) = &expect.skipped {
        found.skipped(skipped, &facts.skipped);
    }
    if let Some(rule) = &expect.rule {
        found.name("rule", rule.line, rule.value.as_deref(), facts.rule.as_deref());
    }
    if let Some(plan) = &expect.plan {
        let wanted = plan.value.as_deref().unwrap_or("none");
        let wanted: Vec<String> = wanted.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
        let came = facts.plan.as_ref().map_or_else(|| vec!["none".to_owned()], plan_text::lines);
        found.lines("plan", plan.line, &wanted, &came);
    }
    for At { line, value: (guard, wanted) } in &expect.verdicts {
        let verdict = facts.verdicts.iter().find(|verdict| verdict.guard == *guard);
        let came = verdict.map_or("not asked", |verdict| says(verdict.says));
        if came != wanted {
            let why = verdict.map(|verdict| format!("it says: {}", verdict.why));
            found.add(
                &format!("verdict of {guard}"),
                *line,
                vec![wanted.clone()],
                vec![came.to_owned()],
                why,
            );
        }
    }
    if let Some(outcome) = &expect.outcome {
        let name =
            |outcome: Option<selfheal_core::issue::Outcome>| outcome.map(selfheal_core::issue::Outcome::name);
        found.because("outcome", outcome.line, name(outcome.value), name(facts.outcome), &facts.why);
    }
    if let Some(phase) = &expect.phase {
        let came = facts.phase.map(selfheal_core::issue::Phase::name);
        found.because("phase", phase.line, Some(phase.value.name()), came, &facts.why);
    }
    if let Some(why) = &expect.why {
        found.part("why", why.line, &why.value, Some(&facts.why));
    }
    if let Some(level) = &expect.level
        && level.value != facts.level
    {
        found.add("level", level.line, vec![level.value.to_string()], vec![facts.level.to_string()], None);
    }
    if let Some(did) = &expect.did {
        found.lines("did", did.line, &did.value, &facts.did);
    }
    if let Some(messages) = &expect.messages {
        found.messages(messages, &facts.messages);
    }
    if let Some(approval) = &expect.approval {
        match &approval.value {
            Some(part) => found.part("approval", approval.line, part, facts.approval.as_deref()),
            None => found.name("approval", approval.line, None, facts.approval.as_deref()),
        }
    }
    found.differences
}

/// A probe that a rule asked, or a verification, and for which the test has no answer.
pub(super) fn unanswered(line: usize, call: &str) -> Difference {
    Difference {
        line,
        what: "readings".to_owned(),
        expected: vec![format!("a reading of {call}")],
        actual: vec!["none".to_owned()],
        // What is YAML in single quotes has its own single quotes doubled.
        help: Some(format!("add to readings: - {{probe: '{}', fields: {{..}}}}", call.replace('\'', "''"))),
    }
}

/// A person was to answer, and nobody had been asked.
pub(super) fn no_approval(line: usize, at: Duration) -> Difference {
    Difference {
        line,
        what: format!("at {}, events", Span::from(at)),
        expected: vec!["an approval to answer".to_owned()],
        actual: vec!["none is open".to_owned()],
        help: None,
    }
}

struct Comparison {
    at: Duration,
    differences: Vec<Difference>,
}

impl Comparison {
    fn add(
        &mut self,
        what: &str,
        line: usize,
        expected: Vec<String>,
        actual: Vec<String>,
        help: Option<String>,
    ) {
        let what = format!("at {}, {what}", Span::from(self.at));
        self.differences.push(Difference { line, what, expected, actual, help });
    }

    fn lines(&mut self, what: &str, line: usize, wanted: &[String], came: &[String]) {
        if wanted != came {
            self.add(what, line, wanted.to_vec(), came.to_vec(), None);
        }
    }

    fn name(&mut self, what: &str, line: usize, wanted: Option<&str>, came: Option<&str>) {
        if wanted != came {
            let lines = |name: Option<&str>| vec![name.unwrap_or("none").to_owned()];
            self.add(what, line, lines(wanted), lines(came), None);
        }
    }

    fn because(&mut self, what: &str, line: usize, wanted: Option<&str>, came: Option<&str>, why: &str) {
        let before = self.differences.len();
        self.name(what, line, wanted, came);
        if let Some(difference) = self.differences.get_mut(before)
            && !why.is_empty()
        {
            difference.help = Some(format!("because {why}"));
        }
    }

    fn part(&mut self, what: &str, line: usize, part: &str, came: Option<&str>) {
        if !came.is_some_and(|came| came.contains(part)) {
            self.add(
                what,
                line,
                vec![format!("... {part} ...")],
                vec![came.unwrap_or("none").to_owned()],
                None,
            );
        }
    }

    fn skipped(&mut self, wanted: &At<Vec<(String, String)>>, came: &[(String, String)]) {
        let fits = wanted.value.len() == came.len()
            && wanted
                .value
                .iter()
                .all(|(rule, part)| came.iter().any(|(name, why)| name == rule && why.contains(part)));
        if !fits {
            let lines = |pairs: &[(String, String)]| {
                pairs.iter().map(|(rule, why)| format!("{rule}: {why}")).collect()
            };
            self.add("skipped", wanted.line, lines(&wanted.value), lines(came), None);
        }
    }

    fn messages(&mut self, wanted: &At<Vec<Message>>, came: &[News]) {
        let fits = |(wanted, news): (&Message, &News)| {
            wanted.kind == kind(news.kind) && wanted.contains.iter().all(|part| whole(news).contains(part))
        };
        if wanted.value.len() != came.len() || !wanted.value.iter().zip(came).all(fits) {
            let expected = wanted.value.iter().map(|one| {
                let parts: Vec<String> = one.contains.iter().map(|part| format!("... {part} ...")).collect();
                format!("{}: {}", one.kind, parts.join(" and ")).trim_end_matches([' ', ':']).to_owned()
            });
            let actual =
                came.iter().map(|news| format!("{}: {}: {}", kind(news.kind), news.title, news.text));
            self.add("messages", wanted.line, expected.collect(), actual.collect(), None);
        }
    }
}

fn whole(news: &News) -> String {
    let facts: Vec<String> = news.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{}\n{}\n{}", news.title, news.text, facts.join("\n"))
}

fn kind(kind: NewsKind) -> &'static str {
    match kind {
        NewsKind::Opened => "opened",
        NewsKind::Plan => "plan",
        NewsKind::Acknowledged => "acknowledged",
        NewsKind::Answered => "answered",
        NewsKind::Closed => "closed",
        NewsKind::Outcome => "outcome",
        NewsKind::Approval => "approval",
        NewsKind::Person => "person",
        NewsKind::Switch => "switch",
        NewsKind::Storm => "storm",
    }
}
