//! Maintenance windows that people add while the process runs. They are a setting of the journal, so they survive
//! restarts, and hold beside those of the configuration.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use selfheal_core::labels::Labels;
use selfheal_core::matcher::Matcher;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Engine;
use crate::feed::Change;
use crate::ports::journal::{Issue, IssueFilter, Record, Write};
use crate::ports::{JournalFault, JournalFaultKind};

/// The journal's name for the windows.
pub(crate) const SETTING: &str = "maintenance";
/// The task of changing them: one process at a time, since all windows are one setting.
const CHANGING: &str = "maintenance/change";
/// How long a change may take. One that took more than half of it is not written, as another process may be at it.
const CHANGE_LEASE: Duration = Duration::from_secs(10);
/// How often, and for how long, it is tried to become the one who changes them.
const CHANGE_RETRY: Duration = Duration::from_millis(200);
const CHANGE_WAIT: Duration = Duration::from_secs(15);
/// Windows that may stand at the same time.
pub const WINDOWS_MAX: usize = 100;

/// A time in which a person wants some alerts, or all, to be left alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its name.
    pub id: String,
    /// Which alerts, as Alertmanager writes matchers; none means all.
    pub matchers: Vec<String>,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who added it.
    pub by: String,
    /// When it was added.
    pub at: Timestamp,
}

/// A window with its matchers read.
struct Standing {
    window: Window,
    matchers: Vec<Matcher>,
}

impl Standing {
    /// A matcher that cannot be read makes its window cover everything: to leave an alert alone is the safer mistake.
    fn new(window: Window) -> Self {
        let read: Result<Vec<Matcher>, _> = window.matchers.iter().map(|text| Matcher::parse(text)).collect();
        Self { window, matchers: read.unwrap_or_default() }
    }

    fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

/// The windows as the journal has them. One that cannot be read covers everything until somebody ends it.
fn read(stored: Option<Value>) -> Vec<Window> {
    let stored = match stored {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(windows)) => windows,
        Some(other) => vec![other],
    };
    let windows = stored.into_iter().enumerate().map(|(number, stored)| {
        serde_json::from_value(stored).unwrap_or_else(|fault| Window {
            id: format!("unreadable-{number}"),
            matchers: Vec::new(),
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            reason: format!(
                "a maintenance window in the journal cannot be read ({fault}); end it and add it anew"
            ),
            by: "selfheal".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        })
    });
    windows.collect()
}

/// All windows that people have added.
#[derive(Default)]
pub(crate) struct Maintenance {
    standing: ArcSwap<Vec<Standing>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Maintenance {
    /// Those of an earlier process.
    pub(crate) fn restored(stored: Option<Value>) -> Self {
        let maintenance = Self::default();
        maintenance.hold(&read(stored));
        maintenance
    }

    fn hold(&self, windows: &[Window]) {
        self.standing.store(Arc::new(windows.iter().cloned().map(Standing::new).collect()));
    }

    /// Whether these are the windows.
    fn are(&self, windows: &[Window]) -> bool {
        self.standing.load().iter().map(|standing| &standing.window).eq(windows)
    }

    /// The windows that have not ended.
    fn windows(&self, now: Timestamp) -> Vec<Window> {
        let standing = self.standing.load();
        standing
            .iter()
            .map(|standing| &standing.window)
            .filter(|window| now < window.until)
            .cloned()
            .collect()
    }

    /// Why an alert is left alone now, and until when.
    pub(crate) fn covering(&self, labels: &Labels, now: Timestamp) -> Option<(String, Timestamp)> {
        let standing = self.standing.load();
        let open =
            standing.iter().filter(|standing| standing.window.from <= now && now < standing.window.until);
        let covering = open.filter(|standing| standing.matches(labels));
        // The one that lasts longest, so that an alert is not looked at in vain.
        let longest = covering.max_by_key(|standing| standing.window.until)?;
        let Window { reason, by, until, .. } = &longest.window;
        Some((format!("{reason} ({by})"), *until))
    }
}

impl Engine {
    /// The maintenance windows that people have added and that have not ended, in the order of adding.
    pub fn maintenance_windows(&self) -> Vec<Window> {
        self.maintenance.windows(self.clock.now())
    }

