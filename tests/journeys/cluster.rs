//! A namespace of a cluster in which a workload of one pod runs: of the stand-in, or of the real one that `KUBECONFIG_E2E`
//! names, in a namespace of its own that is taken away however the journey ends. Both are spoken to by their API alone.
//!
//! A real one needs its API server and the controller manager. No pod runs: what a kubelet would report is written here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use selfheal_test_kubernetes::ApiDouble;
use selfheal_test_servers::poll;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::selfheal::PATIENCE;

const VARIABLE: &str = "KUBECONFIG_E2E";
const APPS: &str = "/apis/apps/v1";
/// Between two looks at the pods that nobody runs.
const KUBELET_PAUSE: Duration = Duration::from_millis(100);

/// A way to an API server, past selfheal.
struct Api {
    runtime: Runtime,
    client: Client,
    namespace: String,
}

/// A cluster with the deployment `web`.
pub struct Cluster {
    api: Arc<Api>,
    /// How selfheal is told where it is.
    settings: Value,
    /// The stand-in; the real one if there is none.
    double: Option<ApiDouble>,
    kubelet: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Api {
    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let content = match method {
            "PATCH" if path.contains("force=true") => "application/apply-patch+yaml",
            "PATCH" => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", content);
        self.runtime.block_on(self.client.request(request.body(body).unwrap()))
    }

    fn path(&self, root: &str, rest: &str) -> String {
        format!("{root}/namespaces/{}/{rest}", self.namespace)
    }

    fn pods(&self) -> Vec<Value> {
        let path = self.path("/api/v1", "pods?labelSelector=app%3Dweb");
        let listed = self.send("GET", &path, &Value::Null).ok();
        listed.and_then(|list| list["items"].as_array().cloned()).unwrap_or_default()
    }

    fn report(&self, pod: &Value, status: &Value) -> bool {
        let path =
            self.path("/api/v1", &format!("pods/{}/status", pod["metadata"]["name"].as_str().unwrap()));
        self.send("PATCH", &path, &json!({ "status": status })).is_ok()
    }
}

/// The status of a pod whose only container runs, after it has ended so.
fn running(last: &Value) -> Value {
    let restarts = i32::from(!last.is_null());
    json!({
        "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [{ "name": "app", "image": "shop:1", "imageID": "", "ready": true, "started": true,
            "restartCount": restarts, "state": { "running": { "startedAt": now() } }, "lastState": last }],
    })
}

fn now() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Second).unwrap().to_string()
}

