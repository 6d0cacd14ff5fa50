//! What is handed to the intake: notifications in the form of Alertmanager's webhook, version 4.

use jiff::Timestamp;
use selfheal_cluster::Object;
use selfheal_core::alert::{Alert, AlertStatus};
use serde_json::{Map, Value, json};

use super::NAME;
use super::pod::Pod;
use super::symptom::{Ailment, Symptom};
use crate::workload::{WORKLOADS, owner_of};

/// Characters of what a pod says about its ailment.
const DETAIL_CHARS_MAX: usize = 300;

/// The pod that an alert is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subject {
    namespace: String,
    pod: String,
    /// The label of its workload: `deployment`, and its name.
    workload: Option<(&'static str, String)>,
}

/// One alert that begins or is over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) subject: Subject,
    pub(crate) symptom: Symptom,
    pub(crate) ended: Option<Timestamp>,
}

impl Subject {
    pub(crate) fn of(pod: &Pod) -> Self {
        // Only what tells of the owner: the judgement is the probes' own.
        let metadata = json!({ "metadata": {
            "labels": pod.metadata.labels, "ownerReferences": pod.metadata.owner_references } });
        let owner = owner_of(&Object { json: metadata, date: None });
        Self {
            namespace: pod.metadata.namespace.clone().unwrap_or_default(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            workload: owner
                .filter(|(kind, _)| kind.word != "replicaset")
                .map(|(kind, name)| (kind.word, name)),
        }
    }
}

impl Notice {
    pub(crate) fn firing(subject: &Subject, symptom: &Symptom) -> Self {
        Self { subject: subject.clone(), symptom: symptom.clone(), ended: None }
    }

    pub(crate) fn resolved(subject: &Subject, symptom: &Symptom, at: Timestamp) -> Self {
        Self { ended: Some(at.max(symptom.since)), ..Self::firing(subject, symptom) }
    }

    /// The same, over.
    pub(crate) fn ending(&self, at: Timestamp) -> Self {
        Self::resolved(&self.subject, &self.symptom, at)
    }

    /// Reads back what an earlier process has written; none when it is not what this one would write.
    pub(crate) fn of(alert: &Alert, more_labels: &[(String, String)]) -> Option<Self> {
        let label = |name: &str| alert.labels.get(name).map(str::to_owned);
        let workload = WORKLOADS.iter().find_map(|kind| Some((kind.word, label(kind.word)?)));
        let subject = Subject { namespace: label("namespace")?, pod: label("pod")?, workload };
        let symptom = Symptom {
            ailment: Ailment::of(&label("alertname")?)?,
            container: label("container").unwrap_or_default(),
            since: alert.starts_at,
            until: None,
            detail: String::new(),
        };
        let notice = Self::firing(&subject, &symptom);
        let labels = notice.labels(more_labels);
        let is_same = labels.len() == alert.labels.len()
            && labels.iter().all(|(name, value)| alert.labels.get(name) == value.as_str());
        is_same.then_some(notice)
    }

    #[cfg(test)]
    pub(crate) fn alert(&self) -> &'static str {
        self.symptom.ailment.alert()
    }

    /// What identifies the alert.
    pub(crate) fn labels(&self, more_labels: &[(String, String)]) -> Map<String, Value> {
        let Subject { namespace, pod, workload } = &self.subject;
        let Symptom { ailment, container, .. } = &self.symptom;
        let mut labels: Map<String, Value> =
            more_labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        labels.insert("alertname".to_owned(), json!(ailment.alert()));
        labels.insert("severity".to_owned(), json!(ailment.severity()));
        labels.insert("namespace".to_owned(), json!(namespace));
        labels.insert("pod".to_owned(), json!(pod));
        if !container.is_empty() {
            labels.insert("container".to_owned(), json!(container));
        }
        if let Some((kind, name)) = workload {
            labels.insert((*kind).to_owned(), json!(name));
        }
        labels
    }

    fn json(&self, more_labels: &[(String, String)]) -> Value {
        let Subject { namespace, pod, .. } = &self.subject;
        let Symptom { ailment, container, since, detail, .. } = &self.symptom;
        let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
        let of = if container.is_empty() { pod.clone() } else { format!("{container} of {pod}") };
        json!({
            "status": if self.ended.is_some() { "resolved" } else { "firing" },
            "labels": self.labels(more_labels),
            "annotations": {
                "summary": format!("{of} in {namespace}: {}", ailment.alert()),
                "description": detail,
                "source": NAME,
            },
            "startsAt": since.to_string(),
            "endsAt": self.ended.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
            "generatorURL": "",
        })
    }
}

/// One notification with these alerts.
pub(crate) fn body(notices: &[Notice], labels: &[(String, String)]) -> Vec<u8> {
    let firing = notices.iter().any(|notice| notice.ended.is_none());
    let alerts: Vec<Value> = notices.iter().map(|notice| notice.json(labels)).collect();
    notification(if firing { "firing" } else { "resolved" }, &alerts)
}

/// One notification that these alerts of an earlier process are over.
pub(crate) fn over(alerts: &[Alert], now: Timestamp) -> Vec<u8> {
    let resolved = alerts.iter().map(|alert| {
        let ends_at = Some(now.max(alert.starts_at));
        json!(Alert { status: AlertStatus::Resolved, ends_at, ..alert.clone() })
    });
    notification("resolved", &resolved.collect::<Vec<_>>())
}

fn notification(status: &str, alerts: &[Value]) -> Vec<u8> {
    json!({
        "version": "4",
        "groupKey": NAME,
        "receiver": NAME,
        "status": status,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": alerts,
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::symptom::{symptoms, tests::pod};
    use super::*;
    use selfheal_core::notification::Notification;

    #[test]
    fn alerts_have_the_labels_of_the_prometheus_rules() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let pod = pod(json!({ "containerStatuses": [{ "name": "app", "state": { "waiting": {
            "reason": "ImagePullBackOff", "message": "x".repeat(1_000) } } }] }));
        let symptom = &symptoms(&pod, now)[0];
        let subject = Subject::of(&pod);
        let body = body(
            &[Notice::firing(&subject, symptom), Notice::resolved(&subject, symptom, now)],
            &[("cluster".to_owned(), "prod".to_owned())],
        );
        let notification = Notification::read(&body).unwrap();
        let alerts: Vec<_> = notification.alerts.iter().map(|(_, alert)| alert).collect();
        let labels: Vec<String> =
            alerts[0].labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            labels.join(" "),
            "alertname=KubernetesImagePullBackOff cluster=prod container=app deployment=web namespace=shop pod=web-1 \
             severity=high"
        );
        assert_eq!(alerts[0].fingerprint, alerts[1].fingerprint, "one episode, one fingerprint");
        assert_eq!(alerts[0].starts_at, alerts[1].starts_at);
        assert_eq!((alerts[0].status, alerts[1].status), (AlertStatus::Firing, AlertStatus::Resolved));
        assert_eq!(alerts[1].ends_at, Some(now));

        let more = [("cluster".to_owned(), "prod".to_owned())];
        let read = Notice::of(alerts[0], &more).unwrap();
        assert_eq!((&read.subject, read.symptom.since), (&subject, alerts[0].starts_at));
        assert_eq!(Notice::of(alerts[0], &[]), None, "one that has other labels is another alert");
    }
}
