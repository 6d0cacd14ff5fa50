//! `POST /dry-run`: what would be done about the alerts of a webhook body, with the rules in use or an edited one.
//!
//! The body is the webhook's. Beside Alertmanager's fields it may hold `rule`: either `{"name": .., "text": ..}`, or the
//! text alone with the name in `rule_name`. Nothing is changed anywhere; adapters are asked for readings and previews.

use actix_web::http::StatusCode;
use schemars::JsonSchema;
use selfheal_runtime::dry_run::DryRunFault;
use selfheal_script::RuleFile;
use serde::Deserialize;

use super::super::answer::Fault;
use super::{Answered, Call, ok, rules, schema};

const SHAPE: &str = r#"give it as "rule": {"name": "my_rule", "text": "..."}, or as text with "rule_name""#;

/// A notification, as Alertmanager sends it, and perhaps an edited rule.
#[derive(JsonSchema)]
#[schemars(rename = "DryRunBody")]
#[expect(dead_code, reason = "the notification has a reader of its own; this only says what it looks like")]
pub(super) struct Body {
    /// Alertmanager's version of the format.
    #[schemars(extend("const" = "4"))]
    version: String,
    alerts: Vec<AlertBody>,
    /// A rule that takes the place of the loaded one of its name.
    rule: Option<RuleBody>,
}

/// An alert, as Alertmanager sends it.
#[derive(JsonSchema)]
#[schemars(rename = "Alert")]
#[expect(dead_code, reason = "the notification has a reader of its own; this only says what it looks like")]
pub(super) struct AlertBody {
    /// `firing` or `resolved`.
    status: AlertState,
    #[schemars(with = "schema::Labels", extend("minProperties" = 1))]
    labels: (),
    #[serde(default)]
    #[schemars(with = "schema::Labels")]
    annotations: (),
    #[serde(rename = "startsAt")]
    starts_at: jiff::Timestamp,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "the notification has a reader of its own; this only says what it looks like")]
enum AlertState {
    Firing,
    Resolved,
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see EditedRule, which knows a second form for shells")]
struct RuleBody {
    /// The rule's name.
    name: String,
    /// Its text.
    text: String,
}

/// What would be done about each alert.
#[derive(JsonSchema)]
#[schemars(rename = "DryRun")]
#[expect(dead_code, reason = "stands for the runtime's DryRun; a test compares the two")]
pub(super) struct Answer {
    /// The generation of the rule set that was asked.
    generation: u64,
    /// The answer for each alert: the rules that were looked at, which one decides, its plan, previews and verdicts.
    #[schemars(with = "Vec<schema::AnyObject>")]
    alerts: (),
    /// Alerts that are malformed, with what is wrong.
    malformed: Vec<String>,
}

/// What the body holds besides the notification, whose reader ignores it in turn.
#[derive(Deserialize)]
struct Edited {
    rule: Option<EditedRule>,
    rule_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EditedRule {
    Named(NamedRule),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedRule {
    name: String,
    text: String,
}

pub(super) async fn dry_run(call: Call) -> Answered {
    let edited = edited(&call.body)?;
    match call.app.engine.dry_run(&call.body, edited).await {
        Ok(answer) => ok(&answer),
        Err(DryRunFault::Body(fault)) => Err(Fault::wrong(fault.to_string())
            .help("send what Alertmanager sends: {\"version\": \"4\", \"alerts\": [...]}")),
        Err(DryRunFault::Rule(diagnostics)) => Err(rules::refused(diagnostics)),
        Err(fault @ DryRunFault::TooManyAlerts(_)) => {
            Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, fault.to_string()).help("send fewer alerts"))
        }
        Err(DryRunFault::Journal(fault)) => Err(fault.into()),
    }
}

/// The edited rule, if the body holds one.
fn edited(body: &[u8]) -> Result<Option<RuleFile>, Fault> {
    let wrong = |what: &str| Fault::wrong(format!("rule: {what}")).help(SHAPE);
    if !body.trim_ascii_start().starts_with(b"{") {
        return Ok(None);
    }
    let edited: Edited = match serde_json::from_slice(body) {
        Ok(edited) => edited,
        Err(error) if error.is_data() => return Err(wrong(&error.to_string())),
        // The notification's own reader says it better.
        Err(_) => return Ok(None),
    };
    let (name, text) = match (edited.rule, edited.rule_name) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(wrong("there is a rule_name and no rule")),
        (Some(EditedRule::Named(rule)), None) => (rule.name, rule.text),
        (Some(EditedRule::Named(_)), Some(_)) => {
            return Err(wrong("it is named twice, by name and by rule_name"));
        }
        (Some(EditedRule::Text(text)), Some(name)) => (name, text),
        (Some(EditedRule::Text(_)), None) => return Err(wrong("the text needs a name")),
    };
    let path = format!("{name}.rhai");
    Ok(Some(RuleFile::new(name, path, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_rule_comes_in_two_forms() {
        let cases = [
            (r#"{"alerts": []}"#, Ok(None)),
            (r#"{"rule": {"name": "a", "text": "x"}}"#, Ok(Some(("a", "x")))),
            (r#"{"rule": "x", "rule_name": "a"}"#, Ok(Some(("a", "x")))),
            (r#"{"rule": null}"#, Ok(None)),
            (r#"{"rule": "x"}"#, Err("needs a name")),
            (r#"{"rule_name": "a"}"#, Err("no rule")),
            (r#"{"rule": {"name": "a", "text": "x"}, "rule_name": "a"}"#, Err("twice")),
            (r#"{"rule": {"name": "a"}}"#, Err("rule:")),
            (r#"{"rule": {"name": "a", "text": "x", "more": 1}}"#, Err("rule:")),
            (r#"{"rule": 1}"#, Err("rule:")),
            (r#"{"rule": "x", "rule": "y"}"#, Err("duplicate")),
            ("[]", Ok(None)),
            (r#"{"rule": "x""#, Ok(None)),
            ("", Ok(None)),
        ];
        for (body, expected) in cases {
            match (edited(body.as_bytes()), expected) {
                (Ok(found), Ok(expected)) => {
                    let found = found.as_ref().map(|file| (&*file.name, &*file.text));
                    assert_eq!(found, expected, "{body}");
                }
                (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{body}: {fault}"),
                (found, _) => panic!("{body}: found {found:?}"),
            }
        }
    }
}
