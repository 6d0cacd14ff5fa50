//! Single exchanges with a server that answers from a script.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};

use http::{Request, Response};
use kube::client::Body;
use selfheal_contract::{Effect, FailureKind, Undone};
use selfheal_core::hash::ContentHash;
use selfheal_core::span::Span;
use serde_json::json;

use super::*;
use crate::change::Edit;
use crate::mark::{CONTEST_ANNOTATION, INTENT_ANNOTATION};

/// What the server does next.
enum Next {
    Answer(u16, Value),
    RetryAfter(u64),
    Hang,
    Reset,
}

/// The field that changes, as `managedFields` has it.
static REPLICAS: LazyLock<[Vec<String>; 1]> =
    LazyLock::new(|| [["spec", "replicas"].map(str::to_owned).to_vec()]);

type Log = Arc<Mutex<Vec<String>>>;

const TIMEOUTS: Timeouts = Timeouts { connect: Span::from_millis(100), answer: Span::from_millis(100) };

/// A cluster over a server that answers from the script, and what it was asked.
fn scripted(script: impl IntoIterator<Item = Next>) -> (Cluster, Log) {
    let script = Arc::new(Mutex::new(VecDeque::from_iter(script)));
    let log = Log::default();
    let seen = Arc::clone(&log);
    let service = tower::service_fn(move |request: Request<Body>| {
        let next = script.lock().unwrap().pop_front().expect("the script is long enough");
        let seen = Arc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let line = format!("{} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body));
            seen.lock().unwrap().push(line.trim().to_owned());
            let answer = Response::builder().header("date", "Sun, 22 Nov 2026 16:30:00 GMT");
            let answer = match next {
                Next::Answer(code, body) => {
                    answer.status(code).body(Body::from(body.to_string().into_bytes()))
                }
                Next::RetryAfter(seconds) => {
                    answer.status(429).header("retry-after", seconds).body(Body::empty())
                }
                Next::Hang => std::future::pending().await,
                Next::Reset => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            };
            Ok(answer.unwrap())
        }
    });
    (Cluster::over("test", Client::new(service, "default"), TIMEOUTS), log)
}

fn web() -> Reference<'static> {
    Reference::new(&kinds::DEPLOYMENT, "shop", "web")
}

fn deployment(version: u32, replicas: u32, intent: Option<&str>) -> Next {
    let annotations = intent.map(|intent| json!({ INTENT_ANNOTATION: intent })).unwrap_or(json!({}));
    Next::Answer(
        200,
        json!({ "metadata": { "uid": "u", "resourceVersion": version.to_string(), "annotations": annotations },
            "spec": { "replicas": replicas } }),
    )
}

fn conflict() -> Next {
    Next::Answer(409, json!({ "kind": "Status", "reason": "Conflict", "code": 409 }))
}

fn edit(cluster: &Cluster) -> Edit<'_> {
    Edit {
        cluster,
        of: web(),
        subresource: None,
        patch: PatchKind::Merge,
        what: "replicas".to_owned(),
        read: Box::new(|object| Ok(object.at("/spec/replicas").clone())),
        write: Box::new(|values| json!({ "spec": { "replicas": values } })),
        wanted: json!(5),
    }
}

fn intent() -> selfheal_contract::IntentId {
    ContentHash::of_parts([b"intent".as_slice()])
}

