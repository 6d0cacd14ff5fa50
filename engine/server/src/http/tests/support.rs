//! An engine with a journal in a directory of its own, an adapter that only notes, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use actix_web::web::Data;
use async_trait::async_trait;
use prometheus::Registry;
use selfheal_contract::settings::Secret;
use selfheal_contract::{
    About, Action, Adapter, Applied, Assessment, BlastRadius, Catalog, Effect, Failure, IntentId, Preview,
    Reversal, Undone, parameters,
};
use selfheal_core::policy::Policy;
use selfheal_runtime::Engine;
use selfheal_runtime::Parts;
use selfheal_runtime::escalation::Escalation;
use selfheal_runtime::metrics::Metrics;
use selfheal_runtime::ports::AlertSource;
use selfheal_runtime::ports::JournalFault;
use selfheal_runtime::scripts::Scripts;
use selfheal_runtime::simulation::{Call, Watch, Watched};
use selfheal_script::{Compiler, Limits, RuleFile};
use selfheal_store::{EmbeddedLedger, SqliteJournal};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{ApiToken, Role, WebhookCredentials};
use crate::http::{Access, App, AppSettings, configure};

/// A rule that notes.
pub(crate) const HEAL: &str = r#"//! Notes that something is broken.

const RULE = #{ matchers: [`alertname="Broken"`], priority: "critical", component: "compute" };

/// Notes it.
fn plan(alert, seen) {
    fake::note(alert.labels.job)
}
"#;

/// A rule that asks before it notes.
pub(crate) const ASK: &str = r#"//! Asks before it notes.

const RULE = #{ matchers: [`alertname="Delicate"`], priority: "critical", component: "database" };

/// Notes it after a person has said yes.
fn plan(alert, seen) {
    fake::note(alert.labels.job).needs_approval("it is delicate")
}
"#;

/// A rule that does what can be undone: two marks, and a note.
pub(crate) const MARK: &str = r#"//! Sets two marks.

const RULE = #{ matchers: [`alertname="Reversible"`], priority: "critical", component: "storage" };

/// Sets them.
fn plan(alert, seen) {
    sequence([fake::mark(alert.labels.job), fake::mark(alert.labels.job + "-2"), fake::note(alert.labels.job + "-note")])
}
"#;

/// What was done and undone, in its order.
pub(crate) type Marks = Arc<std::sync::Mutex<Vec<String>>>;

parameters! {
    /// For a note.
    pub struct Note {
        /// What to note; also the target.
        pub text: String,
    }
}

struct TakeNote;

#[async_trait]
impl Action for TakeNote {
    type Parameters = Note;
    type Prior = ();

    fn about(&self) -> About {
        About { name: "note", doc: "Notes.", reversal: Reversal::Irreversible, permissions: Vec::new() }
    }

