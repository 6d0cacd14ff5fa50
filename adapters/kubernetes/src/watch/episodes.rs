//! What fires: one episode for each ailment of a container, from when it is first seen until it is over. Pods that are well
//! are not remembered, so that what is kept is bounded by what ails, not by how many pods there are.
//!
//! What an earlier process has seen begin goes on here under its own start, so that its end is recognised as its end, and is
//! held as long as if it had been seen here: a container that happens to run while somebody else takes over is not well.

use std::collections::HashMap;

use jiff::Timestamp;

use super::notice::{Notice, Subject};
use super::pod::Pod;
use super::symptom::{Ailment, Symptom, still_pulls, symptoms};

/// Pods that ail and are remembered; with more, the rest waits until some are well.
const AILING_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Episodes {
    /// By the pod's uid.
    ailing: HashMap<String, Ailing>,
    /// Those of a relist that have not been seen yet in it.
    unseen: Vec<String>,
    /// What an earlier process has left, of pods that have not been seen yet.
    left: Vec<Notice>,
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
    /// Goes on from what an earlier process has left firing.
    pub(crate) fn after(left: Vec<Notice>) -> Self {
        Self { left, ..Self::default() }
    }

    /// A pod as it is now; gives what begins and what is over.
    pub(crate) fn see(&mut self, pod: &Pod, now: Timestamp) -> Vec<Notice> {
        let Some(uid) = pod.metadata.uid.clone() else { return Vec::new() };
        self.unseen.retain(|unseen| *unseen != uid);
        let present = symptoms(pod, now);
        let left = self.left_of(pod);
        let is_new = !self.ailing.contains_key(&uid);
        if is_new && left.is_empty() && (present.is_empty() || self.ailing.len() >= AILING_MAX) {
            return Vec::new();
        }
        let ailing = self
            .ailing
            .entry(uid.clone())
            .or_insert_with(|| Ailing { subject: Subject::of(pod), episodes: Vec::new() });
        ailing.episodes.extend(left.into_iter().map(|symptom| Episode { symptom, until: None }));
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
                episode.until = Some(episode.symptom.held_until(now));
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
        let (unseen, left) = (std::mem::take(&mut self.unseen), std::mem::take(&mut self.left));
        let gone = left.iter().map(|notice| notice.ending(now));
        gone.chain(unseen.iter().flat_map(|uid| self.gone(uid, now))).collect()
    }

    /// What an earlier process has left of a pod.
    fn left_of(&mut self, pod: &Pod) -> Vec<Symptom> {
        if self.left.is_empty() {
            return Vec::new();
        }
        let subject = Subject::of(pod);
        self.left.extract_if(.., |notice| notice.subject == subject).map(|notice| notice.symptom).collect()
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

    fn with_last(state: Value, reason: &str, finished_at: &str) -> Pod {
        let last = json!({ "terminated": { "reason": reason, "exitCode": 1, "finishedAt": finished_at } });
        pod(json!({ "containerStatuses": [{ "name": "app", "state": state, "lastState": last }] }))
    }

    fn told(notices: &[Notice]) -> Vec<String> {
        notices
            .iter()
            .map(|notice| {
                format!("{} {}", notice.alert(), if notice.ended.is_none() { "firing" } else { "resolved" })
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

    /// A container that happens to run while another process takes over is held as long as if that had seen it fail.
    #[test]
    fn what_an_earlier_process_left_goes_on_under_its_own_start() {
        let crashed =
            |at: &str| with_last(json!({ "waiting": { "reason": "CrashLoopBackOff" } }), "Error", at);
        let running = with(json!({ "running": {} }));
        let mut first = Episodes::default();
        let began = first.see(&crashed("2026-11-22T11:59:00Z"), at("00:00"));
        assert_eq!(told(&began), ["KubernetesPodCrashLooping firing"]);

        let mut second = Episodes::after(began.clone());
        second.relist();
        assert!(second.see(&running, at("01:00")).is_empty());
        assert!(second.listed(at("01:00")).is_empty(), "the moment in which it runs is no end");
        assert!(
            second.see(&crashed("2026-11-22T12:02:00Z"), at("02:00")).is_empty(),
            "it is the same episode"
        );
        assert!(second.see(&running, at("03:00")).is_empty());
        assert!(second.expire(at("07:59")).is_empty());
        let over = second.expire(at("08:00"));
        assert_eq!(told(&over), ["KubernetesPodCrashLooping resolved"]);
        assert_eq!(over[0].symptom.since, began[0].symptom.since);

        let mut third = Episodes::after(began);
        third.relist();
        assert_eq!(
            told(&third.listed(at("09:00"))),
            ["KubernetesPodCrashLooping resolved"],
            "its pod is gone"
        );

        let killed = with_last(json!({ "running": {} }), "OOMKilled", "2026-11-22T12:00:00Z");
        let began = Episodes::default().see(&killed, at("00:01"));
        let mut fourth = Episodes::after(began);
        assert!(fourth.see(&running, at("05:00")).is_empty(), "another end stands there now");
        assert_eq!(told(&fourth.expire(at("10:00"))), ["KubernetesPodOOMKilled resolved"]);
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
