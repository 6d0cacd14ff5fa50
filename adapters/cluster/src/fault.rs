//! What an API server's answer, or its silence, means for the next step, in words that tell an operator what to do.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use selfheal_contract::Failure;
use serde::Deserialize;

use crate::exchange::Asked;

/// Characters of the server's own words that a message shows.
const WORDS_CHARS_MAX: usize = 400;

/// The error body of the API server (`kind: Status`); anything else in between leaves it empty.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    #[serde(default)]
    name: String,
}

impl Status {
    /// Reads an error's body.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            message: String::from_utf8_lossy(&body[..body.len().min(4 * WORDS_CHARS_MAX)]).into_owned(),
            ..Self::default()
        })
    }

    /// Whether an object is missing, and not the kind itself.
    pub(crate) fn is_of_object(&self) -> bool {
        self.reason == "NotFound" && self.details.as_ref().is_some_and(|details| !details.name.is_empty())
    }

    fn words(&self) -> String {
        let words = if self.message.is_empty() { &self.reason } else { &self.message };
        let words = one_line(words.trim());
        if words.is_empty() { "it gives no reason".to_owned() } else { words }
    }
}

/// The server answered, and not with what was asked for.
pub(crate) fn answered(
    cluster: &dyn fmt::Display,
    asked: &Asked<'_>,
    code: u16,
    status: &Status,
    wait: Option<Duration>,
) -> Failure {
    let words = status.words();
    match code {
        401 => Failure::transient(format!(
            "{cluster} does not accept selfheal's login: {words}; check the token or certificate of this cluster"
        )),
        403 => Failure::refused(format!(
            "{cluster} forbids selfheal to {} {} ({}): {words}; grant it: `selfheal rbac` prints the role that the rules need",
            asked.verb, asked.resource, asked.subject
        )),
        404 if status.is_of_object() => {
            Failure::refused(format!("there is no {} in {cluster}; check the name", asked.subject))
        }
        404 => Failure::refused(format!(
            "{cluster} does not know {}: {words}; check that what defines them is installed",
            asked.resource
        )),
        409 => Failure::transient(format!(
            "{} of {cluster} was changed at the same moment: {words}",
            asked.subject
        )),
        429 => Failure::transient(match wait {
            Some(wait) => format!("{cluster} asks to be left alone for {} s: {words}", wait.as_secs()),
            None => format!("{cluster} has too much to do: {words}"),
        }),
        // Refused before anything was done with it.
        503 => Failure::transient(format!("{cluster} cannot do it now: {words}")),
        500.. if asked.changes => Failure::indeterminate(format!(
            "{cluster} was sent a change of {} and failed with {code}: {words}; look whether it happened",
            asked.subject
        )),
        500.. => Failure::transient(format!("{cluster} failed with {code}: {words}")),
        _ => Failure::refused(format!(
            "{cluster} refused to {} {} ({code}): {words}",
            asked.verb, asked.subject
        )),
    }
}

/// There was no answer, or only part of one.
pub(crate) fn unanswered(
    cluster: &dyn fmt::Display,
    asked: &Asked<'_>,
    fault: &(dyn Error + 'static),
) -> Failure {
    let words = root_cause(fault);
    if never_sent(fault) {
        return Failure::transient(format!(
            "{cluster} cannot be reached: {words}; check that it runs, its address and its certificate"
        ));
    }
    silent(cluster, asked, &words)
}

/// What was sent got no answer.
pub(crate) fn silent(cluster: &dyn fmt::Display, asked: &Asked<'_>, words: &str) -> Failure {
    if asked.changes {
        Failure::indeterminate(format!(
            "{cluster} was sent a change of {}, and its answer did not come ({words}); look whether it happened",
            asked.subject
        ))
    } else {
        Failure::transient(format!("{cluster} gave no answer: {words}"))
    }
}

/// Whether the request had not left: there was no connection, or no token to send.
fn never_sent(fault: &(dyn Error + 'static)) -> bool {
    chain(fault).any(|fault| {
        let connecting = fault
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        connecting
            || fault.downcast_ref::<kube::Error>().is_some_and(|fault| matches!(fault, kube::Error::Auth(_)))
    })
}

fn root_cause(fault: &(dyn Error + 'static)) -> String {
    let last = chain(fault).last().unwrap_or(fault);
    one_line(&last.to_string())
}

/// The beginning of strangers' words on one line: quotes stay as they are, and nothing steers a terminal.
fn one_line(words: &str) -> String {
    let mut line = String::new();
    for character in words.chars().take(WORDS_CHARS_MAX) {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

fn chain<'a>(fault: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(fault), |fault: &&'a (dyn Error + 'static)| (*fault).source())
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfheal_contract::FailureKind::{self, Indeterminate, Refused, Transient};

    #[test]
    fn an_answer_says_what_may_be_done_next() {
        let missing = r#"{"kind":"Status","reason":"NotFound","message":"no","details":{"name":"web"}}"#;
        let cases: [(u16, bool, &str, FailureKind, &str); 13] = [
            (401, true, "", Transient, "does not accept selfheal's login"),
            (403, true, r#"{"message":"no way"}"#, Refused, "forbids selfheal to patch deployments.apps"),
            (404, true, missing, Refused, "there is no deployment shop/web in"),
            (404, true, "404 page not found", Refused, "does not know deployments.apps"),
            (409, true, "", Transient, "was changed at the same moment"),
            (422, true, r#"{"message":"spec.x: bad"}"#, Refused, "spec.x: bad"),
            (400, true, "", Refused, "it gives no reason"),
            (429, true, "", Transient, "left alone for 7 s"),
            (503, true, "", Transient, "cannot do it now"),
            (500, true, "", Indeterminate, "look whether it happened"),
            (504, true, "", Indeterminate, "look whether it happened"),
            (500, false, "", Transient, "failed with 500"),
            (403, false, "a\u{1b}b", Refused, "a\\u{1b}b"),
        ];
        for (code, changes, body, kind, text) in cases {
            let asked = Asked {
                verb: "patch",
                resource: "deployments.apps",
                subject: "deployment shop/web",
                changes,
            };
            let wait = (code == 429).then_some(Duration::from_secs(7));
            let failure = answered(&"the cluster", &asked, code, &Status::read(body.as_bytes()), wait);
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.what.contains(text), "{failure}");
        }
    }
}
