//! What fires: one episode for each ailment of a container, from when it is first seen until it is over. Pods that are well
//! are not remembered, so that what is kept is bounded by what ails, not by how many pods there are.

use std::collections::HashMap;

use jiff::Timestamp;

use super::notice::{Notice, Subject};
use super::pod::Pod;
use super::symptom::{Ailment, Symptom, held_until, still_pulls, symptoms};

/// Pods that ail and are remembered; with more, the rest waits until some are well.
const AILING_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Episodes {
    /// By the pod's uid.
    ailing: HashMap<String, Ailing>,
    /// Those of a relist that have not been seen yet in it.
    unseen: Vec<String>,
}

struct Ailing {
    subject: Subject,
    episodes: Vec<Episode>,
}

struct Episode {
    symptom: Symptom,
    /// None while it is there to be seen.
    until: Option<Timestamp>,
}

impl Episodes {
    /// A pod as it is now; gives what begins and what is over.
    pub(crate) fn see(&mut self, pod: &Pod, now: Timestamp) -> Vec<Notice> {
        let Some(uid) = pod.metadata.uid.clone() else { return Vec::new() };
        self.unseen.retain(|unseen| *unseen != uid);
        let present = symptoms(pod, now);
        if !self.ailing.contains_key(&uid) && (present.is_empty() || self.ailing.len() >= AILING_MAX) {
            return Vec::new();
        }
        let ailing = self
            .ailing
            .entry(uid.clone())
            .or_insert_with(|| Ailing { subject: Subject::of(pod), episodes: Vec::new() });
        let mut notices = Vec::new();
        for symptom in &present {
            let known = ailing.episodes.iter_mut().find(|episode| {
                (episode.symptom.ailment, &episode.symptom.container) == (symptom.ailment, &symptom.container)
            });
            match known {
                // An episode keeps its start, whatever happens again within it.
                Some(episode) => episode.until = symptom.until,
                None => {
                    notices.push(Notice::firing(&ailing.subject, symptom));
                    ailing.episodes.push(Episode { until: symptom.until, symptom: symptom.clone() });
                }
            }
        }
        for episode in &mut ailing.episodes {
            let Symptom { ailment, container, .. } = &episode.symptom;
            let same = |symptom: &Symptom| (symptom.ailment, &symptom.container) == (*ailment, container);
            let is_there =
                present.iter().any(same) || *ailment == Ailment::ImagePull && still_pulls(pod, container);
            if !is_there && episode.until.is_none() {
                episode.until = Some(held_until(*ailment, now));
            }
        }
        notices.extend(self.expire_of(&uid, now));
        notices
    }

    /// A pod is gone: what ailed it is over.
    pub(crate) fn gone(&mut self, uid: &str, now: Timestamp) -> Vec<Notice> {
        let Some(Ailing { subject, episodes }) = self.ailing.remove(uid) else { return Vec::new() };
        episodes.iter().map(|episode| Notice::resolved(&subject, &episode.symptom, now)).collect()
    }

    /// A list begins: what is not in it is gone.
    pub(crate) fn relist(&mut self) {
        self.unseen = self.ailing.keys().cloned().collect();
    }

    /// The list is complete.
    pub(crate) fn listed(&mut self, now: Timestamp) -> Vec<Notice> {
        let unseen = std::mem::take(&mut self.unseen);
        unseen.iter().flat_map(|uid| self.gone(uid, now)).collect()
    }

