//! Dry-run: what would be done about these alerts, and why. The same rooms as the real thing up to *admit*; nothing is
//! written anywhere, and adapters are asked for previews only.

use std::sync::Arc;
use std::time::Duration;

use selfheal_core::alert::Alert;
use selfheal_core::labels::Fingerprint;
use selfheal_core::matcher::MatcherVerdict;
use selfheal_core::notification::{BodyFault, Notification};
use selfheal_script::{Diagnostic, Rule, RuleFile, RuleSet};
use serde::Serialize;
use serde_json::Value;

use crate::decide::{self, Deliberation, Ending, Purpose, Question};
use crate::engine::Engine;
use crate::ports::JournalFault;
use crate::ports::journal::{Issue, IssueFilter};
use crate::resource::resource;
use crate::rules::matching;

/// Alerts that one dry-run answers for.
pub const ALERTS_MAX: usize = 100;
/// Rules that did not match and are still explained, for each alert.
const UNMATCHED_EXPLAINED_MAX: usize = 200;

/// The answer for a whole body.
#[derive(Debug, Serialize)]
pub struct DryRun {
    /// The generation of the rule set that was asked; with an edited rule in it, that of the set it was put into.
    pub generation: u64,
    /// The answer for each alert.
    pub alerts: Vec<AlertDryRun>,
    /// Alerts that are malformed, with what is wrong.
    pub malformed: Vec<String>,
}

/// The answer for one alert.
#[derive(Debug, Serialize)]
pub struct AlertDryRun {
    /// The alert.
    pub alert: Alert,
    /// The rules that were looked at.
    pub rules: Vec<RuleLook>,
    /// Rules that did not match and are not listed.
    pub rules_not_listed: usize,
    /// The rule that decides; none when no rule matches or all skip.
    pub decided_by: Option<String>,
    /// One sentence: what would happen.
    pub summary: String,
}