impl Cluster {
    /// That of the stand-in, whose workloads settle at once.
    pub fn stand_in() -> Self {
        let double = ApiDouble::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        double.settle_always(true);
        let settings = json!({ "url": double.url() });
        let config = Config::new(double.url().parse().unwrap());
        let api = Api::new("shop".to_owned(), move || async { config });
        let cluster = Self { api: Arc::new(api), settings, double: Some(double), kubelet: None };
        let namespace = &cluster.api.namespace;
        cluster.double().create(deployment(namespace));
        cluster.double().create(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-5d4c-x1", "namespace": namespace, "labels": { "app": "web", "pod-template-hash": "5d4c" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4c", "uid": "set",
                    "controller": true }],
            },
            "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "shop:1" }] },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
        }));
        cluster
    }

    /// A namespace of the real one; where none is named, it says so.
    pub fn real(journey: &str) -> Option<Self> {
        let Ok(kubeconfig) = std::env::var(VARIABLE) else {
            println!("SKIPPED: {journey} needs {VARIABLE}, a kubeconfig of a cluster to try things in");
            return None;
        };
        let file = Kubeconfig::read_from(&kubeconfig).unwrap();
        let namespace = format!("selfheal-journey-{journey}-{}", std::process::id());
        let api = Arc::new(Api::new(namespace.clone(), || async {
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()
        }));
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        api.send("POST", "/api/v1/namespaces", &object).unwrap();
        let settings = json!({ "kubeconfig": kubeconfig });
        let mut cluster = Self { api, settings, double: None, kubelet: None };
        cluster.api.send("POST", &cluster.api.path(APPS, "deployments"), &deployment(&namespace)).unwrap();
        cluster.kubelet = Some(kubelet(&cluster.api));
        let is_running =
            || cluster.api.pods().iter().any(|pod| pod["status"]["phase"] == "Running").then_some(());
        poll(PATIENCE, is_running).expect("the controllers make a pod");
        Some(cluster)
    }

    /// How selfheal is told where it is.
    pub fn settings(&self) -> &Value {
        &self.settings
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.api.namespace
    }

    /// The stand-in, where it is one.
    pub fn stands_in(&self) -> Option<&ApiDouble> {
        self.double.as_ref()
    }

    fn double(&self) -> &ApiDouble {
        self.double.as_ref().expect("it is the stand-in")
    }

    /// The deployment `web` as it is.
    pub fn web(&self) -> Value {
        self.api.send("GET", &self.api.path(APPS, "deployments/web"), &Value::Null).unwrap()
    }

    /// Has the container of `web`'s pod killed for want of memory.
    pub fn kill_for_memory(&self) {
        let ended = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "startedAt": now(),
            "finishedAt": now() } });
        let pod = self.api.pods().pop().expect("web has a pod");
        assert!(self.api.report(&pod, &running(&ended)));
    }

    /// What a rollout does to the pod that it replaces, where no controller does it.
    pub fn replace_pod(&self) {
        if let Some(double) = &self.double {
            double.delete("pods", &self.api.namespace, "web-5d4c-x1");
        }
    }

    /// Has Argo CD apply `web` as its repository has it, and then another hand set its memory.
    pub fn give_to_argo_and_take_memory(&self) {
        let path = self.api.path(APPS, "deployments/web");
        let mut kept = deployment(&self.api.namespace);
        kept["metadata"]["annotations"] =
            json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
        let apply = format!("{path}?fieldManager=argocd-controller&force=true");
        self.api.send("PATCH", &apply, &kept).unwrap();
        let resources = json!({ "name": "app", "resources": { "limits": { "memory": "600Mi" } } });
        let taken = json!({ "spec": { "template": { "spec": { "containers": [resources] } } } });
        self.api.send("PATCH", &format!("{path}?fieldManager=kubectl-set"), &taken).unwrap();
        let settled = || {
            let web = self.web();
            let is_new = |pod: &Value| {
                pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "600Mi"
                    && pod["status"]["phase"] == "Running"
            };
            let pods = self.api.pods();
            let observed = web["status"]["observedGeneration"] == web["metadata"]["generation"];
            (self.double.is_some() || observed && pods.len() == 1 && pods.iter().all(is_new)).then_some(())
        };
        poll(PATIENCE, settled).expect("web has settled");
    }
}

impl Api {
    fn new<F: Future<Output = Config>>(namespace: String, config: impl FnOnce() -> F) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async { Client::try_from(config().await).unwrap() });
        Self { runtime, client, namespace }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((ends, kubelet)) = self.kubelet.take() {
            ends.store(true, Ordering::Relaxed);
            kubelet.thread().unpark();
            let _ = kubelet.join();
        }
        if self.double.is_none() {
            let path = format!("/api/v1/namespaces/{}", self.api.namespace);
            if let Err(fault) = self.api.send("DELETE", &path, &Value::Null) {
                println!("{path} is left behind: {fault}");
            }
        }
    }
}

/// Reports every pod that nobody runs as running.
fn kubelet(api: &Arc<Api>) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let (api, ends) = (Arc::clone(api), Arc::new(AtomicBool::new(false)));
    let end = Arc::clone(&ends);
    let work = move || {
        while !end.load(Ordering::Relaxed) {
            for pod in api.pods().iter().filter(|pod| pod["status"]["phase"] == "Pending") {
                api.report(pod, &running(&Value::Null));
            }
            thread::park_timeout(KUBELET_PAUSE);
        }
    };
    (ends, thread::spawn(work))
}

fn deployment(namespace: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": "shop:1", "resources": {
                    "limits": { "memory": "512Mi" }, "requests": { "memory": "256Mi" } } }] },
            },
        },
    })
}
