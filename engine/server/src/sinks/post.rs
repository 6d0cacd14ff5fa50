//! One POST of JSON, and what its answer means for the outbox.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use selfheal_contract::settings::Secret;
use selfheal_runtime::ports::SinkFault;
use serde_json::Value;

use crate::outgoing::{excerpt, told};

/// How much of a refusal is read and told.
const REFUSAL_BYTES_MAX: usize = 300;

/// How much of an answer is read for what it says.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The longest wait that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A refusal's status and the beginning of its body, one printable line.
pub(super) struct Refusal<'r> {
    pub(super) status: StatusCode,
    pub(super) said: &'r str,
}

/// Sends a body. `hint` may say what to do about a refusal that repeating does not cure.
///
/// # Errors
/// To be retried: no answer, 408, 429 and 5xx, with the wait that `Retry-After` asks for. Not to be retried: any other
/// answer than 2xx, redirects included.
pub(super) async fn post(
    client: &Client,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    now: Timestamp,
    hint: fn(&Refusal<'_>) -> Option<&'static str>,
) -> Result<(), SinkFault> {
    sent(client.post(url).headers(headers), body, now, &[], hint).await.map(drop)
}

/// As [`post`], for any request, and those who want the answer, whose body is not read yet. Statuses of `fine` are as good as
/// a success.
///
/// # Errors
/// As [`post`].
pub(super) async fn sent(
    request: RequestBuilder,
    body: Vec<u8>,
    now: Timestamp,
    fine: &[u16],
    hint: fn(&Refusal<'_>) -> Option<&'static str>,
) -> Result<Response, SinkFault> {
    let json = HeaderValue::from_static("application/json");
    let request = request.header(CONTENT_TYPE, json).body(body);
    let response = request.send().await.map_err(|error| SinkFault {
        what: format!("no answer: {}", told(error)),
        retry: true,
        after: None,
    })?;
    let status = response.status();
    if status.is_success() || fine.contains(&status.as_u16()) {
        return Ok(response);
    }
    let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    let retry = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let said = excerpt(response, REFUSAL_BYTES_MAX).await;
    let mut what = format!("answered {}", status.as_u16());
    if !said.is_empty() {
        what.push_str(&format!(": {said}"));
    }
    let hint = if status.is_redirection() {
        Some("redirects are not followed, configure the address it leads to")
    } else {
        hint(&Refusal { status, said: &said })
    };
    if let Some(hint) = hint {
        what.push_str(&format!(" ({hint})"));
    }
    Err(SinkFault { what, retry, after: after.filter(|_| retry) })
}

/// An answer's body as JSON; null where it is none, or longer than any receiver's answer.
pub(super) async fn body_json(mut response: Response) -> Value {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Value::Null;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).unwrap_or_default()
}

/// A bearer token as a header's value.
///
/// # Errors
/// It holds characters that no header may have.
pub(super) fn authorization(scheme: &str, token: &Secret) -> Result<HeaderValue, &'static str> {
    let value = HeaderValue::from_str(&format!("{scheme} {}", token.expose()));
    let mut value = value.map_err(|_| "the token holds characters that no header may have")?;
    value.set_sensitive(true);
    Ok(value)
}

/// The wait that a `Retry-After` asks for, in seconds or until a date (RFC 9110, section 10.2.3), an hour at most.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let cases = [
            ("0", Some(0)),
            ("30", Some(30)),
            (" 7 ", Some(7)),
            ("999999999", Some(3600)),
            ("Sun, 22 Nov 2026 12:01:30 GMT", Some(90)),
            ("Sun, 22 Nov 2026 11:00:00 GMT", Some(0)),
            ("Mon, 23 Nov 2026 12:00:00 GMT", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
