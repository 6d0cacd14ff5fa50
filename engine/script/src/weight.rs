//! How much a value holds, with everything inside it.
//!
//! Rhai bounds values where they are made, but not where a key is added by `m[k] = v`, nor what a closure has
//! captured. Every larger value must come through a variable to be used again, so the variable resolver weighs what it
//! finds (see `sandbox`), and what is too heavy stops the script. One operation can at most join values that were in
//! bounds, so nothing grows far beyond them.

use rhai::{Array, Dynamic, FnPtr, Map};

use crate::limits::Limits;

/// What nests deeper than this is refused, so that neither weighing nor dropping it can exhaust the stack.
const DEPTH_MAX: usize = 32;

/// What an element costs besides its text, in bytes: roughly its slot and, in a map, its key.
const ITEM_BYTES: usize = 32;

/// A value is heavier than the limits allow; the text says in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooHeavy(pub &'static str);

/// The bytes that a value holds, or in which way it is too heavy. A number weighs nothing.
pub(crate) fn weigh(value: &Dynamic, limits: &Limits) -> Result<usize, TooHeavy> {
    // The commonest case by far: no container.
    if !value.is_shared() {
        if let Ok(text) = value.as_immutable_string_ref() {
            return if text.len() > limits.text_bytes { Err(TEXT) } else { Ok(text.len()) };
        }
        if !(value.is_array() || value.is_map() || value.is_fnptr() || value.is_blob()) {
            return Ok(0);
        }
    }
    let mut scales = Scales { limits, items: 0, text_bytes: 0 };
    scales.add(value, 0)?;
    Ok(scales.items * ITEM_BYTES + scales.text_bytes)
}

const TEXT: TooHeavy = TooHeavy("it holds too much text");
const ITEMS: TooHeavy = TooHeavy("it holds too many elements");
const NESTING: TooHeavy = TooHeavy("it is nested too deeply");

struct Scales<'l> {
    limits: &'l Limits,
    items: usize,
    text_bytes: usize,
}

impl Scales<'_> {
    fn add(&mut self, value: &Dynamic, depth: usize) -> Result<(), TooHeavy> {
        if depth > DEPTH_MAX {
            return Err(NESTING);
        }
        if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
            self.add_text(text.len())?;
        } else if let Some(array) = value.read_lock::<Array>() {
            self.add_items(array.len())?;
            array.iter().try_for_each(|item| self.add(item, depth + 1))?;
        } else if let Some(map) = value.read_lock::<Map>() {
            self.add_items(map.len())?;
            for (key, item) in map.iter() {
                self.add_text(key.len())?;
                self.add(item, depth + 1)?;
            }
        } else if let Some(closure) = value.read_lock::<FnPtr>() {
            // One for itself: closures are what can be nested without any array or map.
            self.add_items(1 + closure.curry().len())?;
            closure.iter_curry().try_for_each(|item| self.add(item, depth + 1))?;
        } else if let Some(bytes) = value.read_lock::<rhai::Blob>() {
            self.add_text(bytes.len())?;
        }
        Ok(())
    }

    fn add_items(&mut self, items: usize) -> Result<(), TooHeavy> {
        self.items += items;
        // Twice, because an array of maps may have as many elements as entries.
        if self.items > 2 * self.limits.items { Err(ITEMS) } else { Ok(()) }
    }

    fn add_text(&mut self, bytes: usize) -> Result<(), TooHeavy> {
        self.text_bytes += bytes;
        // Twice, because the keys of maps count here and not where Rhai counts.
        if self.text_bytes > 2 * self.limits.text_bytes { Err(TEXT) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_inside_counts() {
        let limits = Limits { items: 4, text_bytes: 8, ..Limits::default() };
        let array = |n: usize| Dynamic::from_array(vec![Dynamic::UNIT; n]);
        let deep = |n: usize| (0..n).fold(Dynamic::UNIT, |inner, _| Dynamic::from_array(vec![inner]));
        let closure = |curry: Dynamic| {
            let mut closure = FnPtr::new("f").unwrap();
            closure.add_curry(curry);
            Dynamic::from(closure)
        };
        let map = |key: &str, value| Dynamic::from_map([(key.into(), value)].into_iter().collect());
        let cases: [(Dynamic, Result<usize, TooHeavy>); 11] = [
            (7_i64.into(), Ok(0)),
            ("12345678".into(), Ok(8)),
            ("123456789".into(), Err(TEXT)),
            (array(8), Ok(256)),
            (array(9), Err(ITEMS)),
            (Dynamic::from_array(vec![array(4), array(4)]), Err(ITEMS)),
            (map("key", "text".into()), Ok(39)),
            (map("a key with a long name", Dynamic::UNIT), Err(TEXT)),
            (closure("text".into()), Ok(68)),
            (closure(array(8)), Err(ITEMS)),
            (closure(closure(closure(closure(Dynamic::UNIT)))), Ok(256)),
        ];
        for (value, expected) in cases {
            let text = format!("{value:?}");
            assert_eq!(weigh(&value.clone().into_shared(), &limits), weigh_inner(&value, &limits), "{text}");
            assert_eq!(weigh(&value, &limits), expected, "{text}");
        }
        assert_eq!(weigh(&deep(33), &Limits::default()), Err(NESTING));
        assert!(weigh(&deep(32), &Limits::default()).is_ok());
    }

    fn weigh_inner(value: &Dynamic, limits: &Limits) -> Result<usize, TooHeavy> {
        let mut scales = Scales { limits, items: 0, text_bytes: 0 };
        scales.add(value, 0).map(|()| scales.items * ITEM_BYTES + scales.text_bytes)
    }
}
