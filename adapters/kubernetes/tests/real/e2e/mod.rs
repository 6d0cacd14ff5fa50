//! The same against a real API server, where `KUBECONFIG_E2E` names a kubeconfig: in a namespace of its own that is taken away
//! afterwards. It needs no kubelet: no pod ever runs, and what only a controller can tell is not asked.

mod others;
mod rights;
mod watch;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use selfheal_contract::conformance::{Trial, try_action};
use selfheal_contract::{FailureKind, Undone};
use serde_json::{Value, json};

use crate::support::{Use, action, adapter_with, field, params, pod, read, workload};

const VARIABLE: &str = "KUBECONFIG_E2E";

/// A namespace of a real cluster, and the way to it behind the adapter's back.
struct Place {
    client: Client,
    namespace: String,
    kubeconfig: String,
    /// Paths of what was made outside the namespace.
    made: Mutex<Vec<String>>,
}

impl Place {
    /// Runs a test in a namespace of its own, which is taken away however the test ends; where no cluster is named, it says
    /// so.
    async fn within<F: Future<Output = ()> + Send + 'static>(test: &str, body: impl FnOnce(Arc<Self>) -> F) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test that is told by the environment where a cluster is"
        )]
        let Ok(kubeconfig) = std::env::var(VARIABLE) else {
            println!("SKIPPED: {test} needs {VARIABLE}, a kubeconfig of a cluster to try things in");
            return;
        };
        let file = Kubeconfig::read_from(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let namespace = format!("selfheal-e2e-{test}-{}", std::process::id());
        let place = Arc::new(Self { client, namespace, kubeconfig, made: Mutex::default() });
        let namespace =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": place.namespace } });
        place.send("POST", "/api/v1/namespaces", &namespace).await.unwrap();
        let outcome = tokio::spawn(body(Arc::clone(&place))).await;
        place.made.lock().unwrap().push(format!("/api/v1/namespaces/{}", place.namespace));
        let made: Vec<String> = place.made.lock().unwrap().drain(..).rev().collect();
        for path in made {
            place.send("DELETE", &path, &Value::Null).await.unwrap();
        }
        if let Err(fault) = outcome {
            std::panic::resume_unwind(fault.into_panic());
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let content = match method {
            "PATCH" if path.contains("fieldManager=") => "application/apply-patch+yaml",
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request =
            Request::builder().method(method).uri(path).header("content-type", content).body(body).unwrap();
        self.client.request(request).await
    }

    fn path(&self, root: &str, rest: &str) -> String {
        format!("{root}/namespaces/{}/{rest}", self.namespace)
    }

    async fn create(&self, root: &str, plural: &str, mut object: Value) -> Value {
        object["metadata"]["namespace"] = json!(self.namespace);
        self.send("POST", &self.path(root, plural), &object).await.unwrap()
    }

    /// Makes something outside the namespace, under the namespace's name, to be taken away afterwards.
    async fn make(&self, root: &str, mut object: Value) -> String {
        object["metadata"]["name"] = json!(self.namespace);
        self.send("POST", root, &object).await.unwrap();
        self.made.lock().unwrap().push(format!("{root}/{}", self.namespace));
        self.namespace.clone()
    }

    /// Asks until the answer is yes.
    async fn until<F: Future<Output = bool> + Send>(&self, what: &str, holds: impl Fn() -> F + Send) {
        for _ in 0..600 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not within 60 s: {what}");
    }

    /// Writes a pod's status as a kubelet would.
    async fn report(&self, pod: &str, status: Value) {
        let path = self.path("/api/v1", &format!("pods/{pod}/status"));
        self.send("PATCH", &path, &json!({ "status": status })).await.unwrap();
    }

    /// A pod that nobody owns and no node runs. The service account that it needs is made a moment after the namespace.
    async fn create_pod(&self, name: &str) {
        let mut pod = pod(name);
        pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        pod["spec"].as_object_mut().unwrap().remove("nodeName");
        pod["metadata"]["namespace"] = json!(self.namespace);
        for _ in 0..100 {
            if self.send("POST", &self.path("/api/v1", "pods"), &pod).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server took no pod within 10 s");
    }

    async fn get(&self, root: &str, rest: &str) -> Value {
        self.send("GET", &self.path(root, rest), &Value::Null).await.unwrap()
    }

    /// These parameters in this namespace.
    fn with(&self, mut json: Value) -> Value {
        json["namespace"] = json!(self.namespace);
        json
    }
}

/// What counts of an object when an action was undone.
fn specification(object: &Value) -> Value {
    let mut specification = object["spec"].clone();
    // Those of a node are its controller's.
    specification.as_object_mut().map(|fields| fields.remove("taints"));
    if let Some(metadata) = specification.pointer_mut("/template/metadata").and_then(Value::as_object_mut)
        && metadata.get("annotations") == Some(&json!({}))
    {
        metadata.remove("annotations");
    }
    specification
}

#[tokio::test]
async fn actions_conform_at_a_real_server() {
    Place::within("conform", conform).await;
}

async fn conform(place: Arc<Place>) {
    let adapter = adapter_with(json!({ "kubeconfig": place.kubeconfig }), json!({}));
    let apps = "/apis/apps/v1";
    for (kind, plural, name) in [
        ("Deployment", "deployments", "web"),
        ("StatefulSet", "statefulsets", "db"),
        ("DaemonSet", "daemonsets", "agent"),
    ] {
        let mut object = workload(kind, name);
        match kind {
            "DaemonSet" => drop(object["spec"].as_object_mut().unwrap().remove("replicas")),
            "StatefulSet" => object["spec"]["serviceName"] = json!("db"),
            _ => {}
        }
        place.create(apps, plural, object).await;
    }
    place.create_pod("web-1").await;
    let scaled = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "hpa" },
        "spec": { "minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment",
            "name": "absent" } } });
    place.create("/apis/autoscaling/v2", "horizontalpodautoscalers", scaled).await;

    let web = (apps, "deployments/web");
    let cases = [
        ("scale", json!({ "workload": "web", "replicas": 3 }), web),
        ("scale", json!({ "workload": "statefulset/db", "replicas": 1 }), (apps, "statefulsets/db")),
        ("memory", json!({ "workload": "web", "container": "app", "limit": "1Gi", "request": "512Mi" }), web),
        (
            "cpu",
            json!({ "workload": "daemonset/agent", "container": "app", "limit": "1" }),
            (apps, "daemonsets/agent"),
        ),
        ("rollout_restart", json!({ "workload": "web" }), web),
        (
            "hpa_bounds",
            json!({ "name": "hpa", "min": 3, "max": 9 }),
            ("/apis/autoscaling/v2", "horizontalpodautoscalers/hpa"),
        ),
        ("quarantine", json!({ "pod": "web-1" }), ("/api/v1", "pods/web-1")),
    ];
    for (name, json, (root, rest)) in cases {
        let place = &place;
        let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
            Box::pin(async move {
                let object = place.get(root, rest).await;
                json!([specification(&object), object["metadata"]["labels"]])
            })
        };
        let trial =
            Trial { action: action(&adapter, name), params: params(place.with(json)), observe: &observe };
        if let Err(fault) = try_action(&trial).await {
            panic!("{fault}");
        }
    }
}

