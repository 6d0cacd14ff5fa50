//! `/maintenance`: times in which alerts are left alone. Those of the configuration are shown, those added here can be
//! ended.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use selfheal_core::matcher::Matcher;
use selfheal_core::policy::{MaintenanceWindow, Schedule};
use selfheal_runtime::maintenance::Window;
use serde::{Deserialize, Serialize};

use super::super::answer::Fault;
use super::approvals::checked_reason;
use super::{Answered, Call, ok};

/// The matchers of one window, and the characters of one.
const MATCHERS_MAX: usize = 20;
const MATCHER_CHARS_MAX: usize = 1000;
/// The longest window, so that a forgotten one ends.
const LASTS_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A time in which alerts are left alone.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "MaintenanceWindow")]
pub(super) struct WindowView<'a> {
    /// By which it is ended; null for one of the configuration.
    id: Option<&'a str>,
    /// Which alerts; none means all.
    matchers: Vec<String>,
    /// Its beginning; null for one that comes every week.
    from: Option<Timestamp>,
    /// Its end; for one that comes every week, the end of the one that is open.
    until: Option<Timestamp>,
    /// Whether it is open now.
    open: bool,
    reason: &'a str,
    /// Who added it; `configuration` for one of the configuration.
    by: &'a str,
    /// When it was added.
    at: Option<Timestamp>,
}

impl<'a> WindowView<'a> {
    fn added(window: &'a Window, now: Timestamp) -> Self {
        Self {
            id: Some(&window.id),
            matchers: window.matchers.clone(),
            from: Some(window.from),
            until: Some(window.until),
            open: window.from <= now && now < window.until,
            reason: &window.reason,
            by: &window.by,
            at: Some(window.at),
        }
    }

    fn configured(window: &'a MaintenanceWindow, now: Timestamp) -> Self {
        let open_until = window.schedule.open_until(now);
        let (from, until) = match &window.schedule {
            Schedule::Once { from, until } => (Some(*from), Some(*until)),
            Schedule::Weekly { .. } => (None, open_until),
        };
        Self {
            id: None,
            matchers: window.matchers.iter().map(ToString::to_string).collect(),
            from,
            until,
            open: open_until.is_some(),
            reason: &window.reason,
            by: "configuration",
            at: None,
        }
    }
}

pub(super) async fn list(call: Call) -> Answered {
    let (engine, now) = (&call.app.engine, call.app.engine.clock.now());
    let added = engine.maintenance_windows();
    let added = added.iter().map(|window| WindowView::added(window, now));
    let configured = engine.policy.maintenance.iter().map(|window| WindowView::configured(window, now));
    ok(&added.chain(configured).collect::<Vec<_>>())
}

/// A time in which alerts are to be left alone: from now on, unless it says from when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWindow {
    /// Which alerts, each as Alertmanager writes a matcher: `namespace="shop"`. None means all.
    #[serde(default)]
    #[schemars(length(max = 20))]
    matchers: Vec<String>,
    /// The first moment; now, if left out.
    #[serde(default)]
    from: Option<Timestamp>,
    /// The first moment after it, at most 31 days after the first.
    until: Timestamp,
    /// Why; it is recorded.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    reason: String,
}

pub(super) async fn add(call: Call) -> Answered {
    let shape = r#"{"matchers": ["namespace=\"shop\""], "until": "2026-11-22T18:00:00Z", "reason": "..."}"#;
    let new: NewWindow = call.json(shape)?;
    let (engine, now) = (&call.app.engine, call.app.engine.clock.now());
    let window = checked(new, now)?;
    let added = engine.add_maintenance(window, &call.caller.name).await?;
    ok(&WindowView::added(&added, now))
}

fn checked(new: NewWindow, now: Timestamp) -> Result<Window, Fault> {
    if new.matchers.len() > MATCHERS_MAX {
        return Err(Fault::wrong(format!("there are more than {MATCHERS_MAX} matchers")));
    }
    for text in &new.matchers {
        if text.chars().count() > MATCHER_CHARS_MAX {
            return Err(Fault::wrong(format!("a matcher has more than {MATCHER_CHARS_MAX} characters")));
        }
        Matcher::parse(text).map_err(|fault| {
            Fault::wrong(format!("matchers: {fault}"))
                .help("write each as Alertmanager does: namespace=\"shop\"")
        })?;
    }
    let (from, until) = (new.from.unwrap_or(now), new.until);
    let wrong = |error: String| Err(Fault::wrong(error).help("give times such as 2026-11-22T18:00:00Z"));
    if until <= now || until <= from {
        return wrong(format!("until is {until}, expected a time after {}", from.max(now)));
    }
    if until.duration_since(from) > LASTS_MAX {
        return wrong(format!("it would last from {from} until {until}, expected 31 days at most"));
    }
    let reason = checked_reason(&new.reason)?.to_owned();
    // The engine gives the rest.
    Ok(Window { id: String::new(), matchers: new.matchers, from, until, reason, by: String::new(), at: now })
}

/// A window that was taken away.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "EndedMaintenance")]
pub(super) struct Ended<'a> {
    id: &'a str,
    message: &'static str,
    by: &'a str,
}

pub(super) async fn end(call: Call) -> Answered {
    let id = call.part("id");
    let ended = call.app.engine.end_maintenance(id, &call.caller.name).await?;
    let missing = || {
        Fault::missing("there is no such maintenance window")
            .help("GET /api/self-healing/maintenance lists them; those of the configuration are ended there")
    };
    let window = ended.ok_or_else(missing)?;
    ok(&Ended { id: &window.id, message: "the maintenance window is over", by: &call.caller.name })
}
