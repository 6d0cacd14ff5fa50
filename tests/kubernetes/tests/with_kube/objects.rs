//! Versions, generations, subresources, lists, deletion.

use super::*;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};

#[tokio::test]
async fn objects_are_created_read_and_missed() {
    let double = ApiDouble::start().await;
    let api = pods(&double).await;
    assert!(api.get_opt("a").await.unwrap().is_none());
    assert_eq!(
        refused(api.create(&PostParams::default(), &serde_json::from_value(pod("a")).unwrap()).await).0,
        404
    );
    double.create(pod("other"));
    let created =
        api.create(&PostParams::default(), &serde_json::from_value(pod("a")).unwrap()).await.unwrap();
    assert!(created.metadata.uid.is_some() && created.metadata.creation_timestamp.is_some());
    assert_eq!(created.metadata.generation, Some(1));
    assert!(created.status.is_none(), "clients cannot create a status");
    assert_eq!(
        refused(api.create(&PostParams::default(), &serde_json::from_value(pod("a")).unwrap()).await),
        (409, "AlreadyExists".to_owned())
    );
    let namespaces: Api<Namespace> = Api::all(client(&double).await);
    assert_eq!(namespaces.get("shop").await.unwrap().metadata.name.as_deref(), Some("shop"));
}

#[tokio::test]
async fn stale_writes_and_other_uids_are_refused() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let api = deployments(&double).await;
    let read = api.get("web").await.unwrap();
    double.update("deployments", "shop", "web", |object| object["spec"]["replicas"] = json!(3));
    let conflict = (409, "Conflict".to_owned());
    assert_eq!(refused(api.replace("web", &PostParams::default(), &read).await), conflict);
    let pp = PatchParams::default();
    let stale = json!({ "metadata": { "resourceVersion": read.metadata.resource_version }, "spec": { "replicas": 4 } });
    assert_eq!(refused(api.patch("web", &pp, &Patch::Merge(&stale)).await), conflict);
    assert_eq!(refused(api.patch("web", &pp, &Patch::Strategic(&stale)).await), conflict);
    let another = double.replace_by_another("deployments", "shop", "web");
    assert_ne!(another["metadata"]["uid"], json!(read.metadata.uid));
    let foreign = json!({ "metadata": { "uid": read.metadata.uid }, "spec": { "replicas": 4 } });
    assert_eq!(refused(api.patch("web", &pp, &Patch::Merge(&foreign)).await), (422, "Invalid".to_owned()));
    let mut unconditional = read.clone();
    unconditional.metadata.resource_version = None;
    assert_eq!(refused(api.replace("web", &PostParams::default(), &unconditional).await), conflict);
    let params = DeleteParams::default()
        .preconditions(Preconditions { uid: read.metadata.uid, resource_version: None });
    assert_eq!(refused(api.delete("web", &params).await), conflict);
    assert!(double.changes().by_requests().is_empty());
}

#[tokio::test]
async fn generations_count_the_spec_only_and_nothing_makes_no_version() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let api = deployments(&double).await;
    let pp = PatchParams::default();
    for (patch, generation, changes) in [
        (json!({ "metadata": { "annotations": { "a": "b" } } }), 1, 1),
        (json!({ "spec": { "replicas": 3 } }), 2, 2),
        (json!({ "spec": { "replicas": 3 } }), 2, 2),
        (json!({ "status": { "replicas": 3 } }), 2, 2),
    ] {
        let patched = api.patch("web", &pp, &Patch::Merge(&patch)).await.unwrap();
        assert_eq!(patched.metadata.generation, Some(generation), "{patch}");
        assert_eq!(double.changes().by_requests().len(), changes, "{patch}");
    }
    let status = json!({ "spec": { "replicas": 9 }, "status": { "readyReplicas": 3 } });
    let patched = api.patch_status("web", &pp, &Patch::Merge(&status)).await.unwrap();
    assert_eq!(patched.spec.unwrap().replicas, Some(3));
    assert_eq!(patched.status.unwrap().ready_replicas, Some(3));
    assert_eq!(patched.metadata.generation, Some(2));
}

#[tokio::test]
async fn dry_runs_answer_and_store_nothing() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let before = double.revision();
    let api = deployments(&double).await;
    let pp = PatchParams { dry_run: true, ..PatchParams::default() };
    let patched = api.patch("web", &pp, &Patch::Merge(json!({ "spec": { "replicas": 7 } }))).await.unwrap();
    assert_eq!((patched.spec.unwrap().replicas, patched.metadata.generation), (Some(7), Some(2)));
    let scale =
        api.patch_scale("web", &pp, &Patch::Merge(json!({ "spec": { "replicas": 8 } }))).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(8));
    api.delete("web", &DeleteParams { dry_run: true, ..DeleteParams::default() }).await.unwrap();
    let negative = Patch::Merge(json!({ "spec": { "replicas": -1 } }));
    assert_eq!(refused(api.patch("web", &pp, &negative).await).0, 422);
    assert_eq!(double.revision(), before);
    assert_eq!(double.get("deployments", "shop", "web").unwrap()["spec"]["replicas"], 2);
}

