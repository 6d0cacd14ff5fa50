//! Building the adapter as the server does, calling it as the runtime does, and rollouts in the middle of an update.

use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{
    Adapter, AnyAction, Applied, Contest, Effect, Failure, IntentId, Preview, Reading, Undone,
};
use selfheal_core::hash::ContentHash;
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Map, Value, json};

/// The rollouts that stand ready for each action: a canary, a blue-green one, a canary of a deployment.
pub const ROLLOUTS: [&str; 3] = ["web", "blue", "referring"];

/// An adapter over the double, with time-outs that a busy machine keeps and a test of silence can wait for.
pub fn adapter(double: &ApiDouble) -> Adapter {
    adapter_of(json!({
        "clusters": { "default": { "url": double.url() } },
        "timeout": "1s",
        "connect_timeout": "4s",
    }))
}

/// An adapter with these settings.
pub fn adapter_of(settings: Value) -> Adapter {
    let (node, collector) = (node(&settings), Collector::default());
    let checked = (selfheal_argo_rollouts::ENTRY.check)(&mut Section::root(&node, &collector));
    collector.accept(checked).unwrap().connect().unwrap()
}

fn node(json: &Value) -> Node {
    let at = Location::START;
    let value = match json {
        Value::Null => Setting::Null,
        Value::Bool(value) => Setting::Bool(*value),
        Value::Number(value) => Setting::Integer(value.as_i64().unwrap()),
        Value::String(value) => Setting::Text(value.clone()),
        Value::Array(items) => Setting::List(items.iter().map(node).collect()),
        Value::Object(entries) => Setting::Map(
            entries.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
        ),
    };
    Node { value, at }
}

/// Parameters from JSON; in namespace `shop` unless they name one.
pub fn params(json: Value) -> Map<String, Value> {
    let Value::Object(mut params) = json else { panic!("parameters are an object") };
    params.entry("namespace").or_insert("shop".into());
    params
}

pub fn intent() -> IntentId {
    ContentHash::of_parts([b"intent".as_slice()])
}

/// An action of the adapter.
pub fn action<'a>(adapter: &'a Adapter, name: &str) -> &'a dyn AnyAction {
    adapter.actions.iter().find(|action| action.about().name == name).unwrap().as_ref()
}

/// One use of one action, step by step as the runtime takes them.
pub struct Use<'a> {
    action: &'a dyn AnyAction,
    params: Map<String, Value>,
}

impl<'a> Use<'a> {
    pub fn of(adapter: &'a Adapter, name: &str, json: Value) -> Self {
        Self { action: action(adapter, name), params: params(json) }
    }

    /// Why the parameters are refused, if they are.
    pub fn refusal(&self) -> Option<Failure> {
        self.action.assess(&self.params).err()
    }

    pub async fn preview(&self) -> Result<Preview, Failure> {
        self.action.preview(&self.params).await
    }

    pub async fn contest(&self) -> Result<Option<Contest>, Failure> {
        self.action.contest(&self.params).await
    }

    pub async fn capture(&self) -> Result<Value, Failure> {
        self.action.capture(&self.params).await
    }

    pub async fn apply(&self, prior: &Value) -> Result<Applied, Failure> {
        self.action.apply(&self.params, prior, &intent()).await
    }

    pub async fn effect(&self, prior: &Value) -> Result<Effect, Failure> {
        self.action.effect(&self.params, prior, &intent()).await
    }

    pub async fn undo(&self, prior: &Value) -> Result<Undone, Failure> {
        self.action.undo(&self.params, prior, &intent()).await
    }
}

/// Reads the probe.
pub async fn read(adapter: &Adapter, name: &str) -> Result<Reading, Failure> {
    let (probe, params) = (&adapter.probes[0], params(json!({ "name": name })));
    probe.check(&params)?;
    probe.read(&params).await
}

/// A field of the probe's reading.
pub async fn field(adapter: &Adapter, name: &str, field: &str) -> Value {
    read(adapter, name).await.unwrap().field(field).unwrap().clone()
}

/// A pod template with one container and one init container.
pub fn template(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": name } },
        "spec": {
            "initContainers": [{ "name": "setup", "image": "setup:1" }],
            "containers": [{ "name": "side", "image": "side:1" }, { "name": "app", "image": image }],
        },
    })
}

/// A canary with four steps, or a blue-green rollout for the name `blue`.
pub fn rollout(name: &str) -> Value {
    let strategy = match name {
        "blue" => json!({ "blueGreen": { "activeService": "active", "previewService": "preview",
            "autoPromotionEnabled": false } }),
        _ => json!({ "canary": { "steps": [{ "setWeight": 20 }, { "pause": {} }, { "setWeight": 50 },
            { "pause": { "duration": "10m" } }] } }),
    };
    let mut rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "replicas": 5, "selector": { "matchLabels": { "app": name } }, "strategy": strategy },
    });
    match name {
        "referring" => {
            rollout["spec"]["workloadRef"] =
                json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "pods" });
        }
        _ => rollout["spec"]["template"] = template(name, "shop:1"),
    }
    rollout
}

/// The object that has the pod template of a rollout.
pub fn home(name: &str) -> (&'static str, &str) {
    if name == "referring" { ("deployments", "pods") } else { ("rollouts", name) }
}

/// Three rollouts, each in the middle of its update from `shop:1` to `shop:2`: a canary with a fifth of the traffic that
/// waits at the pause that is its step 1, or a blue-green one that waits for its promotion.
pub fn furnish(double: &ApiDouble) {
    double.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pods", "namespace": "shop" },
        "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "referring" } },
            "template": template("referring", "shop:1") },
    }));
    for name in ROLLOUTS {
        double.create(rollout(name));
        double.settle("rollouts", "shop", name);
        let stable = double.get("rollouts", "shop", name).unwrap()["status"]["stableRS"].clone();
        let (plural, home) = home(name);
        double.update(plural, "shop", home, |home| {
            home["spec"]["template"]["spec"]["containers"][1]["image"] = json!("shop:2");
        });
        double.settle("rollouts", "shop", name);
        double.update("rollouts", "shop", name, |rollout| {
            let status = &mut rollout["status"];
            status["stableRS"] = stable.clone();
            status["phase"] = json!("Paused");
            status["controllerPause"] = json!(true);
            let reason = if name == "blue" { "BlueGreenPause" } else { "CanaryPauseStep" };
            status["message"] = json!(reason);
            status["pauseConditions"] = json!([{ "reason": reason, "startTime": "2026-11-22T16:00:00Z" }]);
            if name == "blue" {
                status["blueGreen"]["activeSelector"] = stable;
            } else {
                status["currentStepIndex"] = json!(1);
                status["canary"] =
                    json!({ "weights": { "canary": { "weight": 20 }, "stable": { "weight": 80 } } });
            }
        });
    }
}

/// The hash of a rollout's stable version.
pub fn stable(double: &ApiDouble, name: &str) -> String {
    let rollout = double.get("rollouts", "shop", name).unwrap();
    rollout["status"]["stableRS"].as_str().unwrap().to_owned()
}

/// Changes a rollout's status, as its controller does.
pub fn set_status(double: &ApiDouble, name: &str, set: impl FnOnce(&mut Value)) {
    double.update("rollouts", "shop", name, |rollout| set(&mut rollout["status"]));
}

/// Lets an update run at a step that is no pause.
pub fn run_at(double: &ApiDouble, name: &str, step: u32) {
    set_status(double, name, |status| {
        status["pauseConditions"] = Value::Null;
        status["controllerPause"] = json!(false);
        status["phase"] = json!("Progressing");
        status["currentStepIndex"] = json!(step);
    });
}
