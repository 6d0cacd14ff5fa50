//! What people are told, and which sinks want to hear it. Everything goes through the outbox.

use selfheal_core::alert::Alert;
use selfheal_core::health::Gravity;
use selfheal_core::issue::Outcome;
use selfheal_core::moment::later;
use selfheal_core::rule::Priority;

use crate::case::news_kind;
use crate::engine::Engine;
use crate::ports::journal::{Approval, Intent, Issue, Notice, Opening, Remediation, Write};
use crate::ports::{ESCALATION, News, NewsApproval, NewsKind};
use crate::switch::Position;

/// Addresses of an alert that are told, at most.
const LINKS_MAX: usize = 4;

/// One message for each sink that wants it. What needs a person is told to the sinks of an escalation by its levels.
fn notices(engine: &Engine, news: News) -> Vec<Notice> {
    let calls_people = matches!(news.kind, NewsKind::Approval | NewsKind::Person);
    let by_level = |name: &str| calls_people && engine.escalation.names(name);
    let wanted = engine.sinks.iter().filter(|sink| !by_level(sink.name()) && sink.wants(&news));
    let mut notices: Vec<Notice> = wanted.map(|sink| notice(sink.name(), news.clone())).collect();
    if calls_people {
        for (number, level) in (1..).zip(engine.escalation.levels()) {
            let news = News { escalation: Some(number), ..news.clone() };
            if level.after.is_zero() {
                notices.extend(level.sinks.iter().map(|sink| notice(sink, news.clone())));
            } else {
                let at = later(news.at, level.after);
                notices.push(Notice { sink: ESCALATION.to_owned(), news: Box::new(news), at });
            }
        }
    }
    notices
}

fn send(engine: &Engine, news: News) -> Vec<Write> {
    notices(engine, news).into_iter().map(Write::Notify).collect()
}

/// A message, to be delivered at once.
fn notice(sink: &str, news: News) -> Notice {
    Notice { sink: sink.to_owned(), at: news.at, news: Box::new(news) }
}

/// The same, as a write.
pub(crate) fn notify(sink: &str, news: News) -> Write {
    Write::Notify(notice(sink, news))
}

fn about(engine: &Engine, kind: NewsKind, title: String, text: String) -> News {
    News {
        kind,
        at: engine.clock.now(),
        title,
        text,
        facts: Vec::new(),
        links: Vec::new(),
        issue: None,
        remediation: None,
        outcome: None,
        severity: None,
        rule: None,
        namespace: None,
        approval: None,
        escalation: None,
    }
}

fn about_issue(engine: &Engine, kind: NewsKind, issue: &Issue, title: String, text: String) -> News {
    let news = about(engine, kind, title, text);
    News { issue: Some(issue.id), ..with_alert(news, &issue.alert, &issue.resource, issue.rule.as_deref()) }
}

/// What the alert of an issue has to say.
fn with_alert(news: News, alert: &Alert, resource: &str, rule: Option<&str>) -> News {
    let mut facts = vec![("Resource".to_owned(), resource.to_owned())];
    facts.extend(rule.map(|rule| ("Rule".to_owned(), rule.to_owned())));
    facts.push(("Firing since".to_owned(), alert.starts_at.to_string()));
    facts.extend(alert.annotations.get("summary").map(|text| ("Summary".to_owned(), text.to_owned())));
    News {
        facts,
        links: links(alert),
        severity: alert.labels.get("severity").map(str::to_owned),
        rule: rule.map(str::to_owned),
        namespace: alert.labels.get("namespace").map(str::to_owned),
        ..news
    }
}

