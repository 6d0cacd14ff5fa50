//! Every action and probe with no more rights than it says it needs, which RBAC grants to a service account.

use std::io::Write as _;
use std::sync::Arc;

use kube::config::Kubeconfig;
use selfheal_contract::conformance::{Trial, try_action, try_probe};
use selfheal_contract::{Adapter, Effect, FailureKind, Permission, Right};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{Place, specification};
use crate::support::{Use, action, adapter_with, field, params, workload};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const APPS: &str = "/apis/apps/v1";

/// A service account, and the adapter that is logged in as it.
struct Login {
    adapter: Adapter,
    role: String,
    _kubeconfig: NamedTempFile,
}

impl Place {
    /// A login that has no right yet.
    async fn login(&self) -> Login {
        let role = self.make(&format!("{RBAC}/clusterroles"), json!({ "metadata": {}, "rules": [] })).await;
        let account = json!({ "kind": "ServiceAccount", "name": "selfheal", "namespace": self.namespace });
        let reference =
            json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role });
        let binding = json!({ "metadata": {}, "roleRef": reference, "subjects": [account] });
        self.make(&format!("{RBAC}/clusterrolebindings"), binding).await;
        let account = json!({ "metadata": { "name": "selfheal" } });
        self.create("/api/v1", "serviceaccounts", account).await;
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = self.path("/api/v1", "serviceaccounts/selfheal/token");
        let token = self.send("POST", &path, &request).await.unwrap()["status"]["token"].clone();

        let mut file: Value = serde_json::to_value(Kubeconfig::read_from(&self.kubeconfig).unwrap()).unwrap();
        let cluster = file["clusters"][0]["name"].clone();
        file["users"] = json!([{ "name": "selfheal", "user": { "token": token } }]);
        file["contexts"] =
            json!([{ "name": "selfheal", "context": { "cluster": cluster, "user": "selfheal" } }]);
        file["current-context"] = json!("selfheal");
        let mut kubeconfig = NamedTempFile::new().unwrap();
        kubeconfig.write_all(file.to_string().as_bytes()).unwrap();
        let adapter = adapter_with(json!({ "kubeconfig": kubeconfig.path().to_str().unwrap() }), json!({}));
        Login { adapter, role, _kubeconfig: kubeconfig }
    }

    /// Grants a login these rights and no others, and waits until they hold.
    async fn grant(&self, login: &Login, permissions: &[Permission]) {
        let rules: Vec<Value> = permissions
            .iter()
            .map(|permission| {
                let Right::Kubernetes(right) = &permission.right else { panic!("{permission:?}") };
                json!({ "apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb] })
            })
            .collect();
        let path = format!("{RBAC}/clusterroles/{}", login.role);
        self.send("PATCH", &path, &json!({ "rules": rules })).await.unwrap();
        let needed: Vec<Right> = permissions.iter().map(|permission| permission.right.clone()).collect();
        let rights = login.adapter.rights.as_ref().unwrap();
        self.until("the rights hold", || async { rights.missing(&needed).await.unwrap().is_empty() }).await;
    }

    /// A volume claim that is bound, of a class that lets it grow.
    async fn create_volume(&self) {
        let class =
            json!({ "metadata": {}, "provisioner": "example.com/none", "allowVolumeExpansion": true });
        let class = self.make("/apis/storage.k8s.io/v1/storageclasses", class).await;
        let spec = json!({ "capacity": { "storage": "10Gi" }, "accessModes": ["ReadWriteOnce"],
            "storageClassName": class, "hostPath": { "path": "/none" },
            "claimRef": { "namespace": self.namespace, "name": "data" } });
        let volume = self.make("/api/v1/persistentvolumes", json!({ "metadata": {}, "spec": spec })).await;
        let spec = json!({ "storageClassName": class, "accessModes": ["ReadWriteOnce"], "volumeName": volume,
            "resources": { "requests": { "storage": "10Gi" } } });
        let claim = json!({ "metadata": { "name": "data" }, "spec": spec });
        self.create("/api/v1", "persistentvolumeclaims", claim).await;
        let is_bound = || async {
            self.get("/api/v1", "persistentvolumeclaims/data").await["status"]["phase"] == "Bound"
        };
        self.until("the claim is bound", is_bound).await;
    }

    async fn furnish(&self) -> String {
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
            self.create(APPS, plural, object).await;
        }
        self.create_pod("web-1").await;
        let status = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "app", "image": "shop:1", "imageID": "", "ready": true,
                "restartCount": 2, "state": { "running": { "startedAt": "2026-11-22T16:00:00Z" } } }] });
        self.report("web-1", status).await;
        let target = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "absent" });
        let hpa = json!({ "metadata": { "name": "hpa" },
            "spec": { "minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": target } });
        self.create("/apis/autoscaling/v2", "horizontalpodautoscalers", hpa).await;
        self.create_volume().await;
        self.make("/api/v1/nodes", json!({ "metadata": {} })).await
    }
}

#[tokio::test]
async fn what_is_named_is_enough_at_a_real_server() {
    Place::within("rights", rights).await;
}

