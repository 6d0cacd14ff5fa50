//! Maintenance windows: once between two moments, or every week on some days.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use selfheal_contract::settings::Section;
use selfheal_core::matcher::{Matcher, parse_matchers};
use selfheal_core::policy::{MaintenanceWindow, Schedule};
use selfheal_core::span::Span;
use serde::Serialize;

use super::reading::{Moment, chosen, is_written};

/// The longest weekly window: longer ones would run into the next.
const LASTS_MAX: Span = Span::from_hours(7 * 24);

const DAYS: &[(&str, Weekday)] = &[
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A time of day, as `23:00` or `23:00:30`.
struct TimeOfDay(Time);

#[derive(Debug, thiserror::Error)]
#[error("expected a time of day between 00:00 and 23:59")]
struct NoTimeOfDay;

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, NoTimeOfDay> {
        // The library would also take a date with the time.
        let form = text.chars().all(|c| c.is_ascii_digit() || c == ':') && matches!(text.len(), 5 | 8);
        form.then(|| text.parse().ok()).flatten().map(Self).ok_or(NoTimeOfDay)
    }
}

/// Reads one window: `matchers`, `reason`, and either `from` and `until` or `days`, `at`, `lasts` and `zone`.
/// What is faulty is reported.
pub(super) fn window(mut section: Section<'_>) -> Option<MaintenanceWindow> {
    let matchers = matchers(&mut section);
    let reason = section.text("reason");
    let once = ["from", "until"].into_iter().any(|name| is_written(&mut section, name));
    let weekly = ["days", "at", "lasts", "zone"].into_iter().any(|name| is_written(&mut section, name));
    let schedule = match (once, weekly) {
        (true, false) => self::once(&mut section),
        (false, true) => self::weekly(&mut section),
        _ => {
            let problem = "a window is either once (from, until) or every week (days, at, lasts, zone)";
            section.reject(if once { "days" } else { "from" }, problem, Some("write one of the two"));
            None
        }
    };
    section.finish();
    Some(MaintenanceWindow { matchers, schedule: schedule?, reason })
}

/// Matchers as a list of texts.
pub(super) fn matchers(section: &mut Section<'_>) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for text in section.texts("matchers") {
        match parse_matchers(&text) {
            Ok(parsed) => matchers.extend(parsed),
            Err(fault) => section.reject("matchers", format!("{text:?} is no matcher: {fault}"), None),
        }
    }
    matchers
}

fn once(section: &mut Section<'_>) -> Option<Schedule> {
    let from = section.parsed("from").map(|Moment(at)| at);
    let until = section.parsed("until").map(|Moment(at)| at);
    let (from, until) = (from?, until?);
    if until <= from {
        section.reject("until", format!("{until} is not after from, which is {from}"), None);
    }
    Some(Schedule::Once { from, until })
}

fn weekly(section: &mut Section<'_>) -> Option<Schedule> {
    let days = chosen(section, "days", DAYS);
    if !is_written(section, "days") {
        section.reject("days", "required, but missing", Some("write the days as [sat, sun]"));
    }
    let at = section.parsed("at").map(|TimeOfDay(at)| at);
    let lasts = section.optional_span("lasts", Span::from_mins(1)..=LASTS_MAX);
    if !is_written(section, "lasts") {
        section.reject(
            "lasts",
            "required, but missing",
            Some("write how long the window is open, such as 2h"),
        );
    }
    let name = section.optional_text("zone").unwrap_or_else(|| "UTC".to_owned());
    let zone = TimeZone::get(&name).ok();
    if zone.is_none() {
        let problem = format!("there is no time zone {name:?}");
        section.reject(
            "zone",
            problem,
            Some("use a name of the IANA database, such as Europe/Berlin, or UTC"),
        );
    }
    Some(Schedule::Weekly { days, at: at?, lasts: lasts?.duration(), zone: zone? })
}

/// A window in the shape of its entry.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    matchers: &'a [Matcher],
    reason: &'a str,
    #[serde(flatten)]
    schedule: ShownSchedule,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownSchedule {
    Once { from: Timestamp, until: Timestamp },
    Weekly { days: Vec<&'static str>, at: Time, lasts: Span, zone: String },
}

/// The window for showing.
pub(super) fn shown(window: &MaintenanceWindow) -> Shown<'_> {
    let MaintenanceWindow { matchers, schedule, reason } = window;
    let schedule = match schedule {
        Schedule::Once { from, until } => ShownSchedule::Once { from: *from, until: *until },
        Schedule::Weekly { days, at, lasts, zone } => ShownSchedule::Weekly {
            days: days.iter().map(|day| short_name(*day)).collect(),
            at: *at,
            lasts: Span::from(*lasts),
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        },
    };
    Shown { matchers, reason, schedule }
}

fn short_name(day: Weekday) -> &'static str {
    DAYS.iter()
        .find(|(_, known)| *known == day)
        .map(|(name, _)| *name)
        .expect("every day of the week has a name")
}
