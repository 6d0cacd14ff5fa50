//! Building the adapter as the server does, calling it as the runtime does, and what stands in a test cluster.

use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, AnyAction, Applied, Effect, Failure, IntentId, Preview, Reading, Undone};
use selfheal_core::hash::ContentHash;
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Map, Value, json};

/// An adapter over the double, with the settings of all tests and short time-outs.
pub fn adapter(double: &ApiDouble) -> Adapter {
    adapter_with(json!({ "url": double.url() }), json!({}))
}

/// As [`adapter`], with all that is said of its cluster and of events.
pub fn adapter_with(cluster: Value, events: Value) -> Adapter {
    adapter_of(json!({
        "clusters": { "default": cluster },
        "timeout": "500ms",
        "connect_timeout": "500ms",
        "commands": {
            "clean_logs": { "argv": ["find", "/var/log", "-delete"], "pods_max": 2, "timeout": "1s" },
            "clean_tmp": { "argv": ["rm", "/tmp/x"], "container": "side" },
        },
        "events": events,
    }))
}

/// An adapter with these settings.
pub fn adapter_of(settings: Value) -> Adapter {
    let (node, collector) = (node(&settings), Collector::default());
    let checked = (selfheal_kubernetes::ENTRY.check)(&mut Section::root(&node, &collector));
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

/// Parameters from JSON; in namespace `shop` unless they name one or are about a node.
pub fn params(json: Value) -> Map<String, Value> {
    let Value::Object(mut params) = json else { panic!("parameters are an object") };
    if !params.contains_key("node") {
        params.entry("namespace").or_insert("shop".into());
    }
    params
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

    /// Names this use, as the runtime's intents do.
    pub fn intent(&self) -> IntentId {
        ContentHash::of_parts([self.action.about().name.as_bytes()])
    }

    pub fn target(&self) -> String {
        self.action.assess(&self.params).unwrap().target
    }

    pub async fn preview(&self) -> Result<Preview, Failure> {
        self.action.preview(&self.params).await
    }

    pub async fn contest(&self) -> Result<Option<selfheal_contract::Contest>, Failure> {
        self.action.contest(&self.params).await
    }

    pub async fn related(&self) -> Result<Vec<String>, Failure> {
        self.action.related(&self.params).await
    }

    pub async fn capture(&self) -> Result<Value, Failure> {
        self.action.capture(&self.params).await
    }

    pub async fn apply(&self, prior: &Value) -> Result<Applied, Failure> {
        self.action.apply(&self.params, prior, &self.intent()).await
    }

    pub async fn effect(&self, prior: &Value) -> Result<Effect, Failure> {
        self.action.effect(&self.params, prior, &self.intent()).await
    }

    pub async fn undo(&self, prior: &Value) -> Result<Undone, Failure> {
        self.action.undo(&self.params, prior, &self.intent()).await
    }
}

/// Reads a probe.
pub async fn read(adapter: &Adapter, probe: &str, json: Value) -> Result<Reading, Failure> {
    let found = adapter.probes.iter().find(|candidate| candidate.about().name == probe).unwrap();
    found.check(&params(json.clone()))?;
    found.read(&params(json)).await
}

/// A field of a reading that must be there.
pub async fn field(adapter: &Adapter, probe: &str, json: Value, field: &str) -> Value {
    read(adapter, probe, json).await.unwrap().field(field).unwrap().clone()
}

/// A workload of this kind, `web` or `db`, with one container `app`.
pub fn workload(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": { "name": name, "namespace": "shop" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "app", "image": "shop:1", "resources": {
                    "limits": { "memory": "512Mi", "cpu": "500m" }, "requests": { "memory": "256Mi" } } }] },
            },
        },
    })
}

/// A running pod of deployment `web`, with containers `app` and `side`.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "shop",
            "labels": { "app": "web", "pod-template-hash": "5d4c" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4c", "uid": "set",
                "controller": true }] },
        "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "shop:1" }, { "name": "side", "image": "s" }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// Everything that the actions and probes look at, once.
pub fn furnish(double: &ApiDouble) {
    double.create(workload("Deployment", "web"));
    double.create(workload("StatefulSet", "db"));
    double.create(workload("DaemonSet", "agent"));
    double.create(workload("Deployment", "scaled"));
    double.create(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "scaled-hpa", "namespace": "shop" },
        "spec": { "minReplicas": 2, "maxReplicas": 5,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled" } },
        "status": { "currentReplicas": 5, "desiredReplicas": 5,
            "conditions": [{ "type": "ScalingLimited", "status": "True" }] },
    }));
    for name in ["web-1", "web-2"] {
        double.create(pod(name));
    }
    double.create(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" },
        "spec": { "providerID": "test" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "DiskPressure", "status": "True" }] } }));
    for (name, expandable) in [("fast", true), ("fixed", false)] {
        double.create(
            json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
            "provisioner": "test", "allowVolumeExpansion": expandable }),
        );
        double.create(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": format!("data-{name}"), "namespace": "shop" },
            "spec": { "storageClassName": name, "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "10Gi" } } },
            "status": { "phase": "Bound", "capacity": { "storage": "10Gi" } } }));
    }
    double.create(json!({ "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": "web-1.1", "namespace": "shop" }, "type": "Warning", "reason": "BackOff", "count": 3,
        "involvedObject": { "kind": "Pod", "name": "web-1", "namespace": "shop" },
        "lastTimestamp": "2026-11-22T16:00:00Z", "message": "again" }));
    double.create(json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": { "name": "tls", "namespace": "shop" },
        "spec": { "secretName": "tls", "issuerRef": { "name": "ca" } },
        "status": { "notAfter": "2099-01-01T00:00:00Z", "revision": 3,
            "conditions": [{ "type": "Ready", "status": "True" }] } }));
    double.create(json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "shop", "namespace": "argocd" }, "spec": { "project": "default" },
        "status": { "sync": { "status": "OutOfSync", "revision": "abc" }, "health": { "status": "Healthy" },
            "operationState": { "phase": "Succeeded", "startedAt": "2026-11-22T16:00:00Z" } } }));
}

/// A second revision of deployment `web`; gives the hash of the first.
pub fn roll_out(double: &ApiDouble) -> String {
    double.settle("deployments", "shop", "web");
    double.update("deployments", "shop", "web", |web| {
        web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:2");
    });
    double.settle("deployments", "shop", "web");
    let sets = double.list("replicasets", "shop");
    let first = sets
        .iter()
        .find(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1")
        .unwrap();
    first["metadata"]["labels"]["pod-template-hash"].as_str().unwrap().to_owned()
}
