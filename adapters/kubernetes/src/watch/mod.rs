//! The watch on pods: what happens to them becomes alerts within a second, through the intake that also takes
//! Alertmanager's notifications. Why their names and labels are those of the shipped Prometheus rules: engine/adr/0008.
//!
//! `follow` lists and watches one namespace (or all) of one cluster; `pod` is the little that is read of a pod; `symptom`
//! judges it; `episodes` remembers what fires and until when; `notice` writes notifications.

mod episodes;
mod follow;
mod notice;
mod pod;
mod symptom;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use selfheal_cluster::{Clusters, kinds, right};
use selfheal_contract::{AboutWatch, Intake, Watch};

use crate::settings::Events;
use follow::Follower;

/// The watch's name.
const NAME: &str = "kubernetes_pods";

/// The watch on pods of all clusters.
pub(crate) struct PodWatch {
    clusters: Arc<Clusters>,
    events: Events,
}

impl PodWatch {
    pub(crate) fn new(clusters: Arc<Clusters>, events: Events) -> Self {
        Self { clusters, events }
    }
}

#[async_trait]
impl Watch for PodWatch {
    fn about(&self) -> AboutWatch {
        AboutWatch {
            name: NAME,
            alone: true,
            doc: "Listens to pods and raises KubernetesPodOOMKilled, KubernetesPodCrashLooping (critical), \
                KubernetesImagePullBackOff and KubernetesPodEvicted (high), each with namespace, pod, container and the pod's \
                deployment, statefulset, daemonset or rollout as labels: the names and labels of the shipped Prometheus rules, \
                so that what both see is one issue. An alert is resolved when the pod is gone or well again: after being killed \
                for want of memory 10 minutes later, after a crash loop 5 minutes later, so that a container which only runs \
                for a moment does not count as healed.",
            permissions: vec![
                right("list", &kinds::POD, "to see the pods that there are"),
                right("watch", &kinds::POD, "to hear what happens to pods"),
            ],
        }
    }

    async fn run(&self, intake: Arc<dyn Intake>) {
        let everywhere = [None];
        let named: Vec<Option<&str>> =
            self.events.namespaces.iter().map(|name| Some(name.as_str())).collect();
        let namespaces = if named.is_empty() { &everywhere[..] } else { &named[..] };
        let several = self.clusters.all().len() > 1;
        let followers = self.clusters.all().iter().flat_map(|cluster| {
            let intake = &intake;
            namespaces.iter().map(move |namespace| {
                let mut labels = self.events.labels.clone();
                if several {
                    // One label for all would have what happens in one of them healed in another.
                    labels.retain(|(name, _)| name != "cluster");
                    labels.push(("cluster".to_owned(), cluster.name().to_owned()));
                }
                let intake = Arc::clone(intake);
                Follower { cluster, namespace: *namespace, selector: &self.events.selector, labels, intake }
                    .run()
            })
        });
        join_all(followers).await;
    }
}