    fn assess(&self, params: &Note) -> Result<Assessment, Failure> {
        Ok(Assessment {
            target: format!("fake/{}", params.text),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Note) -> Result<Preview, Failure> {
        Ok(Preview { summary: format!("would note {}", params.text), changes: Vec::new() })
    }

    async fn capture(&self, _: &Note) -> Result<(), Failure> {
        Ok(())
    }

    async fn apply(&self, params: &Note, _: &(), _: &IntentId) -> Result<Applied, Failure> {
        Ok(Applied::new(format!("noted {}", params.text)))
    }

    async fn effect(&self, _: &Note, _: &(), _: &IntentId) -> Result<Effect, Failure> {
        Ok(Effect::Untouched)
    }

    async fn undo(&self, _: &Note, _: &(), _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}

parameters! {
    /// For a mark.
    pub struct Mark {
        /// What to mark; also the target.
        pub text: String,
    }
}

struct SetMark {
    marks: Marks,
}

impl SetMark {
    fn mark(&self, what: &str, text: &str) {
        self.marks.lock().unwrap().push(format!("{what} {text}"));
    }
}

#[async_trait]
impl Action for SetMark {
    type Parameters = Mark;
    type Prior = ();

    fn about(&self) -> About {
        About { name: "mark", doc: "Marks.", reversal: Reversal::Restores, permissions: Vec::new() }
    }

    fn assess(&self, params: &Mark) -> Result<Assessment, Failure> {
        Ok(Assessment {
            target: format!("fake/mark/{}", params.text),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Restores,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Mark) -> Result<Preview, Failure> {
        Ok(Preview { summary: format!("would mark {}", params.text), changes: Vec::new() })
    }

    async fn capture(&self, _: &Mark) -> Result<(), Failure> {
        Ok(())
    }

    async fn apply(&self, params: &Mark, _: &(), _: &IntentId) -> Result<Applied, Failure> {
        self.mark("set", &params.text);
        Ok(Applied::new(format!("marked {}", params.text)))
    }

    async fn effect(&self, _: &Mark, _: &(), _: &IntentId) -> Result<Effect, Failure> {
        Ok(Effect::Untouched)
    }

    async fn undo(&self, params: &Mark, _: &(), _: &IntentId) -> Result<Undone, Failure> {
        if params.text.starts_with("stuck") {
            return Err(Failure::refused("it is stuck"));
        }
        self.mark("unset", &params.text);
        Ok(Undone::Reversed(format!("unmarked {}", params.text)))
    }
}

/// How a house is to be.
pub(crate) struct Plan {
    pub(crate) webhook: WebhookCredentials,
    pub(crate) tokens: Vec<ApiToken>,
    pub(crate) body_max: usize,
    pub(crate) in_flight_max: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) room_wait: Duration,
    pub(crate) policy: Policy,
    /// Where alerts are asked for, and kept quiet.
    pub(crate) source: Option<Arc<dyn AlertSource>>,
}

impl Default for Plan {
    /// Open, with small bounds and patient clocks.
    fn default() -> Self {
        Self {
            webhook: WebhookCredentials::default(),
            tokens: Vec::new(),
            body_max: 64 * 1024,
            in_flight_max: 128 * 1024,
            body_timeout: Duration::from_secs(30),
            room_wait: Duration::from_secs(2),
            policy: Policy::default(),
            source: None,
        }
    }
}

/// Lets every call of the journal wait while it hangs.
struct Hanging(watch::Receiver<bool>);

#[async_trait]
impl Watch for Hanging {
    type Flight = ();

    async fn before(&self, _call: Call) -> Result<(), JournalFault> {
        // Who is gone lets nothing hang.
        let _ = self.0.clone().wait_for(|hangs| !hangs).await;
        Ok(())
    }

    async fn after(&self, _call: Call) {}
}

/// An engine with everything around it.
pub(crate) struct House {
    pub(crate) app: Data<App>,
    pub(crate) engine: Arc<Engine>,
    /// What `fake::mark` has set.
    pub(crate) marks: Marks,
    /// Whether the journal hangs.
    pub(crate) hangs: watch::Sender<bool>,
    _rooms: JoinSet<()>,
    _directory: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build(plan: Plan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap();
        let (marks, hangs) = (Marks::default(), watch::Sender::new(false));
        let catalog = Catalog::new([Adapter {
            name: "fake",
            doc: "Notes.",
            actions: vec![Arc::new(TakeNote), Arc::new(SetMark { marks: marks.clone() })],
            probes: Vec::new(),
            ..Adapter::default()
        }]);
        let registry = Registry::new();
        let parts = Parts {
            journal: Arc::new(Watched::new(Arc::new(journal), Hanging(hangs.subscribe()))),
            ledger: Arc::new(EmbeddedLedger::new(Arc::new(SystemClock::new()))),
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
            compiler: Compiler::new(&catalog, Default::default(), Limits::default()),
            catalog,
            policy: plan.policy,
            scripts: Scripts::start(0).unwrap(),
            sinks: Vec::new(),
            escalation: Escalation::default(),
            source: plan.source.map(|source| (source, Duration::from_secs(60))),
            metrics: Metrics::new(&registry).unwrap(),
            adopt: Arc::new(|_, _| {}),
            switch_on: true,
            learning: true,
            shared: false,
            audit_key: None,
            retention: selfheal_runtime::retention::Retention::default(),
            backlog_max: 1000,
        };
        let (engine, rooms) = Engine::start(parts, rules()).await.unwrap();
        assert!(engine.rules.refusal().is_none(), "{:?}", engine.rules.refusal());
        let settings = AppSettings {
            access: Access::new(&plan.webhook, &plan.tokens),
            entropy: Arc::new(SystemEntropy),
            registry,
            body_max: plan.body_max,
            in_flight_max: plan.in_flight_max,
            body_timeout: plan.body_timeout,
            room_wait: plan.room_wait,
        };
        let app = Data::new(App::new(Arc::clone(&engine), settings).unwrap());
        Self { app, engine, marks, hangs, _rooms: rooms, _directory: directory }
    }

    /// Asks over all routes, from this machine.
    pub(crate) async fn ask(&self, request: TestRequest) -> Answer {
        let (status, headers, body) = self.ask_raw(request).await;
        Answer { status, headers, text: String::from_utf8(body).unwrap() }
    }

    /// Asks for something that is not text.
    pub(crate) async fn ask_for_bytes(&self, request: TestRequest) -> (HeaderMap, Vec<u8>) {
        let (_, headers, body) = self.ask_raw(request).await;
        (headers, body)
    }

    async fn ask_raw(&self, request: TestRequest) -> (StatusCode, HeaderMap, Vec<u8>) {
        let app = self.app.clone();
        let routes = actix_web::App::new().configure(move |service| configure(service, app));
        let service = actix_web::test::init_service(routes).await;
        let request = request.peer_addr("127.0.0.1:50000".parse().unwrap());
        let response = actix_web::test::call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        if headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
            // It never ends; who wants to hear it takes `listen`.
            return (status, headers, Vec::new());
        }
        (status, headers, actix_web::test::read_body(response).await.to_vec())
    }

    /// Reads something of the API.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(api(TestRequest::get(), path)).await
    }

    /// Posts something to the API.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(api(TestRequest::post(), path).set_payload(body.to_string())).await
    }

    /// Takes something of the API away.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(api(TestRequest::delete(), path)).await
    }