    /// Adds a maintenance window; it is durable when this returns. Its id, `by` and `at` are given here.
    ///
    /// # Errors
    /// Conflict when there are too many; otherwise the journal cannot be written. Nothing is changed.
    pub async fn add_maintenance(&self, window: Window, by: &str) -> Result<Window, JournalFault> {
        let _changing = self.maintenance.changing.lock().await;
        let began = self.begin_change().await?;
        let added = self.add_window(window, by, began).await;
        self.end_change().await;
        added
    }

    async fn add_window(&self, window: Window, by: &str, began: Duration) -> Result<Window, JournalFault> {
        self.refresh_maintenance().await?;
        let now = self.clock.now();
        let mut windows = self.maintenance.windows(now);
        if windows.len() >= WINDOWS_MAX {
            let what = format!("there are {WINDOWS_MAX} maintenance windows already; end some first");
            return Err(JournalFault { kind: JournalFaultKind::Conflict, what });
        }
        let id = self.entropy.hex()[..16].to_owned();
        let window = Window { id, by: by.to_owned(), at: now, ..window };
        windows.push(window.clone());
        let Window { from, until, reason, .. } = &window;
        self.keep_windows(
            &windows,
            by,
            format!("added maintenance from {from} until {until}: {reason}"),
            began,
        )
        .await?;
        Ok(window)
    }

    /// Waits until no other process changes the windows; gives since when, by the monotonic clock, this one may.
    async fn begin_change(&self) -> Result<Duration, JournalFault> {
        let give_up = self.clock.monotonic() + CHANGE_WAIT;
        loop {
            let began = self.clock.monotonic();
            if !self.shared
                || self.journal.lease(CHANGING, &self.replica, self.clock.now(), CHANGE_LEASE).await?
            {
                return Ok(began);
            }
            if began >= give_up {
                return Err(changed_elsewhere());
            }
            self.clock.sleep(CHANGE_RETRY).await;
        }
    }

    async fn end_change(&self) {
        if self.shared {
            let given = self.journal.lease(CHANGING, &self.replica, self.clock.now(), Duration::ZERO).await;
            if let Err(fault) = given {
                tracing::warn!(%fault, "the right to change maintenance windows ends by itself");
            }
        }
    }

    /// Takes a maintenance window away; what it held is looked at. Gives `None` when there is none of this name.
    ///
    /// # Errors
    /// The journal cannot be written; nothing is changed.
    pub async fn end_maintenance(&self, id: &str, by: &str) -> Result<Option<Window>, JournalFault> {
        let changing = self.maintenance.changing.lock().await;
        let began = self.begin_change().await?;
        let removed = self.remove_window(id, by, began).await;
        self.end_change().await;
        drop(changing);
        let Some(window) = removed? else { return Ok(None) };
        let (now, was) = (self.clock.now(), Standing::new(window.clone()));
        let held = |issue: &Issue| issue.is_held(now) && was.matches(&issue.alert.labels);
        self.call_all(IssueFilter::default(), held).await?;
        Ok(Some(window))
    }

    async fn remove_window(
        &self,
        id: &str,
        by: &str,
        began: Duration,
    ) -> Result<Option<Window>, JournalFault> {
        self.refresh_maintenance().await?;
        let mut windows = self.maintenance.windows(self.clock.now());
        let Some(place) = windows.iter().position(|window| window.id == id) else { return Ok(None) };
        let window = windows.remove(place);
        self.keep_windows(&windows, by, format!("ended maintenance {id}: {}", window.reason), began).await?;
        Ok(Some(window))
    }

    /// Takes over, from time to time, the windows that people have added in other processes; not while they are changed here,
    /// which does so, too.
    pub(crate) async fn follow_maintenance(&self) -> Result<(), JournalFault> {
        let Ok(_changing) = self.maintenance.changing.try_lock() else { return Ok(()) };
        self.refresh_maintenance().await
    }