#[tokio::test]
async fn a_rollback_finds_its_revision_at_a_real_server() {
    Place::within("rollback", roll_back).await;
}

async fn roll_back(place: Arc<Place>) {
    let adapter = adapter_with(json!({ "kubeconfig": place.kubeconfig }), json!({}));
    let mut web = workload("Deployment", "web");
    web["spec"]["template"]["spec"]["initContainers"] = json!([{ "name": "mesh", "image": "mesh:1",
        "restartPolicy": "Always", "resources": { "limits": { "memory": "64Mi" } } }]);
    place.create("/apis/apps/v1", "deployments", web).await;
    let of_web = || place.with(json!({ "deployment": "web" }));
    let revisions = async |wanted: u64| {
        for _ in 0..100 {
            if field(&adapter, "revisions", of_web(), "count").await == wanted {
                return field(&adapter, "revisions", of_web(), "previous").await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the controller made no {wanted} revisions within 10 s");
    };
    revisions(1).await;
    let used = Use::of(
        &adapter,
        "memory",
        place.with(json!({ "workload": "web", "container": "mesh", "limit": "128Mi" })),
    );
    used.apply(&used.capture().await.unwrap()).await.unwrap();
    let previous = revisions(2).await;
    let used =
        Use::of(&adapter, "rollback", place.with(json!({ "deployment": "web", "revision": previous })));
    let limit = async || {
        let reading = read(&adapter, "deployment", place.with(json!({ "name": "web" }))).await.unwrap();
        reading.field("containers.mesh.memory.limit").unwrap().clone()
    };
    assert!(!used.preview().await.unwrap().changes.is_empty());
    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    assert_eq!(limit().await, "64Mi");
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Reversed(_)));
    assert_eq!(limit().await, "128Mi");

    let absent = Use::of(&adapter, "scale", place.with(json!({ "workload": "gone", "replicas": 2 })));
    assert_eq!(absent.capture().await.unwrap_err().kind, FailureKind::Refused);
}