    /// Posts a notification.
    pub(crate) async fn notify(&self, body: impl Into<actix_web::web::Bytes>) -> Answer {
        self.ask(TestRequest::post().uri("/webhook/alertmanager").set_payload(body)).await
    }

    /// Serves on a free port of loopback, until the handle stops it.
    pub(crate) fn serve(&self) -> (SocketAddr, ServerHandle) {
        let app = self.app.clone();
        let server = HttpServer::new(move || {
            let app = app.clone();
            actix_web::App::new().configure(move |service| configure(service, app))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        (address, handle)
    }

    /// Waits until nothing is under way.
    pub(crate) async fn rest(&self) {
        let idle = async {
            while !self.engine.is_idle() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), idle).await.expect("the engine comes to rest");
    }
}

pub(crate) fn rules() -> Vec<RuleFile> {
    let file = |name: &str, text: &str| RuleFile::new(name, format!("rules/{name}.rhai"), text);
    vec![file("ask", ASK), file("heal", HEAL), file("mark", MARK)]
}

/// A token for each role, named as the role.
pub(crate) fn tokens() -> Vec<ApiToken> {
    let token = |(name, role): &(&str, Role)| ApiToken {
        name: (*name).to_owned(),
        token: Secret::new(token_of(name)),
        role: *role,
        expires: None,
    };
    Role::NAMES.iter().map(token).collect()
}

pub(crate) fn token_of(name: &str) -> String {
    format!("the-token-of-{name}-0123456789")
}

/// A body with one firing alert.
pub(crate) fn firing(alertname: &str, job: &str) -> Value {
    json!({
        "version": "4",
        "groupKey": "{}:{}",
        "status": "firing",
        "receiver": "selfheal",
        "alerts": [{
            "status": "firing",
            "labels": { "alertname": alertname, "job": job, "severity": "high" },
            "annotations": { "summary": "it is broken", "value": "92.5" },
            "startsAt": "2026-11-22T03:34:39.289Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph",
        }],
    })
}

fn api(request: TestRequest, path: &str) -> TestRequest {
    request.uri(&format!("/api/self-healing{path}")).insert_header(("host", "localhost:8400"))
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }
}