/// The annotations that are an address, such as `runbook_url`.
fn links(alert: &Alert) -> Vec<(String, String)> {
    let is_address = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    let found = alert.annotations.iter().filter(|(_, text)| is_address(text));
    found.take(LINKS_MAX).map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// Whether any sink wants to hear of issues that open; there may be very many.
fn tells_opened(engine: &Engine) -> bool {
    let sample = about(engine, NewsKind::Opened, String::new(), String::new());
    engine.sinks.iter().any(|sink| sink.wants(&sample))
}

/// An issue opens, perhaps without a rule. It gets its number with the transaction that this is written in.
pub(crate) fn opens(engine: &Engine, alert: &Alert, opening: &Opening) -> Vec<Notice> {
    let nothing_done =
        opening.outcome.as_ref().filter(|_| tells_nothing_done(engine, alert, opening.priority));
    if nothing_done.is_none() && !tells_opened(engine) {
        return Vec::new();
    }
    let told = |kind, what: &str, text: String| {
        let news = about(engine, kind, format!("{}: {what}", alert.name()), text);
        with_alert(news, alert, &opening.resource, opening.rule.as_deref())
    };
    let text = match &opening.rule {
        Some(rule) => format!("the rule {rule} is asked what to do"),
        None => engine.rules.unmatched(),
    };
    let mut all = notices(engine, told(NewsKind::Opened, "opened", text));
    if let Some((outcome, why)) = nothing_done {
        let news = told(news_kind(*outcome), outcome.name(), why.clone());
        all.extend(notices(engine, News { outcome: Some(*outcome), ..news }));
    }
    all
}

/// A remediation begins.
pub(crate) fn begins(
    engine: &Engine,
    issue: &Issue,
    remediation: &Remediation,
    contest: Option<&str>,
) -> Vec<Write> {
    let title = format!("{}: a plan was admitted", issue.alert.name());
    let mut news = about_issue(engine, NewsKind::Plan, issue, title, String::new());
    news.facts.extend(about_plan(remediation, contest));
    send(engine, News { remediation: Some(remediation.id), ..news })
}

/// What a remediation does, who approved of it, and who would take the change back.
fn about_plan(remediation: &Remediation, contest: Option<&str>) -> Vec<(String, String)> {
    let steps: Vec<String> = remediation.plan.steps().iter().map(|step| step.action.text()).collect();
    let plan = ("Plan".to_owned(), format!("{} {}", remediation.plan_hash.short(), steps.join(", ")));
    let approved = remediation.approved_by.clone().map(|who| ("Approved by".to_owned(), who));
    let contested = contest.map(|who| ("Contested".to_owned(), who.to_owned()));
    [plan].into_iter().chain(approved).chain(contested).collect()
}

/// An issue got an outcome without a remediation.
pub(crate) fn outcome(engine: &Engine, issue: &Issue, outcome: Outcome, why: &str) -> Vec<Write> {
    let title = format!("{}: {outcome}", issue.alert.name());
    let news = about_issue(engine, news_kind(outcome), issue, title, why.to_owned());
    send(engine, News { outcome: Some(outcome), ..news })
}

/// A rule decided to do nothing about an issue that had no outcome yet.
pub(crate) fn skipped(engine: &Engine, issue: &Issue, why: &str) -> Vec<Write> {
    let is_told = issue.outcome.is_none() && tells_nothing_done(engine, &issue.alert, issue.priority);
    if is_told { outcome(engine, issue, Outcome::Skipped, why) } else { Vec::new() }
}

/// Whether people are to hear that nothing is done about an alert: when it is critical, and when selfheal has raised it itself, so
/// that nobody else knows of it. Most other alerts that no rule is for are none of its business.
fn tells_nothing_done(engine: &Engine, alert: &Alert, priority: Option<Priority>) -> bool {
    let gravity = Gravity::of(alert.labels.get("severity"), priority);
    gravity == Gravity::Critical || engine.raised_here(alert).is_some()
}

/// A remediation ended.
pub(crate) fn remediated(
    engine: &Engine,
    issue: &Issue,
    remediation: &Remediation,
    contest: Option<&str>,
    outcome: Outcome,
    why: &str,
) -> Vec<Write> {
    let title = format!("{}: {outcome}", issue.alert.name());
    let mut news = about_issue(engine, news_kind(outcome), issue, title, why.to_owned());
    news.facts.extend(about_plan(remediation, contest));
    send(engine, News { outcome: Some(outcome), remediation: Some(remediation.id), ..news })
}

/// A plan waits for a person.
pub(crate) fn approval(engine: &Engine, issue: &Issue, approval: &Approval) -> Vec<Write> {
    let title = format!("{}: approval needed", issue.alert.name());
    let steps: Vec<String> = approval.plan.steps().iter().map(|step| step.action.text()).collect();
    let mut news = about_issue(engine, NewsKind::Approval, issue, title, approval.why.clone());
    news.facts.push(("Plan".to_owned(), format!("{} {}", approval.plan_hash.short(), steps.join(", "))));
    news.facts.push(("Approval".to_owned(), approval.id.clone()));
    news.facts.push(("Denied at".to_owned(), approval.expires_at.to_string()));
    send(engine, News { approval: Some(about_approval(approval)), rule: Some(approval.rule.clone()), ..news })
}

fn about_approval(approval: &Approval) -> NewsApproval {
    NewsApproval { id: approval.id.clone(), plan_hash: approval.plan_hash }
}

/// An approval was answered, or is not needed any more.
pub(crate) fn answered(engine: &Engine, issue: &Issue, approval: &Approval, text: String) -> Vec<Write> {
    let title = format!("{}: approval answered", issue.alert.name());
    let news = about_issue(engine, NewsKind::Answered, issue, title, text);
    send(engine, News { approval: Some(about_approval(approval)), ..news })
}

/// A person has taken an issue in hand.
pub(crate) fn acknowledged(engine: &Engine, issue: &Issue, by: &str, reason: &str) -> Vec<Write> {
    let title = format!("{}: {by} has taken it in hand", issue.alert.name());
    send(engine, about_issue(engine, NewsKind::Acknowledged, issue, title, reason.to_owned()))
}

/// A person has silenced an issue's alert, or has ended that.
pub(crate) fn silenced(engine: &Engine, issue: &Issue, what: &str, reason: &str) -> Vec<Write> {
    let title = format!("{}: {what}", issue.alert.name());
    send(engine, about_issue(engine, NewsKind::Acknowledged, issue, title, reason.to_owned()))
}

/// An issue is closed.
pub(crate) fn closed(engine: &Engine, issue: &Issue, outcome: Option<Outcome>, text: String) -> Vec<Write> {
    let title = format!("{}: closed", issue.alert.name());
    let mut news = about_issue(engine, NewsKind::Closed, issue, title, text);
    if !issue.why.is_empty() {
        news.facts.push(("How it went".to_owned(), issue.why.clone()));
    }
    send(engine, News { outcome, ..news })
}

/// A rule is held because of a storm.
pub(crate) fn storm(engine: &Engine, issue: &Issue, rule: &str, why: &str) -> Vec<Write> {
    let title = format!("{rule} is held: a storm of new issues");
    let text = format!("{why}. To let the rule go on for an hour, release it: selfheal rules release {rule}");
    send(engine, about_issue(engine, NewsKind::Storm, issue, title, text))
}

/// The switch was turned.
pub(crate) fn switch(engine: &Engine, position: &Position) -> Vec<Write> {
    let title = format!("automatic remediation is {}", if position.on { "on" } else { "off" });
    let text = format!("{} turned it: {}", position.by, position.why);
    send(engine, about(engine, NewsKind::Switch, title, text))
}

/// A change of a remediation that has ended could not be taken back.
pub(crate) fn revert_failed(engine: &Engine, issue: &Issue, intent: &Intent, why: &str) -> Vec<Write> {
    let title = format!("{}: a change could not be taken back", issue.alert.name());
    let mut news = about_issue(engine, NewsKind::Person, issue, title, why.to_owned());
    news.facts.push(("Change".to_owned(), format!("{} at {}", intent.action, intent.target)));
    let outcome = Some(Outcome::Stuck);
    send(engine, News { remediation: Some(intent.remediation), outcome, ..news })
}
