//! Watches: what comes, what does not, and how they end.

use super::*;
use futures::{StreamExt, TryStreamExt};
use kube::{
    api::{WatchEvent, WatchParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, reflector, watcher},
};

/// `+a`, `~a`, `-a` for objects; `=` for a bookmark; the code of an error.
fn short(event: &WatchEvent<Pod>) -> String {
    let name = |pod: &Pod| pod.metadata.name.clone().unwrap();
    match event {
        WatchEvent::Added(pod) => format!("+{}", name(pod)),
        WatchEvent::Modified(pod) => format!("~{}", name(pod)),
        WatchEvent::Deleted(pod) => format!("-{}", name(pod)),
        WatchEvent::Bookmark(bookmark) => format!("={}", bookmark.metadata.resource_version),
        WatchEvent::Error(status) => status.code.to_string(),
    }
}

#[tokio::test]
async fn a_watch_tells_what_fits_its_selector() {
    let double = ApiDouble::start().await;
    double.create(pod("old"));
    let start = double.revision().to_string();
    let api = pods(&double).await;
    let events = api.watch(&WatchParams::default().labels("app=web"), &start).await.unwrap();
    let events = events.map_ok(|event| short(&event));
    let relabel = |app: &'static str| move |pod: &mut Value| pod["metadata"]["labels"]["app"] = json!(app);
    double.create(pod("a"));
    double.create(deployment("web"));
    double.update("pods", "shop", "a", |pod| pod["status"]["phase"] = json!("Failed"));
    double.update("pods", "shop", "a", relabel("other"));
    double.update("pods", "shop", "a", |pod| pod["status"]["phase"] = json!("Running"));
    double.update("pods", "shop", "a", relabel("web"));
    double.delete("pods", "shop", "a");
    let seen: Vec<String> = events.take(5).try_collect().await.unwrap();
    assert_eq!(seen, ["+a", "~a", "-a", "+a", "-a"]);
}

#[tokio::test]
async fn bookmarks_expiry_and_the_end_by_time() {
    let double = ApiDouble::start().await;
    double.create(pod("a"));
    let api = pods(&double).await;
    let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert_eq!(short(&events.next().await.unwrap().unwrap()), "+a");
    double.create(deployment("web"));
    assert_eq!(double.bookmark(), 1);
    let bookmark = format!("={}", double.revision());
    assert_eq!(short(&events.next().await.unwrap().unwrap()), bookmark);
    assert_eq!(double.expire_watches(), 1);
    assert_eq!(short(&events.next().await.unwrap().unwrap()), "410");
    assert!(events.next().await.is_none());
    double.update("pods", "shop", "a", |pod| pod["status"]["phase"] = json!("Failed"));
    double.compact();
    let mut events = api.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    assert_eq!(short(&events.next().await.unwrap().unwrap()), "410");
    let now = double.revision().to_string();
    let brief: Vec<_> =
        api.watch(&WatchParams::default().timeout(1), &now).await.unwrap().try_collect().await.unwrap();
    assert_eq!(brief.iter().map(short).collect::<Vec<_>>(), [format!("={now}")]);
}

#[tokio::test]
async fn a_reflector_survives_cuts_expiry_and_refusals() {
    let double = ApiDouble::start().await;
    double.create(pod("a"));
    let (store, writer) = reflector::store();
    let stream = watcher(pods(&double).await, watcher::Config::default().page_size(1)).backoff(Soon);
    let stream = reflector(writer, stream).for_each(|_| std::future::ready(()));
    let running = tokio::spawn(stream);
    let known = |count: usize| {
        let store = store.clone();
        move || store.state().len() == count
    };
    until("the first pod is known", known(1)).await;
    for (index, what) in ["cut", "gone", "unauthorized"].into_iter().enumerate() {
        until("the watch runs", || double.watches() == 1).await;
        match what {
            "cut" => drop(double.cut_watches()),
            "gone" => {
                double.compact();
                double.expire_watches();
            }
            _ => {
                double.faults().order("GET", "*/pods", 2, selfheal_test_kubernetes::Fault::Unauthorized);
                double.cut_watches();
            }
        }
        double.create(pod(what));
        until(what, known(index + 2)).await;
    }
    running.abort();
}

/// Tries again soon, for ever.
struct Soon;

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(5))
    }
}

impl kube::runtime::utils::Backoff for Soon {
    fn reset(&mut self) {}
}

#[tokio::test]
async fn metadata_alone_can_be_watched() {
    let double = ApiDouble::start().await;
    double.create(pod("a"));
    let api: Api<PartialObjectMeta<Pod>> = Api::namespaced(client(&double).await, "shop");
    let stream = watcher(api, watcher::Config::default());
    let first = stream.applied_objects().boxed().try_next().await.unwrap().unwrap();
    assert_eq!(first.metadata.name.as_deref(), Some("a"));
}
