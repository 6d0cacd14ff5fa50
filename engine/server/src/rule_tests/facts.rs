//! What came of an alert so far, read from the journal as a person would read it.

use selfheal_core::guard::{Says, Verdict};
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::labels::Labels;
use selfheal_core::plan::Plan;
use selfheal_runtime::ports::journal::{DecisionFacts, IssueFilter, JournalFault, Story};
use selfheal_runtime::ports::{News, Sink as _};

use super::given::Alert;
use super::house::House;

/// How the record of a rule that did nothing begins.
const SKIPPED: &str = "decided to do nothing: ";

/// Messages that may be told at one moment.
const MESSAGES_MAX: usize = 10_000;

/// What is known of one alert.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) matched: Vec<String>,
    /// The rule that decided last to do something.
    pub(super) rule: Option<String>,
    /// Rules that decided last to do nothing, with their reasons.
    pub(super) skipped: Vec<(String, String)>,
    pub(super) plan: Option<Plan>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) outcome: Option<Outcome>,
    pub(super) phase: Option<Phase>,
    pub(super) why: String,
    pub(super) level: u32,
    pub(super) did: Vec<String>,
    pub(super) messages: Vec<News>,
    pub(super) approval: Option<String>,
}

impl Facts {
    /// Gathers what is known of an alert now.
    pub(super) async fn gather(house: &House, alert: Option<&Alert>) -> Result<Self, JournalFault> {
        let mut facts = Self { did: house.stage.did(), messages: house.told.got(), ..Self::default() };
        // What is told at this very moment may still be in it.
        let waiting = house.journal.outbox(house.told.name(), house.engine.clock.now(), MESSAGES_MAX).await?;
        facts.messages.extend(waiting.into_iter().map(|message| message.news));
        let Some(alert) = alert else { return Ok(facts) };
        let labels: Labels = alert.labels.iter().cloned().collect();
        let matching = house.engine.rules.current().matching(&labels);
        facts.matched = matching.iter().map(|rule| rule.name().to_owned()).collect();
        let filter =
            IssueFilter { fingerprint: Some(labels.fingerprint()), limit: 1, ..IssueFilter::default() };
        let Some(issue) = house.journal.issues(filter).await?.into_iter().next() else { return Ok(facts) };
        if let Some(story) = house.journal.story(issue.id).await? {
            facts.read(&story);
        }
        Ok(facts)
    }

    fn read(&mut self, story: &Story) {
        let issue = &story.issue;
        (self.outcome, self.phase) = (issue.outcome, Some(issue.phase));
        (self.why, self.level) = (issue.why.clone(), issue.level);
        let open = story.approvals.iter().rev().find(|approval| approval.answer.is_none());
        self.approval = open.map(|approval| approval.why.clone());
        let decided: Vec<_> = story.records.iter().filter(|record| record.kind == "decided").collect();
        let last = decided.last().map(|record| record.at);
        for record in decided.iter().filter(|record| Some(record.at) == last) {
            let Ok(facts) = serde_json::from_value::<DecisionFacts>(record.facts.clone()) else { continue };
            if let Some(why) = record.summary.strip_prefix(SKIPPED) {
                let why = why.strip_prefix(&format!("{}: ", facts.rule)).unwrap_or(why);
                self.skipped.push((facts.rule, why.to_owned()));
            } else {
                self.decide(facts, story);
            }
        }
    }

    fn decide(&mut self, facts: DecisionFacts, story: &Story) {
        let named = facts.plan_hash;
        let ran = story.remediations.iter().map(|one| (one.plan_hash, &one.plan));
        let asked = story.approvals.iter().map(|one| (one.plan_hash, &one.plan));
        // A plan that runs or waits is kept there, and only named by the decision.
        let kept = || ran.chain(asked).find(|(hash, _)| Some(*hash) == named).map(|(_, plan)| plan.clone());
        self.plan = facts.plan.or_else(kept);
        self.verdicts = facts.verdicts;
        self.rule = Some(facts.rule);
    }
}

/// What a guard says, as tests write it.
pub(super) fn says(says: Says) -> &'static str {
    match says {
        Says::Pass => "pass",
        Says::Hold { .. } => "hold",
        Says::Refuse => "refuse",
        Says::Shadow => "shadow",
        Says::Ask => "ask",
    }
}