/// One rule, as it looked to an alert.
#[derive(Debug, Serialize)]
pub struct RuleLook {
    /// The rule.
    pub rule: String,
    /// Whether all its matchers hold.
    pub matches: bool,
    /// Every matcher, with the value that it was held against.
    pub matchers: Vec<MatcherVerdict>,
    /// What it decided. Absent where it did not match, or an earlier rule had decided to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Deliberation>,
    /// What each step of its plan would do.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub previews: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DryRunFault {
    /// The body is not a notification.
    #[error("{0}")]
    Body(#[from] BodyFault),
    /// The edited rule does not compile.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Rule(Vec<Diagnostic>),
    /// It holds too many alerts.
    #[error("the body holds {0} alerts; a dry-run answers for {ALERTS_MAX} at most")]
    TooManyAlerts(usize),
    /// The journal cannot be read.
    #[error("{0}")]
    Journal(#[from] JournalFault),
}

impl Engine {
    /// Says what would be done about the alerts of a webhook body. `edited` takes the place of the loaded rule of its
    /// name, or is added.
    ///
    /// # Errors
    /// There is no answer, because.
    pub async fn dry_run(&self, body: &[u8], edited: Option<RuleFile>) -> Result<DryRun, DryRunFault> {
        let notification = Notification::read(body)?;
        let alerts: Vec<Alert> = notification.alerts.into_iter().map(|(_, alert)| alert).collect();
        if alerts.len() > ALERTS_MAX {
            return Err(DryRunFault::TooManyAlerts(alerts.len()));
        }
        let current = self.rules.current();
        let set = match edited {
            None => None,
            Some(file) => {
                let loaded = current.set.rules().iter().map(|rule| rule.file());
                let mut files: Vec<RuleFile> =
                    loaded.filter(|loaded| loaded.name != file.name).cloned().collect();
                files.push(file);
                let set = RuleSet::build_from(Some(&current.set), self.rules.compiler(), files);
                Some(set.map_err(DryRunFault::Rule)?)
            }
        };
        let set = set.as_ref().unwrap_or(&current.set);
        let mut answers = Vec::new();
        for alert in alerts {
            answers.push(self.dry_run_alert(set, current.generation, alert).await?);
        }
        let malformed = notification.faults.iter().map(ToString::to_string).collect();
        Ok(DryRun { generation: current.generation, alerts: answers, malformed })
    }

    async fn dry_run_alert(
        &self,
        set: &RuleSet,
        generation: u64,
        alert: Alert,
    ) -> Result<AlertDryRun, JournalFault> {
        let question = self.hypothetical(&alert).await?;
        let matching = matching(set, &alert.labels);
        let mut looks = Vec::new();
        let (mut decided_by, mut summary) = (None, None);
        for rule in &matching {
            let mut look = self.look(rule, &alert, true);
            if decided_by.is_none() {
                let mut deliberation = decide::deliberate(self, rule, generation, &question).await?;
                let what = format!("rule {}: {}", look.rule, describe(&deliberation));
                if !matches!(deliberation.ending, Ending::Skip { .. }) {
                    decided_by = Some(look.rule.clone());
                    look.previews = deliberation.previews.take();
                    summary = Some(what);
                } else if summary.is_none() {
                    summary = Some(what);
                }
                look.decision = Some(deliberation);
            }
            looks.push(look);
        }
        let others: Vec<&Arc<Rule>> = set
            .rules()
            .iter()
            .filter(|rule| !matching.iter().any(|matched| matched.header().name == rule.header().name))
            .collect();
        looks.extend(others.iter().take(UNMATCHED_EXPLAINED_MAX).map(|rule| self.look(rule, &alert, false)));
        Ok(AlertDryRun {
            rules_not_listed: others.len().saturating_sub(UNMATCHED_EXPLAINED_MAX),
            rules: looks,
            decided_by,
            summary: summary.unwrap_or_else(|| format!("nothing would be done: {}", self.rules.unmatched())),
            alert,
        })
    }

    fn look(&self, rule: &Rule, alert: &Alert, matches: bool) -> RuleLook {
        let matchers = rule.header().matchers.iter().map(|matcher| matcher.verdict(&alert.labels)).collect();
        let rule = rule.header().name.clone();
        RuleLook { rule, matches, matchers, decision: None, previews: Value::Null }
    }

    /// The question that the alert would put now, with what is known of its open issue.
    async fn hypothetical(&self, alert: &Alert) -> Result<Question, JournalFault> {
        let issue = self.open_issue(alert.fingerprint).await?;
        let age = Duration::try_from(self.clock.now().duration_since(alert.starts_at)).unwrap_or_default();
        Ok(Question {
            alert: Arc::new(alert.clone()),
            age,
            resource: resource(&alert.labels),
            rule: issue.as_ref().and_then(|issue| issue.rule.clone()),
            level: issue.as_ref().map_or(0, |issue| issue.level),
            level_since: issue.as_ref().and_then(|issue| issue.level_since),
            holder: "dry-run".to_owned(),
            purpose: Purpose::Look,
        })
    }

    async fn open_issue(&self, fingerprint: Fingerprint) -> Result<Option<Issue>, JournalFault> {
        let filter = IssueFilter {
            open: Some(true),
            fingerprint: Some(fingerprint),
            limit: 1,
            ..IssueFilter::default()
        };
        Ok(self.journal.issues(filter).await?.into_iter().next())
    }
}

/// One sentence.
fn describe(deliberation: &Deliberation) -> String {
    use selfheal_core::guard::Ruling;
    let plan = || match &deliberation.facts.plan {
        Some(plan) => {
            let steps: Vec<String> = plan.steps().iter().map(|step| step.action.text()).collect();
            format!("plan {} ({})", plan.hash().short(), steps.join(", "))
        }
        None => "no plan".to_owned(),
    };
    match &deliberation.ending {
        Ending::Skip { why } => format!("would do nothing: {why}"),
        Ending::Failed { why } | Ending::Unreadable { why } => format!("cannot decide: {why}"),
        Ending::Beyond { why } => format!("would call a person: {why}"),
        Ending::Ruled { ruling, .. } => match ruling {
            Ruling::Admit => format!("would run {}", plan()),
            Ruling::Hold { until, why, .. } => format!("would hold {} until {until}: {why}", plan()),
            Ruling::Refuse { why } => format!("would refuse {}: {why}", plan()),
            Ruling::Shadow { why } => format!("would only show {}: {why}", plan()),
            Ruling::Ask { why } => format!("would ask a person to approve {}: {why}", plan()),
        },
    }
}
