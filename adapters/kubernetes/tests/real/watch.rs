//! The watch on pods: what happens to them is handed on within a second, once, whatever happens to the watch.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use selfheal_contract::{Intake, NotTaken};
use selfheal_core::alert::Alert;
use selfheal_core::notification::Notification;
use selfheal_test_kubernetes::{ApiDouble, Fault, PodTrouble};
use serde_json::{Value, json};

use crate::support::{adapter_with, pod};

/// Takes notifications, or refuses the first of them.
#[derive(Default)]
pub(crate) struct Inbox {
    alerts: Mutex<Vec<(Instant, String)>>,
    refusals: Mutex<u32>,
    /// What an earlier process has left open.
    left: Vec<Alert>,
    last: Mutex<Option<Alert>>,
}

#[async_trait]
impl Intake for Inbox {
    async fn take(&self, watch: &'static str, body: Vec<u8>) -> Result<(), NotTaken> {
        assert_eq!(watch, "kubernetes_pods");
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(NotTaken::Later("the disk is full".to_owned()));
        }
        let notification =
            Notification::read(&body).map_err(|fault| NotTaken::Malformed(fault.to_string()))?;
        assert!(notification.faults.is_empty(), "{:?}", notification.faults);
        for (_, alert) in notification.alerts {
            let label = |name: &str| {
                let found = alert.labels.iter().find(|(label, _)| &**label == name);
                found.map(|(_, value)| value.to_string()).unwrap_or_default()
            };
            let line =
                format!("{} {} {} {:?}", label("alertname"), label("pod"), label("deployment"), alert.status);
            self.alerts.lock().unwrap().push((Instant::now(), line));
            *self.last.lock().unwrap() = Some(alert);
        }
        Ok(())
    }

    async fn open(&self, _watch: &'static str) -> Result<Vec<Alert>, NotTaken> {
        Ok(self.left.clone())
    }
}

