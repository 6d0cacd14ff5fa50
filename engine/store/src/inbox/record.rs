//! One record of the log, as bytes: a checksum over everything, its place in the log, and a receipt or a mark.
//!
//! ```text
//! magic 4 | checksum 4 | position 8 | length of what follows 4 | kind 1 | ...
//! receipt:  number 8 | received at, microseconds since 1970 8 | length of source 1, source | length of trace 1, trace | body
//! mark:     all receipts up to this are done 8 | highest number given 8 | one that is done in part 8, how far 4
//! ```
//!
//! Numbers are little-endian.

use std::io::Write as _;

use jiff::Timestamp;

const MAGIC: [u8; 4] = *b"shi1";
/// Bytes before the kind.
const HEAD: usize = 20;

/// What one record says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Receipt(Receipt),
    Mark(Mark),
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Receipt {
    pub(crate) number: i64,
    pub(crate) received_at: Timestamp,
    pub(crate) source: String,
    pub(crate) trace: String,
    pub(crate) body: Vec<u8>,
}

/// How far the receipts are expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mark {
    /// All receipts up to this number are done.
    pub(super) through: i64,
    /// The highest number that was ever given.
    pub(super) highest: i64,
    /// A receipt after `through` that is done in part, and how many of its alerts are.
    pub(super) partial: (i64, u32),
}

/// Appends a receipt's record to `buffer`.
pub(super) fn write_receipt(
    buffer: &mut Vec<u8>,
    position: u64,
    number: i64,
    receipt: &selfheal_runtime::ports::journal::NewReceipt,
) {
    record(buffer, position, 0, |buffer| {
        buffer.extend(number.to_le_bytes());
        buffer.extend(receipt.received_at.as_microsecond().to_le_bytes());
        text(buffer, receipt.source);
        text(buffer, &receipt.trace);
        buffer.extend_from_slice(&receipt.body);
    });
}

/// Appends a mark's record to `buffer`.
pub(super) fn write_mark(buffer: &mut Vec<u8>, position: u64, mark: &Mark) {
    record(buffer, position, 1, |buffer| {
        buffer.extend(mark.through.to_le_bytes());
        buffer.extend(mark.highest.to_le_bytes());
        buffer.extend(mark.partial.0.to_le_bytes());
        buffer.extend(mark.partial.1.to_le_bytes());
    });
}

/// The bytes that a receipt's record takes.
pub(super) fn receipt_bytes(receipt: &selfheal_runtime::ports::journal::NewReceipt) -> usize {
    HEAD + 1 + 16 + 2 + short(receipt.source).len() + short(&receipt.trace).len() + receipt.body.len()
}

/// The bytes that a mark's record takes.
pub(super) const MARK_BYTES: usize = HEAD + 1 + 28;

/// Sources and traces are short; what is longer than a length of one byte can say is cut.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(usize::from(u8::MAX))]
}

fn text(buffer: &mut Vec<u8>, text: &str) {
    let text = short(text);
    buffer.push(u8::try_from(text.len()).expect("it was cut to what fits"));
    buffer.extend_from_slice(text.as_bytes());
}

fn record(buffer: &mut Vec<u8>, position: u64, kind: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend(MAGIC);
    buffer.extend([0; 4]);
    buffer.extend(position.to_le_bytes());
    buffer.extend([0; 4]);
    buffer.push(kind);
    content(buffer);
    let length = u32::try_from(buffer.len() - start - HEAD).expect("bodies are bounded far below 4 GiB");
    let mut at = &mut buffer[start + 16..start + HEAD];
    at.write_all(&length.to_le_bytes()).expect("the place is there");
    let checksum = crc32fast::hash(&buffer[start + 8..]);
    buffer[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the record at the beginning of `bytes`: its place in the log, what it says, how many bytes it takes. `None` where
/// there is none: the end of what was written, or damage.
pub(super) fn read(bytes: &[u8]) -> Option<(u64, Entry, usize)> {
    let head = bytes.get(..HEAD)?;
    let length = usize::try_from(u32::from_le_bytes(head[16..].try_into().ok()?)).ok()?;
    let end = HEAD.checked_add(length)?;
    let record = bytes.get(..end)?;
    let checksum = u32::from_le_bytes(record[4..8].try_into().ok()?);
    if record[..4] != MAGIC || crc32fast::hash(&record[8..]) != checksum {
        return None;
    }
    let position = u64::from_le_bytes(record[8..16].try_into().ok()?);
    let mut rest = Rest(&record[HEAD..]);
    let entry = match rest.take(1)?[0] {
        0 => Entry::Receipt(Receipt {
            number: rest.number()?,
            received_at: Timestamp::from_microsecond(rest.number()?).ok()?,
            source: rest.text()?,
            trace: rest.text()?,
            body: rest.0.to_vec(),
        }),
        1 => Entry::Mark(Mark {
            through: rest.number()?,
            highest: rest.number()?,
            partial: (rest.number()?, u32::from_le_bytes(rest.take(4)?.try_into().ok()?)),
        }),
        _ => return None,
    };
    Some((position, entry, end))
}

/// What is left to be read of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(self.take(1)?[0]);
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use selfheal_runtime::ports::journal::NewReceipt;

    use super::*;

    fn both() -> Vec<u8> {
        let receipt = NewReceipt {
            received_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
            source: "alertmanager",
            trace: "ab".repeat(16),
            body: vec![7; 100],
        };
        let mut buffer = Vec::new();
        write_receipt(&mut buffer, 5, 42, &receipt);
        assert_eq!(buffer.len(), receipt_bytes(&receipt));
        let before = buffer.len();
        write_mark(&mut buffer, 6, &Mark { through: 41, highest: 42, partial: (42, 3) });
        assert_eq!(buffer.len() - before, MARK_BYTES);
        buffer
    }

    #[test]
    fn what_is_written_reads_back() {
        let buffer = both();
        let (position, entry, length) = read(&buffer).unwrap();
        let Entry::Receipt(receipt) = entry else { panic!("{entry:?}") };
        assert_eq!((position, receipt.number, receipt.source.as_str()), (5, 42, "alertmanager"));
        assert_eq!((receipt.trace.len(), receipt.body.len()), (32, 100));
        assert_eq!(receipt.received_at.as_microsecond(), 1_700_000_000_000_001);
        let mark = Mark { through: 41, highest: 42, partial: (42, 3) };
        assert_eq!(read(&buffer[length..]), Some((6, Entry::Mark(mark), MARK_BYTES)));
        assert_eq!(read(&[0; 64]), None);
    }

    #[test]
    fn every_damaged_or_missing_byte_is_found() {
        let buffer = both();
        let whole = read(&buffer).unwrap().2;
        for at in 0..whole {
            let mut damaged = buffer.clone();
            damaged[at] ^= 0x10;
            assert_eq!(read(&damaged), None, "byte {at}");
            assert_eq!(read(&buffer[..at]), None, "cut at {at}");
        }
    }
}