#[tokio::test]
async fn objects_come_with_the_servers_time() {
    let (cluster, log) = scripted([deployment(1, 2, None)]);
    let object = cluster.get(web()).await.unwrap();
    assert_eq!(object.read_at().unwrap().to_string(), "2026-11-22T16:30:00Z");
    assert_eq!(log.lock().unwrap()[0], "GET /apis/apps/v1/namespaces/shop/deployments/web");
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_is_not_known() {
    let missing =
        json!({ "kind": "Status", "reason": "NotFound", "details": { "name": "web" }, "code": 404 });
    let (cluster, _) = scripted([Next::Answer(404, missing), Next::Answer(404, json!("404 page not found"))]);
    assert_eq!(cluster.find(web()).await.unwrap(), None);
    let failure = cluster.find(web()).await.unwrap_err();
    assert!(failure.what.contains("does not know deployments.apps"), "{failure}");
}

#[tokio::test]
async fn a_short_pause_is_kept_and_a_long_one_handed_on() {
    let (cluster, log) = scripted([Next::RetryAfter(0), deployment(1, 2, None), Next::RetryAfter(60)]);
    cluster.get(web()).await.unwrap();
    for text in ["left alone for 60 s", "left alone for 5"] {
        let failure = cluster.get(web()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient);
        assert!(failure.what.contains(text), "{failure}");
    }
    assert_eq!(log.lock().unwrap().len(), 3, "the server is not asked while it wants to be left alone");
}

#[tokio::test]
async fn silence_is_indeterminate_for_a_change_only() {
    let patch = json!({});
    for (next, change, expected) in [
        (Next::Hang, false, FailureKind::Transient),
        (Next::Reset, false, FailureKind::Transient),
        (Next::Hang, true, FailureKind::Indeterminate),
        (Next::Reset, true, FailureKind::Indeterminate),
    ] {
        let (cluster, _) = scripted([next]);
        let run = if change { Run::Real } else { Run::Dry };
        let failure = cluster.patch(web(), None, PatchKind::Merge, &patch, run).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{failure}");
    }
}

#[tokio::test]
async fn a_change_that_never_left_is_transient() {
    let mut settings =
        Cluster::over("x", Client::new(tower::service_fn(never), "default"), TIMEOUTS).settings;
    settings.at = crate::settings::Where::Address {
        url: "http://127.0.0.1:1".to_owned(),
        token_file: None,
        ca_file: None,
    };
    let cluster = Cluster::new(settings, TIMEOUTS);
    let failure = cluster.patch(web(), None, PatchKind::Merge, &json!({}), Run::Real).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    assert!(failure.what.contains("cannot be reached"), "{failure}");
}

async fn never(_: Request<Body>) -> Result<Response<Body>, std::io::Error> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_read_anew_and_judged_again() {
    let (cluster, log) = scripted([
        deployment(1, 2, None),
        deployment(2, 2, None),
        conflict(),
        deployment(3, 2, None),
        deployment(4, 5, None),
    ]);
    let edit = edit(&cluster);
    let before = edit.capture(&*REPLICAS).await.unwrap();
    let applied = edit.apply(&before, &intent()).await.unwrap();
    assert_eq!(applied.summary, "set replicas of deployment shop/web from 2 to 5");
    let log = log.lock().unwrap();
    assert!(
        log[2].contains(r#""resourceVersion":"2""#) && log[4].contains(r#""resourceVersion":"3""#),
        "{log:?}"
    );
    assert!(log[4].contains(&intent().to_string()) && log[4].contains("fieldManager=selfheal"), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_transient() {
    let script = (0..6).flat_map(|version| [deployment(version, 2, None), conflict()]);
    let (cluster, _) = scripted([deployment(1, 2, None)].into_iter().chain(script));
    let edit = edit(&cluster);
    let before = edit.capture(&*REPLICAS).await.unwrap();
    let failure = edit.apply(&before, &intent()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_is_left_alone() {
    let own = intent().to_string();
    let (cluster, log) = scripted([
        deployment(1, 2, Some("earlier")),
        deployment(2, 3, Some("earlier")),
        deployment(2, 3, Some("earlier")),
        deployment(2, 3, Some("earlier")),
        deployment(2, 5, Some("earlier")),
        deployment(2, 5, Some(&own)),
        deployment(3, 2, Some("earlier")),
    ]);
    let edit = edit(&cluster);
    let before = edit.capture(&*REPLICAS).await.unwrap();
    let failure = edit.apply(&before, &intent()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(matches!(edit.effect(&before).await.unwrap(), Effect::Unclear(_)));
    assert!(matches!(edit.undo(&before).await.unwrap(), Undone::Nothing(_)), "another value");
    assert!(
        matches!(edit.undo(&before).await.unwrap(), Undone::Nothing(_)),
        "the same value, by somebody else"
    );
    assert!(matches!(edit.undo(&before).await.unwrap(), Undone::Reversed(_)), "its own");
    assert!(log.lock().unwrap().last().unwrap().contains(r#""selfheal.dev/intent":"earlier""#));
}

/// What somebody else keeps is changed under another name, and the object tells whose it is until that is taken back.
#[tokio::test(start_paused = true)]
async fn a_contested_change_says_so() {
    let kept = |version: i64, replicas: i64, intent: Option<&str>, by: Option<&str>| {
        let annotations = json!({ "argocd.argoproj.io/tracking-id": "shop:x", INTENT_ANNOTATION: intent,
            CONTEST_ANNOTATION: by });
        Next::Answer(
            200,
            json!({ "metadata": { "uid": "u", "resourceVersion": version.to_string(), "annotations": annotations },
                "spec": { "replicas": replicas } }),
        )
    };
    let (own, by) = (intent().to_string(), "Argo CD shop");
    let (cluster, log) = scripted([
        kept(1, 2, None, None),
        kept(1, 2, None, None),
        kept(2, 5, Some(&own), Some(by)),
        kept(2, 5, Some(&own), Some(by)),
        kept(3, 2, None, None),
    ]);
    let edit = edit(&cluster);
    let before = edit.capture(&*REPLICAS).await.unwrap();
    assert_eq!(before.contested_by.as_deref(), Some(by));
    let applied = edit.apply(&before, &intent()).await.unwrap();
    let summary =
        "set replicas of deployment shop/web from 2 to 5, which Argo CD shop keeps and may set back";
    assert_eq!((applied.summary.as_str(), &applied.facts["contested_by"]), (summary, &json!(by)));
    assert!(matches!(edit.undo(&before).await.unwrap(), Undone::Reversed(_)));
    let log = log.lock().unwrap();
    for (line, told) in
        [(2, format!("{CONTEST_ANNOTATION}\":\"{by}")), (4, format!("{CONTEST_ANNOTATION}\":null"))]
    {
        assert!(
            log[line].contains("fieldManager=selfheal-contesting") && log[line].contains(&told),
            "{log:#?}"
        );
    }
}
