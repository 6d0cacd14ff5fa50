//! The section `intake`: who may post alerts, and how much is taken before the answer is 503.

use selfheal_contract::settings::Section;
use serde::Serialize;

use super::access::{self, WebhookCredentials};
use super::bytes::{Bytes, bytes_or};

/// How full the backlog may be, of its greatest size, before posts are refused: back-pressure at 80 %.
pub const BACKLOG_SHARE_MAX: f64 = 0.8;

/// The webhook.
#[derive(Debug, Clone, Serialize)]
pub struct Intake {
    /// The longest body. 1 KiB to 1 GiB; 64 MiB by default, more than 100 000 alerts need.
    pub body_max: Bytes,
    /// All bodies that are being read at the same time. From `body_max` to 16 GiB; 128 MiB by default.
    pub in_flight_max: Bytes,
    /// Alerts that are stored but not yet worked off; above [`BACKLOG_SHARE_MAX`] of it the answer is 503.
    /// 100 to 100 000 000; 200 000 by default.
    pub backlog_max: u32,
    /// Who may post.
    #[serde(flatten)]
    pub credentials: WebhookCredentials,
}

/// Reads the section.
pub(super) fn check(section: &mut Section<'_>) -> Intake {
    let most = Bytes::mebibytes(16 * 1024);
    let body_max =
        bytes_or(section, "body_max", Bytes::mebibytes(64), Bytes::kibibytes(1)..=Bytes::mebibytes(1024));
    let in_flight_max = bytes_or(section, "in_flight_max", Bytes::mebibytes(128), Bytes::kibibytes(1)..=most);
    if in_flight_max < body_max {
        let problem = format!("{in_flight_max} is less than body_max, which is {body_max}");
        let help = "a body as long as that could never be taken: raise in_flight_max, or lower body_max";
        let name = if section.has("in_flight_max") { "in_flight_max" } else { "body_max" };
        section.reject(name, problem, Some(help));
    }
    let backlog_max = section.integer_or("backlog_max", 200_000, 100..=100_000_000);
    let credentials = access::webhook(section);
    section.finish();
    Intake { body_max, in_flight_max, backlog_max, credentials }
}