async fn rights(place: Arc<Place>) {
    let node = place.furnish().await;
    let login = place.login().await;
    let web = (APPS, "deployments/web");
    let (db, agent) = ((APPS, "statefulsets/db"), (APPS, "daemonsets/agent"));
    let (pod, claim) = (("/api/v1", "pods/web-1"), ("/api/v1", "persistentvolumeclaims/data"));
    let hpa = ("/apis/autoscaling/v2", "horizontalpodautoscalers/hpa");
    let this_node = ("/api/v1/nodes", "");
    let cases = [
        ("rollout_restart", json!({ "workload": "web" }), web),
        ("rollout_restart", json!({ "workload": "statefulset/db" }), db),
        ("rollout_restart", json!({ "workload": "daemonset/agent" }), agent),
        ("scale", json!({ "workload": "web", "replicas": 3 }), web),
        ("scale", json!({ "workload": "statefulset/db", "replicas": 0 }), db),
        ("hpa_bounds", json!({ "name": "hpa", "min": 1, "max": 9 }), hpa),
        ("memory", json!({ "workload": "web", "container": "app", "limit": "1Gi", "request": "512Mi" }), web),
        ("cpu", json!({ "workload": "statefulset/db", "container": "app", "limit": "750m" }), db),
        ("grow_pvc", json!({ "name": "data", "size": "12Gi" }), claim),
        ("quarantine", json!({ "pod": "web-1" }), pod),
        ("release", json!({ "pod": "web-1" }), pod),
        ("cordon", json!({ "node": node }), this_node),
        ("uncordon", json!({ "node": node }), this_node),
    ];
    for (name, json, (root, rest)) in cases {
        let json = if root == "/api/v1/nodes" { json } else { place.with(json) };
        let before = match name {
            "release" => Some("quarantine"),
            "uncordon" => Some("cordon"),
            _ => None,
        };
        let action = action(&login.adapter, name);
        place.grant(&login, &action.about().permissions).await;
        if let Some(before) = before {
            let used = Use::of(&login.adapter, before, json.clone());
            used.apply(&used.capture().await.unwrap()).await.unwrap();
        }
        let (place, node) = (&place, &node);
        let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
            Box::pin(async move {
                let object = match root {
                    "/api/v1/nodes" => {
                        place.send("GET", &format!("{root}/{node}"), &Value::Null).await.unwrap()
                    }
                    _ => place.get(root, rest).await,
                };
                let policies = place.get("/apis/networking.k8s.io/v1", "networkpolicies").await;
                let policies = policies["items"].as_array().map(Vec::len);
                json!([specification(&object), object["metadata"]["labels"], policies])
            })
        };
        let trial = Trial { action, params: params(json.clone()), observe: &observe };
        if let Err(fault) = try_action(&trial).await {
            panic!("{name} {json}: {fault}");
        }
    }
    run_a_command(&place, &login).await;
    read_all(&place, &login, &node).await;
}

/// No kubelet runs the pod: the server is asked, permits it, and says that there is nobody to run it.
async fn run_a_command(place: &Place, login: &Login) {
    let used =
        Use::of(&login.adapter, "exec", place.with(json!({ "pods": "app=web", "command": "clean_logs" })));
    place.grant(login, &action(&login.adapter, "exec").about().permissions).await;
    let prior = used.capture().await.unwrap();
    assert_eq!(used.effect(&prior).await.unwrap(), Effect::Untouched);
    let failure = used.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("does not have a host assigned"), "{failure}");
    place.grant(login, &action(&login.adapter, "scale").about().permissions).await;
    let failure = used.related().await.unwrap_err();
    assert!(failure.what.contains("forbids selfheal to list pods"), "{failure}");
}

async fn read_all(place: &Place, login: &Login, node: &str) {
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> {
        Box::pin(std::future::ready(Value::Null))
    };
    let pods = place.get("/api/v1", "pods").await;
    let of_web = |pod: &&Value| {
        pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("web-") && name != "web-1")
    };
    let owned = &pods["items"].as_array().unwrap().iter().find(of_web).unwrap()["metadata"]["name"];
    let owned = owned.as_str().unwrap();
    for probe in &login.adapter.probes {
        let about = probe.about();
        let json = match about.name {
            "deployment" => json!({ "name": "web" }),
            "statefulset" => json!({ "name": "db" }),
            "daemonset" => json!({ "name": "agent" }),
            "workload" => json!({ "workload": format!("pod/{owned}") }),
            "pods" => json!({ "selector": "app=web" }),
            "pod" => json!({ "name": "web-1" }),
            "isolation" => json!({ "pod": "web-1" }),
            "hpa" => json!({ "name": "hpa" }),
            "pvc" => json!({ "name": "data" }),
            "node" => json!({ "node": node }),
            "events" => json!({ "kind": "Deployment", "name": "web" }),
            "revisions" => json!({ "deployment": "web" }),
            // Kinds that a bare server does not have.
            "certificate" | "application" => continue,
            other => panic!("no parameters for {other}"),
        };
        let json = if about.name == "node" { json } else { place.with(json) };
        place.grant(login, &about.permissions).await;
        if let Err(fault) = try_probe(probe.as_ref(), &params(json.clone()), &observe).await {
            panic!("{} {json}: {fault}", about.name);
        }
        let of = |name: &'static str| field(&login.adapter, about.name, json.clone(), name);
        match about.name {
            "workload" => assert_eq!(of("workload").await, "deployment/web"),
            "deployment" => assert_eq!(of("containers.app.memory.limit").await, "512Mi"),
            "pvc" => assert_eq!((of("phase").await, of("expandable").await), (json!("Bound"), json!(true))),
            "events" => assert!(of("count").await.as_u64().is_some_and(|count| count > 0)),
            "revisions" => {
                assert!(of("count").await.as_u64().is_some_and(|count| count > 0));
                // Without kubelets no pod is ever available.
                assert_eq!(of("complete").await, false);
                assert!(of("age_seconds").await.as_u64().is_some());
            }
            "pods" => assert_eq!(of("restarts").await, 2),
            _ => {}
        }
    }
}