    /// Takes over the windows as the journal has them. Nobody else changes them here meanwhile.
    async fn refresh_maintenance(&self) -> Result<(), JournalFault> {
        if self.shared {
            let windows = read(self.journal.setting(SETTING).await?);
            if !self.maintenance.are(&windows) {
                self.maintenance.hold(&windows);
                self.feed.tell(Change { settings: vec![SETTING.to_owned()], ..Change::default() });
            }
        }
        Ok(())
    }

    async fn keep_windows(
        &self,
        windows: &[Window],
        by: &str,
        summary: String,
        began: Duration,
    ) -> Result<(), JournalFault> {
        if self.shared && self.clock.monotonic().saturating_sub(began) > CHANGE_LEASE / 2 {
            return Err(changed_elsewhere());
        }
        let record = Record {
            issue: None,
            remediation: None,
            at: self.clock.now(),
            kind: "maintenance".to_owned(),
            actor: by.to_owned(),
            summary,
            facts: Value::Null,
        };
        let value = serde_json::to_value(windows).unwrap_or_default();
        self.journal
            .commit(vec![Write::Set { key: SETTING.to_owned(), value }, Write::Record(record)])
            .await?;
        self.maintenance.hold(windows);
        Ok(())
    }
}

fn changed_elsewhere() -> JournalFault {
    let what = "another process is changing the maintenance windows; try again".to_owned();
    JournalFault { kind: JournalFaultKind::Conflict, what }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_window_covers_what_it_matches_while_it_is_open() {
        let window = |matchers: &[&str], from, until, reason: &str| Window {
            id: reason.to_owned(),
            matchers: matchers.iter().map(|matcher| (*matcher).to_owned()).collect(),
            from: at(from),
            until: at(until),
            reason: reason.to_owned(),
            by: "ann".to_owned(),
            at: at(0),
        };
        let windows = [
            window(&["job=\"a\""], 10, 20, "short"),
            window(&["job=~\"a|b\"", "env!=\"test\""], 15, 30, "long"),
            window(&["not a matcher"], 50, 60, "unreadable"),
        ];
        let maintenance = Maintenance::restored(Some(serde_json::to_value(windows).unwrap()));
        let cases = [
            ("a", "prod", 9, None),
            ("a", "prod", 10, Some(20)),
            ("a", "prod", 15, Some(30)),
            ("a", "test", 15, Some(20)),
            ("b", "prod", 12, None),
            ("b", "prod", 29, Some(30)),
            ("b", "prod", 30, None),
            ("c", "prod", 55, Some(60)),
        ];
        for (job, env, now, expected) in cases {
            let labels: Labels = [("job", job), ("env", env)].into_iter().collect();
            let found = maintenance.covering(&labels, at(now)).map(|(_, until)| until.as_second());
            assert_eq!(found, expected, "{job} {env} {now}");
        }
        assert_eq!(maintenance.windows(at(25)).len(), 2);
    }

    #[test]
    fn a_window_that_cannot_be_read_covers_everything_until_it_is_ended() {
        let good = json!({ "id": "a", "matchers": ["job=\"a\""], "from": at(0), "until": at(9), "reason": "a", "by": "ann",
                           "at": at(0) });
        for (stored, ids) in [
            (json!(null), vec![]),
            (json!([good]), vec!["a"]),
            (json!([good, { "id": "b" }]), vec!["a", "unreadable-1"]),
            (json!("windows"), vec!["unreadable-0"]),
        ] {
            let maintenance = Maintenance::restored(Some(stored.clone()));
            let found: Vec<String> = maintenance.windows(at(5)).into_iter().map(|window| window.id).collect();
            assert_eq!(found, ids, "{stored}");
            let labels: Labels = [("job", "other")].into_iter().collect();
            let covered = maintenance.covering(&labels, at(5)).is_some();
            assert_eq!(covered, found.iter().any(|id| id.starts_with("unreadable")), "{stored}");
        }
    }
}
