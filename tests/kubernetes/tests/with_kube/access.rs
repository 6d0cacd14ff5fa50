//! Token, rights, reviews, discovery.

use super::*;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use selfheal_test_kubernetes::Right;

fn asks(verb: &str, group: &str, resource: &str, subresource: Option<&str>) -> SelfSubjectAccessReview {
    let text = |text: &str| Some(text.to_owned());
    let resource_attributes = Some(ResourceAttributes {
        verb: text(verb),
        group: text(group),
        resource: text(resource),
        subresource: subresource.map(str::to_owned),
        namespace: text("shop"),
        ..ResourceAttributes::default()
    });
    let spec = SelfSubjectAccessReviewSpec { resource_attributes, ..SelfSubjectAccessReviewSpec::default() };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

#[tokio::test]
async fn reviews_and_requests_follow_the_rights() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let client = client(&double).await;
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let allowed = async |review: SelfSubjectAccessReview| {
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    assert!(allowed(asks("delete", "", "pods", None)).await, "everything is granted at the start");
    let rights = vec![
        Right::new(&["get", "list"], "apps", &["deployments"]).within("shop"),
        Right::new(&["patch"], "apps", &["deployments/scale"]),
    ];
    double.set_rights(Some(rights), true);
    for (verb, group, resource, subresource, expected) in [
        ("get", "apps", "deployments", None, true),
        ("patch", "apps", "deployments", Some("scale"), true),
        ("patch", "apps", "deployments", None, false),
        ("get", "", "pods", None, false),
    ] {
        assert_eq!(allowed(asks(verb, group, resource, subresource)).await, expected, "{verb} {resource}");
    }
    let rules: Api<SelfSubjectRulesReview> = Api::all(client);
    let spec = SelfSubjectRulesReviewSpec { namespace: Some("other".to_owned()) };
    let review = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let answer = rules.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    assert_eq!(answer.resource_rules.len(), 1);
    let api = deployments(&double).await;
    api.get("web").await.unwrap();
    let patch = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
    api.patch_scale("web", &PatchParams::default(), &patch).await.unwrap();
    let forbidden = (403, "Forbidden".to_owned());
    assert_eq!(refused(api.patch("web", &PatchParams::default(), &patch).await), forbidden);
    assert_eq!(refused(pods(&double).await.list(&ListParams::default()).await), forbidden);
}

#[tokio::test]
async fn tokens_rotate() {
    let double = ApiDouble::start().await;
    double.create(pod("a"));
    double.set_token(Some("first"));
    let api = pods(&double).await;
    api.get("a").await.unwrap();
    double.set_token(Some("second"));
    assert_eq!(refused(api.get("a").await), (401, "Unauthorized".to_owned()));
    pods(&double).await.get("a").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    double.write_kubeconfig_with_token_file(&path).unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(&path).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
        .await
        .unwrap();
    let by_file: Api<Pod> = Api::namespaced(Client::try_from(config).unwrap(), "shop");
    by_file.get("a").await.unwrap();
}

#[tokio::test]
async fn the_server_says_what_it_serves() {
    let double = ApiDouble::start().await;
    let client = client(&double).await;
    assert_eq!(client.apiserver_version().await.unwrap().minor, "35");
    let discovery = kube::Discovery::new(client).run().await.unwrap();
    for (group, kind) in
        [("apps", "Deployment"), ("argoproj.io", "Rollout"), ("cert-manager.io", "Certificate")]
    {
        let group = discovery.get(group).unwrap();
        assert!(group.recommended_resources().iter().any(|(resource, _)| resource.kind == kind), "{kind}");
    }
}