impl Inbox {
    /// The last alert that came.
    pub(crate) fn last(&self) -> Option<Alert> {
        self.last.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.alerts.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Waits until exactly these have come.
    pub(crate) async fn holds(&self, expected: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.lines().len() < expected.len() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.lines(), expected);
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come about within 10 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) struct Listening {
    pub(crate) inbox: Arc<Inbox>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn listen(cluster: Value, events: Value) -> Listening {
    listen_after(Vec::new(), cluster, events)
}

/// Listens as a process does after one that has left these alerts open.
pub(crate) fn listen_after(left: Vec<Alert>, cluster: Value, events: Value) -> Listening {
    let adapter = adapter_with(cluster, events);
    let inbox = Arc::new(Inbox { left, ..Inbox::default() });
    let (watch, intake) = (Arc::clone(&adapter.watches[0]), Arc::clone(&inbox));
    Listening { inbox, task: tokio::spawn(async move { watch.run(intake).await }) }
}

const OOM: &str = "KubernetesPodOOMKilled web-1 web Firing";

#[tokio::test]
async fn events_are_off_unless_asked_for() {
    let double = ApiDouble::start().await;
    assert!(adapter_with(json!({ "url": double.url() }), json!({})).watches.is_empty());
}

#[tokio::test]
async fn troubles_become_alerts_within_a_second_and_end_with_the_pod() {
    let double = ApiDouble::start().await;
    ["web-1", "web-2", "web-3", "web-4"].iter().for_each(|name| drop(double.create(pod(name))));
    let listening = listen(json!({ "url": double.url() }), json!({ "enabled": true }));
    until("a watch", || double.watches() == 1).await;
    let began = Instant::now();
    double.trouble("shop", "web-1", "app", PodTrouble::OomKilled);
    listening.inbox.holds(&[OOM]).await;
    let took = listening.inbox.alerts.lock().unwrap()[0].0 - began;
    println!("from the pod's status to the intake: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    double.trouble("shop", "web-2", "app", PodTrouble::CrashLoopBackOff);
    double.trouble("shop", "web-3", "app", PodTrouble::ImagePullBackOff);
    double.trouble("shop", "web-4", "app", PodTrouble::Evicted);
    double.trouble("shop", "web-2", "app", PodTrouble::CrashLoopBackOff);
    double.delete("pods", "shop", "web-3");
    listening
        .inbox
        .holds(&[
            OOM,
            "KubernetesPodCrashLooping web-2 web Firing",
            "KubernetesImagePullBackOff web-3 web Firing",
            "KubernetesPodEvicted web-4 web Firing",
            "KubernetesImagePullBackOff web-3 web Resolved",
        ])
        .await;
}

#[tokio::test]
async fn a_watch_that_breaks_is_resumed_without_loss_or_repetition() {
    let double = ApiDouble::start().await;
    ["web-1", "web-2", "web-3"].iter().for_each(|name| drop(double.create(pod(name))));
    let listening =
        listen(json!({ "url": double.url() }), json!({ "enabled": true, "namespaces": ["shop"] }));
    until("a watch", || double.watches() == 1).await;
    double.trouble("shop", "web-1", "app", PodTrouble::OomKilled);
    listening.inbox.holds(&[OOM]).await;

    double.cut_watches();
    double.trouble("shop", "web-2", "app", PodTrouble::Evicted);
    let evicted = "KubernetesPodEvicted web-2 web Firing";
    listening.inbox.holds(&[OOM, evicted]).await;

    // Compacted while it was not listening: what it missed comes with the new list, and so does what is gone.
    double.faults().order("GET", "*/pods", 1, Fault::InternalError);
    double.expire_watches();
    double.delete("pods", "shop", "web-2");
    double.trouble("shop", "web-3", "app", PodTrouble::Evicted);
    double.compact();
    until("all alerts", || listening.inbox.lines().len() >= 4).await;
    let mut lines = listening.inbox.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "KubernetesPodEvicted web-2 web Firing",
            "KubernetesPodEvicted web-2 web Resolved",
            "KubernetesPodEvicted web-3 web Firing",
            OOM
        ]
    );
}

#[tokio::test]
async fn a_rotated_token_is_read_again() {
    let double = ApiDouble::start().await;
    double.create(pod("web-1"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    double.set_token(Some("one"));
    double.write_kubeconfig_with_token_file(&path).unwrap();
    let listening = listen(json!({ "kubeconfig": path.to_str().unwrap() }), json!({ "enabled": true }));
    until("a watch", || double.watches() == 1).await;
    double.set_token(Some("two"));
    double.write_kubeconfig_with_token_file(&path).unwrap();
    double.cut_watches();
    double.trouble("shop", "web-1", "app", PodTrouble::OomKilled);
    listening.inbox.holds(&[OOM]).await;
}

#[tokio::test]
async fn what_cannot_be_stored_yet_is_handed_on_later() {
    let double = ApiDouble::start().await;
    double.create(pod("web-1"));
    let listening = listen(json!({ "url": double.url() }), json!({ "enabled": true }));
    *listening.inbox.refusals.lock().unwrap() = 1;
    until("a watch", || double.watches() == 1).await;
    double.trouble("shop", "web-1", "app", PodTrouble::OomKilled);
    listening.inbox.holds(&[OOM]).await;
}

/// Resident memory of this process in MiB; 0 where the system does not tell.
#[expect(clippy::disallowed_methods, reason = "a test that measures its own process")]
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// The figure counts what the stand-in takes to answer as well, so the watch itself takes less. Run alone:
/// `cargo test -p selfheal-kubernetes --release --test real thousands -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the memory of the whole process, so that nothing else may run beside it"]
async fn thousands_of_pods_take_little_memory() {
    const PODS: usize = 5_000;
    let double = ApiDouble::start().await;
    for number in 0..PODS {
        let mut pod = pod(&format!("web-{number}"));
        // As large as real ones, most of which is of no use to the watch.
        pod["metadata"]["annotations"] = json!({ "example.com/notes": "x".repeat(4_000) });
        double.create(pod);
    }
    let before = resident_mib();
    let listening = listen(json!({ "url": double.url() }), json!({ "enabled": true }));
    until("a watch", || double.watches() == 1).await;
    double.trouble("shop", "web-4999", "app", PodTrouble::Evicted);
    listening.inbox.holds(&["KubernetesPodEvicted web-4999 web Firing"]).await;
    let more = resident_mib() - before;
    println!("{PODS} pods: {more:.1} MiB more than before listening, the stand-in's own share included");
    assert!(more < 64.0, "{more} MiB");
}

/// What an earlier process told of, and what ended while nobody was looking, is ended; what still fires is not.
#[tokio::test]
async fn what_ended_while_nobody_looked_is_over() {
    let double = ApiDouble::start().await;
    drop(double.create(pod("web-1")));
    double.trouble("shop", "web-1", "app", PodTrouble::CrashLoopBackOff);
    let first = listen(json!({ "url": double.url() }), json!({ "enabled": true }));
    let still = "KubernetesPodCrashLooping web-1 web Firing";
    first.inbox.holds(&[still]).await;
    let firing: Alert = first.inbox.last.lock().unwrap().clone().unwrap();
    drop(first);

    let renamed =
        firing.labels.iter().map(|(name, value)| (name, if name == "pod" { "web-2" } else { value }));
    let gone = Alert { labels: renamed.collect(), ..firing.clone() };
    let other =
        firing.labels.iter().map(|(name, value)| (name, if name == "severity" { "low" } else { value }));
    let strange = Alert { labels: other.collect(), ..firing.clone() };
    // A container that happens to run at this moment is not well yet; when its pod is gone, it is over.
    double.update("pods", "shop", "web-1", |pod| {
        pod["status"]["containerStatuses"][0]["state"] = json!({ "running": {} });
    });
    let left = vec![firing.clone(), gone, strange];
    let second = listen_after(left, json!({ "url": double.url() }), json!({ "enabled": true }));
    let over =
        ["KubernetesPodCrashLooping web-1 web Resolved", "KubernetesPodCrashLooping web-2 web Resolved"];
    second.inbox.holds(&over).await;
    double.trouble("shop", "web-1", "app", PodTrouble::CrashLoopBackOff);
    double.delete("pods", "shop", "web-1");
    second.inbox.holds(&[over[0], over[1], over[0]]).await;
    let ended = second.inbox.last.lock().unwrap().clone().unwrap();
    assert_eq!((ended.starts_at, ended.fingerprint), (firing.starts_at, firing.fingerprint));
}
