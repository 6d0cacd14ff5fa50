//! Label sets: the names and values that identify an alert, and its annotations.
//!
//! A set is read far more often than it is made, and is shared by every room an alert passes through. So it
//! is sorted once, kept in one text with its bounds, and cloned by counting a reference. How one is read
//! from JSON is in `read`; how alerts are identified by one is in `fingerprint`.

mod fingerprint;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use fingerprint::{Fingerprint, FingerprintFault};
pub(crate) use read::{Bound, LabelsProblem, LabelsSeed};
pub use read::{LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};

/// A sorted, immutable set of labels or annotations; cloning it copies nothing.
///
/// Names are unique and ordered bytewise, as in Prometheus. Names and values are any UTF-8: a name is a map
/// key, never an identifier. As JSON it is an object of strings.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels(Option<Arc<Packed>>);

/// All names and values one after the other, and where each ends: name, value, name, value.
/// `u32` suffices: a set read from outside is bounded by [`LABELS_BYTES_MAX`].
#[derive(PartialEq, Eq, Hash)]
struct Packed {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Packed {
    fn name(&self, index: usize) -> &str {
        &self.text[self.start(2 * index)..self.end(2 * index)]
    }

    fn value(&self, index: usize) -> &str {
        &self.text[self.start(2 * index + 1)..self.end(2 * index + 1)]
    }

    fn start(&self, part: usize) -> usize {
        if part == 0 { 0 } else { self.end(part - 1) }
    }

    fn end(&self, part: usize) -> usize {
        self.ends[part] as usize
    }
}

impl Labels {
    /// The value of the label `name`, or `None` where the set has no such label.
    ///
    /// Matchers take an absent label for an empty one; this tells them apart.
    pub fn get(&self, name: &str) -> Option<&str> {
        let packed = self.0.as_deref()?;
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match packed.name(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(packed.value(middle)),
            }
        }
        None
    }

    /// The labels as (name, value), ordered bytewise by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let packed = self.0.as_deref();
        (0..self.len()).map(move |index| match packed {
            Some(packed) => (packed.name(index), packed.value(index)),
            // Without a pack the length is zero, and this closure is never called.
            None => ("", ""),
        })
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.as_deref().map_or(0, |packed| packed.ends.len() / 2)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes of all names and values together.
    pub fn text_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |packed| packed.text.len())
    }

    /// The identity Alertmanager gives an alert with these labels (Prometheus `model.LabelSet.Fingerprint`).
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.iter())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    /// Collects labels in any order; of several with one name the last wins, as in JSON.
    ///
    /// # Panics
    /// When the texts together exceed 4 GiB.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut builder = Builder::default();
        for (name, value) in &sorted {
            builder.text.push_str(name);
            builder.end_part();
            builder.text.push_str(value);
            builder.end_part();
        }
        builder.build()
    }
}

/// Appends labels part by part; puts them in order only when they did not come so, which Alertmanager's do.
#[derive(Default)]
struct Builder {
    text: String,
    ends: Vec<u32>,
}

impl Builder {
    /// A builder with room for the labels of a usual alert, so that reading one does not grow it again and again.
    fn with_room() -> Self {
        Self { text: String::with_capacity(256), ends: Vec::with_capacity(32) }
    }

    /// Ends the name or value that was appended to `text`.
    fn end_part(&mut self) {
        self.ends.push(u32::try_from(self.text.len()).expect("a label set is far smaller than 4 GiB"));
    }

    fn build(self) -> Labels {
        if self.ends.is_empty() {
            return Labels::default();
        }
        let packed = Packed { text: self.text.into(), ends: self.ends.into() };
        let labels = packed.ends.len() / 2;
        if (1..labels).all(|index| packed.name(index - 1) < packed.name(index)) {
            Labels(Some(Arc::new(packed)))
        } else {
            (0..labels).map(|index| (packed.name(index), packed.value(index))).collect()
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'p> = &'p [(&'p str, &'p str)];

    fn labels(pairs: Pairs) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn reads_what_was_put_in() {
        let cases: &[(Pairs, Pairs)] = &[
            (&[], &[]),
            (&[("a", "1")], &[("a", "1")]),
            (&[("b", "2"), ("a", "1")], &[("a", "1"), ("b", "2")]),
            (&[("a", "1"), ("a", "2")], &[("a", "2")]),
            (
                &[("b", ""), ("ä", "ö"), ("B", "x y"), ("ab", "z")],
                &[("B", "x y"), ("ab", "z"), ("b", ""), ("ä", "ö")],
            ),
        ];
        for (given, expected) in cases {
            let set = labels(given);
            assert_eq!(set.iter().collect::<Vec<_>>(), *expected);
            assert_eq!(set.len(), expected.len());
            assert_eq!(set.is_empty(), expected.is_empty());
            for (name, value) in *expected {
                assert_eq!(set.get(name), Some(*value), "{name:?}");
            }
            assert_eq!(set.get("absent"), None);
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), set, "{json}");
        }
    }

    #[test]
    fn equal_sets_are_equal_however_they_were_made() {
        let read: Labels = serde_json::from_str(r#"{"z":"1","a":"0","a":"2"}"#).unwrap();
        assert_eq!(read, labels(&[("a", "2"), ("z", "1")]));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"a":"2","z":"1"}"#);
        assert_eq!(format!("{read:?}"), r#"{"a": "2", "z": "1"}"#);
        // The same text with other bounds is another set.
        assert_ne!(labels(&[("ab", "c")]), labels(&[("a", "bc")]));
    }
}
