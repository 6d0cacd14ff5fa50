//! What failures at a resource are counted by, the same in both journals.

use std::borrow::Cow;

use selfheal_core::hash::ContentHash;

/// The longest name of a resource, in bytes, by which failures are counted as it is.
const RESOURCE_BYTES_MAX: usize = 512;

/// A key for a resource. A row of an index of PostgreSQL's has less than 2.7 KB of room, so a name that is long is cut and has
/// its hash added. That is longer than a name that is kept as it is, so that none is taken for another.
pub(crate) fn counted_by(resource: &str) -> Cow<'_, str> {
    if resource.len() <= RESOURCE_BYTES_MAX {
        return Cow::Borrowed(resource);
    }
    let start = &resource[..resource.floor_char_boundary(RESOURCE_BYTES_MAX)];
    Cow::Owned(format!("{start}#{}", ContentHash::of_bytes(resource.as_bytes())))
}