#[tokio::test]
async fn scale_is_a_view_of_the_replicas() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    double.create(json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": { "name": "web", "namespace": "shop" }, "spec": { "replicas": 2 } }));
    let five = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    let api = deployments(&double).await;
    assert_eq!(api.get_scale("web").await.unwrap().status.unwrap().selector.as_deref(), Some("app=web"));
    let scale = api.patch_scale("web", &PatchParams::default(), &five).await.unwrap();
    assert_eq!((scale.spec.unwrap().replicas, scale.metadata.name.as_deref()), (Some(5), Some("web")));
    let scale = rollouts(&double).await.patch_scale("web", &PatchParams::default(), &five).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(5));
    for plural in ["deployments", "rollouts"] {
        assert_eq!(double.get(plural, "shop", "web").unwrap()["spec"]["replicas"], 5);
        assert_eq!(double.changes().of(plural, "shop", "web").by_requests().0[0].subresource, "scale");
    }
    let stale = json!({ "metadata": { "resourceVersion": "1" }, "spec": { "replicas": 6 } });
    assert_eq!(refused(api.patch_scale("web", &PatchParams::default(), &Patch::Merge(stale)).await).0, 409);
}

#[tokio::test]
async fn lists_select_and_come_in_pages() {
    let double = ApiDouble::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        double.create(pod(name));
    }
    let mut odd = pod("odd");
    odd["metadata"]["labels"]["app"] = json!("odd");
    double.create(odd);
    let api = pods(&double).await;
    let names = |params: ListParams| {
        let api = api.clone();
        async move {
            let list = api.list(&params).await.unwrap();
            list.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(names(ListParams::default()).await, "a b c d e odd");
    assert_eq!(names(ListParams::default().labels("app in (odd)")).await, "odd");
    assert_eq!(names(ListParams::default().fields("metadata.name=b,status.phase=Running")).await, "b");
    let first = api.list(&ListParams::default().labels("app=web").limit(2)).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(3)));
    let token = first.metadata.continue_.unwrap();
    let next = ListParams::default().labels("app=web").limit(3).continue_token(&token);
    let second = api.list(&next).await.unwrap();
    assert_eq!((second.items.len(), second.metadata.continue_), (3, None));
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    double.create(pod("f"));
    double.compact();
    assert_eq!(refused(api.list(&next).await), (410, "Expired".to_owned()));
}

#[tokio::test]
async fn finalizers_hold_what_is_deleted() {
    let double = ApiDouble::start().await;
    let mut held = deployment("web");
    held["metadata"]["finalizers"] = json!(["test/hold"]);
    double.create(held);
    let api = deployments(&double).await;
    let marked = api.delete("web", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(marked.metadata.deletion_timestamp.is_some());
    let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    api.patch("web", &PatchParams::default(), &release).await.unwrap();
    assert!(api.get_opt("web").await.unwrap().is_none());
    double.create(deployment("api"));
    assert!(api.delete("api", &DeleteParams::default()).await.unwrap().is_right());
}

#[tokio::test]
async fn volumes_grow_where_their_class_allows_it() {
    let double = ApiDouble::start().await;
    for (name, grows) in [("elastic", true), ("rigid", false)] {
        double.create(
            json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
            "provisioner": "test", "allowVolumeExpansion": grows }),
        );
        double.create(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "10Gi" } } },
            "status": { "phase": "Bound", "capacity": { "storage": "10Gi" } } }));
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client(&double).await, "shop");
    let to =
        |size: &str| Patch::Merge(json!({ "spec": { "resources": { "requests": { "storage": size } } } }));
    let pp = PatchParams::default();
    assert_eq!(refused(api.patch("rigid", &pp, &to("12Gi")).await), (403, "Forbidden".to_owned()));
    assert_eq!(refused(api.patch("elastic", &pp, &to("9Gi")).await).0, 422);
    api.patch("elastic", &pp, &to("12Gi")).await.unwrap();
    let capacity = || {
        double.get("persistentvolumeclaims", "shop", "elastic").unwrap()["status"]["capacity"]["storage"]
            .clone()
    };
    assert_eq!(capacity(), "10Gi");
    double.settle("persistentvolumeclaims", "shop", "elastic");
    assert_eq!(capacity(), "12Gi");
}
