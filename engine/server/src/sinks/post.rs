//! One POST of JSON, and what its answer means for the outbox.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use selfheal_runtime::ports::SinkFault;

use crate::outgoing::{excerpt, told};

/// How much of a refusal is read and told.
const REFUSAL_BYTES_MAX: usize = 300;

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
    let request = client.post(url).header(CONTENT_TYPE, "application/json").headers(headers).body(body);
    let response = request.send().await.map_err(|error| SinkFault {
        what: format!("no answer: {}", told(error)),
        retry: true,
        after: None,
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
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