    /// What is over because nothing more was seen of it for long enough.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<Notice> {
        let uids: Vec<String> = self.ailing.keys().cloned().collect();
        uids.iter().flat_map(|uid| self.expire_of(uid, now)).collect()
    }

    fn expire_of(&mut self, uid: &str, now: Timestamp) -> Vec<Notice> {
        let Some(ailing) = self.ailing.get_mut(uid) else { return Vec::new() };
        let mut notices = Vec::new();
        let subject = &ailing.subject;
        ailing.episodes.retain(|episode| {
            let over = episode.until.is_some_and(|until| until <= now);
            if over {
                notices.push(Notice::resolved(subject, &episode.symptom, now));
            }
            !over
        });
        if ailing.episodes.is_empty() {
            self.ailing.remove(uid);
        }
        notices
    }

    /// What fires at this moment.
    pub(crate) fn firing(&self) -> impl Iterator<Item = Notice> {
        let of = |ailing: &Ailing, episode: &Episode| Notice::firing(&ailing.subject, &episode.symptom);
        self.ailing
            .values()
            .flat_map(move |ailing| ailing.episodes.iter().map(move |episode| of(ailing, episode)))
    }

    /// Pods that ail.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ailing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::symptom::tests::pod;
    use super::*;
    use serde_json::{Value, json};

    fn at(minute: &str) -> Timestamp {
        format!("2026-11-22T12:{minute}Z").parse().unwrap()
    }

    fn with(state: Value) -> Pod {
        pod(json!({ "containerStatuses": [{ "name": "app", "state": state }] }))
    }

    fn told(notices: &[Notice]) -> Vec<String> {
        notices
            .iter()
            .map(|notice| {
                format!("{} {}", notice.alert(), if notice.is_firing() { "firing" } else { "resolved" })
            })
            .collect()
    }

    #[test]
    fn an_episode_begins_once_and_ends_once() {
        let waiting = |reason: &str| with(json!({ "waiting": { "reason": reason } }));
        let mut episodes = Episodes::default();
        let mut see = |pod: &Pod, minute: &str| told(&episodes.see(pod, at(minute)));
        let nothing: [&str; 0] = [];
        assert_eq!(see(&waiting("ContainerCreating"), "00:00"), nothing);
        assert_eq!(see(&waiting("ImagePullBackOff"), "00:01"), ["KubernetesImagePullBackOff firing"]);
        assert_eq!(see(&waiting("ErrImagePull"), "00:02"), nothing, "between two tries");
        assert_eq!(see(&waiting("ImagePullBackOff"), "00:03"), nothing);
        assert_eq!(see(&with(json!({ "running": {} })), "00:04"), ["KubernetesImagePullBackOff resolved"]);
        assert_eq!(episodes.len(), 0, "a pod that is well is not remembered");
    }

    #[test]
    fn a_crash_loop_outlives_the_moments_in_which_the_container_runs() {
        let looping = with(json!({ "waiting": { "reason": "CrashLoopBackOff" } }));
        let running = with(json!({ "running": {} }));
        let mut episodes = Episodes::default();
        assert_eq!(told(&episodes.see(&looping, at("00:00"))), ["KubernetesPodCrashLooping firing"]);
        assert!(episodes.see(&running, at("01:00")).is_empty());
        assert!(episodes.see(&looping, at("02:00")).is_empty());
        assert!(episodes.see(&running, at("03:00")).is_empty());
        assert!(episodes.expire(at("07:59")).is_empty());
        assert_eq!(told(&episodes.expire(at("08:00"))), ["KubernetesPodCrashLooping resolved"]);
    }

    #[test]
    fn an_end_for_want_of_memory_holds_for_ten_minutes() {
        let killed = pod(
            json!({ "containerStatuses": [{ "name": "app", "state": { "running": {} }, "lastState": {
            "terminated": { "reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-22T12:00:00Z" } } }] }),
        );
        let mut episodes = Episodes::default();
        assert_eq!(told(&episodes.see(&killed, at("00:01"))), ["KubernetesPodOOMKilled firing"]);
        assert!(episodes.see(&killed, at("05:00")).is_empty());
        assert_eq!(told(&episodes.expire(at("10:00"))), ["KubernetesPodOOMKilled resolved"]);
        assert!(episodes.see(&killed, at("11:00")).is_empty(), "it is history now");
    }

    #[test]
    fn pods_that_are_gone_are_over() {
        let mut episodes = Episodes::default();
        let evicted = pod(json!({ "reason": "Evicted" }));
        assert_eq!(told(&episodes.see(&evicted, at("00:00"))), ["KubernetesPodEvicted firing"]);
        episodes.relist();
        assert!(episodes.see(&evicted, at("00:01")).is_empty());
        assert!(episodes.listed(at("00:02")).is_empty(), "it was in the list");
        episodes.relist();
        assert_eq!(told(&episodes.listed(at("00:03"))), ["KubernetesPodEvicted resolved"]);
        assert!(episodes.gone("u", at("00:04")).is_empty());
    }
}
