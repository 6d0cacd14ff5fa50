//! Silences of one Alertmanager (its `api/v2/openapi.yaml`, `gettableSilence` and `postableSilence`).

use jiff::Timestamp;
use reqwest::{StatusCode, Url};
use selfheal_core::matcher::{MatchOp, Matcher};
use selfheal_runtime::ports::{NewSilence, Silence};
use serde::{Deserialize, Serialize};

use super::{Peer, REFUSAL_BYTES_MAX, read};
use crate::outgoing::{excerpt, told};

/// A matcher of a silence. Old versions have no `isEqual`: theirs are all equal.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct SilenceMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GettableSilence {
    id: String,
    status: Status,
    matchers: Vec<SilenceMatcher>,
    created_by: String,
    comment: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

#[derive(Deserialize)]
struct Status {
    state: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableSilence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    matchers: Vec<SilenceMatcher>,
    created_by: &'a str,
    comment: &'a str,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

#[derive(Deserialize)]
struct Posted {
    #[serde(rename = "silenceID")]
    silence_id: String,
}

impl Peer {
    /// Those that stand or are to begin. What cannot be read is left out.
    pub(super) async fn silences(&self) -> Result<Vec<Silence>, String> {
        let response = self.send(self.client.get(self.at(&["silences"])?)).await?;
        let mut silences = Vec::new();
        read(response, &mut |element| match element.and_then(gettable) {
            Ok(silence) => silences.extend(silence),
            Err(problem) => tracing::warn!(problem, "a silence of Alertmanager's API cannot be read"),
        })
        .await?;
        Ok(silences)
    }

    /// Makes or changes one.
    pub(super) async fn silence(&self, silence: &NewSilence) -> Result<String, String> {
        let matcher = |(name, value): (&str, &str)| SilenceMatcher {
            name: name.to_owned(),
            value: value.to_owned(),
            is_regex: false,
            is_equal: true,
        };
        let posted = PostableSilence {
            id: silence.instead_of.as_deref(),
            matchers: silence.labels.iter().map(matcher).collect(),
            created_by: &silence.by,
            comment: &silence.comment,
            starts_at: silence.from,
            ends_at: silence.until,
        };
        let response = self.send(self.client.post(self.at(&["silences"])?).json(&posted)).await?;
        let body = response.bytes().await.map_err(told)?;
        let posted: Posted = serde_json::from_slice(&body)
            .map_err(|error| format!("the answer is none of Alertmanager's: {error}"))?;
        Ok(posted.silence_id)
    }

    /// Ends one; it may be over already.
    pub(super) async fn expire(&self, id: &str) -> Result<(), String> {
        let request = self.authorized(self.client.delete(self.at(&["silence", id])?));
        let response = request.send().await.map_err(told)?;
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            status => {
                let said = excerpt(response, REFUSAL_BYTES_MAX).await;
                // Older versions say so with an error of their own, not with 404.
                let is_over = ["not found", "already expired"].iter().any(|over| said.contains(over));
                if is_over { Ok(()) } else { Err(format!("answered {}: {said}", status.as_u16())) }
            }
        }
    }

    fn at(&self, parts: &[&str]) -> Result<Url, String> {
        let mut url = self.base.clone();
        let mut path = url.path_segments_mut().map_err(|()| "the url cannot have a path".to_owned())?;
        path.pop_if_empty().extend(parts);
        drop(path);
        Ok(url)
    }
}

/// Reads a silence; nothing when its time is over.
fn gettable(json: &[u8]) -> Result<Option<Silence>, String> {
    let read: GettableSilence = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let matcher = |matcher: &SilenceMatcher| {
        let op = match (matcher.is_regex, matcher.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Matches,
            (true, false) => MatchOp::MatchesNot,
        };
        let SilenceMatcher { name, value, .. } = matcher;
        // An expression that cannot be read here is Alertmanager's to judge.
        Matcher::new(name, op, value)
            .map_or_else(|_| format!("{name}{}{value:?}", op.as_str()), |matcher| matcher.to_string())
    };
    Ok((read.status.state != "expired").then(|| Silence {
        id: read.id,
        matchers: read.matchers.iter().map(matcher).collect(),
        by: read.created_by,
        comment: read.comment,
        from: read.starts_at,
        until: read.ends_at,
    }))
}