/// Kinds that a bare server does not know: group, version, plural, kind.
const CUSTOM: [[&str; 4]; 2] = [
    ["cert-manager.io", "v1", "certificates", "Certificate"],
    ["argoproj.io", "v1alpha1", "applications", "Application"],
];
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

impl Place {
    /// Makes what is missing of the definitions, and waits until they are served; gives the names of those that were made.
    async fn define(&self) -> Vec<String> {
        let mut made = Vec::new();
        for [group, version, plural, kind] in CUSTOM {
            let name = format!("{plural}.{group}");
            let listed = self.path(&format!("/apis/{group}/{version}"), plural);
            if self.send("GET", &listed, &Value::Null).await.is_err() {
                let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
                let served = json!({ "name": version, "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": schema }, "subresources": { "status": {} } });
                let names = json!({ "plural": plural, "singular": kind.to_lowercase(), "kind": kind,
                    "listKind": format!("{kind}List") });
                let definition = json!({
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": { "name": name,
                        "annotations": { "api-approved.kubernetes.io": "unapproved, for a test" } },
                    "spec": { "group": group, "scope": "Namespaced", "versions": [served], "names": names },
                });
                self.send("POST", DEFINITIONS, &definition).await.unwrap();
                made.push(name);
            }
            for attempt in 0.. {
                if self.send("GET", &listed, &Value::Null).await.is_ok() {
                    break;
                }
                assert!(attempt < 100, "{plural} are not served after 10 s");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        made
    }
}

#[tokio::test]
async fn custom_resources_conform_at_a_real_server() {
    Place::within("custom", custom).await;
}

async fn custom(place: Arc<Place>) {
    let made = place.define().await;
    let outcome = tokio::spawn(renew_and_sync(Arc::clone(&place))).await;
    for name in made {
        // With a definition go its objects.
        place.send("DELETE", &format!("{DEFINITIONS}/{name}"), &Value::Null).await.unwrap();
    }
    if let Err(fault) = outcome {
        std::panic::resume_unwind(fault.into_panic());
    }
}

async fn renew_and_sync(place: Arc<Place>) {
    let adapter = adapter_with(json!({ "kubeconfig": place.kubeconfig }), json!({}));
    let (certificates, applications) = ("/apis/cert-manager.io/v1", "/apis/argoproj.io/v1alpha1");
    let certificate = json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": "tls" },
        "spec": { "secretName": "tls", "dnsNames": ["shop.example.com"], "issuerRef": { "name": "ca" } } });
    place.create(certificates, "certificates", certificate).await;
    let application = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": { "name": "shop" },
        "spec": { "project": "default", "destination": { "server": "https://kubernetes.default.svc", "namespace": "shop" },
            "source": { "repoURL": "https://git.example.com/shop.git", "path": ".", "targetRevision": "main" } } });
    place.create(applications, "applications", application).await;
    for (name, json, root, rest) in [
        ("renew_certificate", json!({ "name": "tls" }), certificates, "certificates/tls"),
        ("sync_application", json!({ "name": "shop" }), applications, "applications/shop"),
    ] {
        let place = &place;
        let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
            Box::pin(async move {
                let object = place.get(root, rest).await;
                json!([object["spec"], object["status"], object["operation"]])
            })
        };
        let trial =
            Trial { action: action(&adapter, name), params: params(place.with(json)), observe: &observe };
        if let Err(fault) = try_action(&trial).await {
            panic!("{name}: {fault}");
        }
    }
}
