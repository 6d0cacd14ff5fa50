//! The form in which a notification's body is stored: its length, and the body as an LZ4 block.

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

/// Bodies up to this size, which are nearly all of them, are packed with what the thread has kept from the last one.
const SMALL_BYTES_MAX: usize = 32 * 1024;

/// What packing needs beside the body. Asked of the allocator anew for each body, it takes longer than packing a small one.
#[derive(Default)]
struct Bench {
    table: CompressTable,
    block: Vec<u8>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

/// Packs a body.
pub(crate) fn pack(body: &[u8]) -> Vec<u8> {
    let small = (body.len() <= SMALL_BYTES_MAX).then(|| BENCH.with_borrow_mut(|bench| bench.pack(body)));
    small.flatten().unwrap_or_else(|| lz4_flex::compress_prepend_size(body))
}

impl Bench {
    fn pack(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let Self { table, block } = self;
        block.resize(get_maximum_output_size(body.len()).max(block.len()), 0);
        let packed = compress_into_with_table(body, block, table).ok()?;
        let length = u32::try_from(body.len()).ok()?;
        Some([length.to_le_bytes().as_slice(), &block[..packed]].concat())
    }
}

/// How large a packed body is when it is unpacked, as it says itself.
pub(crate) fn unpacked_bytes(packed: &[u8]) -> usize {
    let size = packed.first_chunk().map(|size| u32::from_le_bytes(*size));
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

/// Unpacks a body.
///
/// # Errors
/// It is damaged, and how.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    lz4_flex::decompress_size_prepended(packed).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_whatever_was_packed_before() {
        let text =
            |bytes: usize| b"{\"alerts\":[{}]}".iter().copied().cycle().take(bytes).collect::<Vec<_>>();
        let noise = |bytes: usize| (0..bytes).map(|at| (at * at / 7) as u8).collect::<Vec<_>>();
        for bytes in [0, 1, 700, SMALL_BYTES_MAX, 3, SMALL_BYTES_MAX + 1, 300_000, 12, u16::MAX as usize] {
            for body in [text(bytes), noise(bytes)] {
                let packed = pack(&body);
                assert_eq!(unpacked_bytes(&packed), bytes);
                assert_eq!(unpack(&packed).as_ref(), Ok(&body), "{bytes} bytes");
            }
        }
        assert!(unpack(&pack(&noise(700))[..40]).is_err(), "what is cut off is damaged");
    }
}
