//! The objects, the one counter of versions, and the events that watches read.
//!
//! The store knows no rules: `write.rs` has decided what is put here. Events are kept for late watches until they are too many
//! or a test compacts them.

use crate::{changes::Change, refusal::Refusal, resource::Resource};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Beyond this the oldest events are forgotten, as by a compaction.
const EVENTS_MAX: usize = 50_000;

/// Where an object is: resource (by [`Resource::qualified`]), namespace (empty for none), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource.namespaced { namespace } else { "" };
        Self { resource: resource.qualified(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One stored change, as watches see it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// What is there now; of a deletion, what was there last.
    pub(crate) object: Arc<Value>,
    pub(crate) deleted: bool,
}

/// Everything that the double remembers of its cluster.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    /// Watches cannot start before this.
    oldest: u64,
    events: VecDeque<Event>,
    pub(crate) changes: Vec<Change>,
    pub(crate) resources: Vec<Resource>,
    uids: u64,
    /// Tells the UIDs of one double from those of another.
    seed: u16,
}

impl Store {
    /// Without objects; no two doubles of a test have the same `seed`.
    pub(crate) fn new(resources: Vec<Resource>, seed: u16) -> Self {
        Self { resources, seed, ..Self::default() }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn resource(&self, group: &str, plural: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.is(group, plural))
    }

    /// By apiVersion and kind, as an object names it.
    pub(crate) fn resource_of(&self, object: &Value) -> Option<&Resource> {
        let (version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        self.resources.iter().find(|resource| resource.api_version() == version && resource.kind == kind)
    }

    pub(crate) fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("{:08x}-{:04x}-4000-8000-{:012x}", 0x5e1f_4ea1u32, self.seed, self.uids)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a resource, of one namespace or of all, in the order of namespace and name.
    pub(crate) fn all<'a>(
        &'a self,
        resource: &Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + use<'a> {
        let first = Key { resource: resource.qualified(), namespace: String::new(), name: String::new() };
        let plural = first.resource.clone();
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.resource == plural)
            .filter(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
    }

    /// Stores an object under the next version, which it then carries.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.tell(Event {
            revision: self.revision,
            key,
            before,
            object: Arc::clone(&object),
            deleted: false,
        });
        object
    }

    /// Removes an object; what is returned carries the version of its deletion.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(last);
        let (key, before) = (key.clone(), Some(before));
        self.tell(Event { revision: self.revision, key, before, object: Arc::clone(&object), deleted: true });
        Some(object)
    }

    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
        if self.events.len() > EVENTS_MAX
            && let Some(forgotten) = self.events.pop_front()
        {
            self.oldest = forgotten.revision;
        }
    }

    /// Forgets all events: who has not seen the present version must list again.
    pub(crate) fn compact(&mut self) {
        self.events.clear();
        self.oldest = self.revision;
    }

    /// The events after a version.
    ///
    /// # Errors
    ///
    /// 410 when some of them are forgotten.
    pub(crate) fn events_after(&self, revision: u64) -> Result<impl Iterator<Item = &Event>, Refusal> {
        if revision < self.oldest {
            return Err(Refusal::expired(revision, self.oldest));
        }
        let start = self.events.partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..))
    }

    /// # Errors
    ///
    /// 410 when a list that began at this version cannot be continued.
    pub(crate) fn check_not_compacted(&self, revision: u64) -> Result<(), Refusal> {
        self.events_after(revision).map(drop)
    }
}
