//! The audit chain: every record of the journal has a link, and every link holds the hash of the one before it, so that
//! who alters, removes, swaps or cuts something must make all later links anew, and is found out by any head that was
//! noted elsewhere. Here is the arithmetic alone; the stores write the links, PostgreSQL by the same arithmetic in SQL.
//!
//! `checkpoint` signs where a chain ends and what retention forgets, with a key that whoever can write the journal need not
//! have; `numbers` says which records those are; `verify` goes over all of it.

mod checkpoint;
mod numbers;
mod verify;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;

pub use checkpoint::{Checkpoint, KEY_BYTES_MIN, Key, NotACheckpoint, ShortKey};
pub use numbers::{NotNumbers, Numbers};
pub use verify::{Finding, Found, Says, Verified, Verifier};

/// What each kind of hash begins with, so that none can pass for another.
const RECORD: &[u8] = b"selfheal record 1";
const LINK: &[u8] = b"selfheal link 1";
const CHAIN: &[u8] = b"selfheal chain 1";

/// One record as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its number in the journal.
    pub id: i64,
    /// The issue, if it is about one.
    pub issue: Option<i64>,
    /// With the issue, the remediation.
    pub ordinal: Option<i64>,
    /// When, in microseconds since 1970.
    pub at_micros: i64,
    /// What happened.
    pub kind: &'a str,
    /// Who did it.
    pub actor: &'a str,
    /// One sentence.
    pub summary: &'a str,
    /// All facts, as the very text that is stored.
    pub facts: Option<&'a str>,
}

impl Stored<'_> {
    /// The hash of everything in it. The character with the number 0 counts as its replacement, U+FFFD, since PostgreSQL
    /// stores it so.
    pub fn content(&self) -> ContentHash {
        let mut bytes = RECORD.to_vec();
        put_number(&mut bytes, Some(self.id));
        put_number(&mut bytes, self.issue);
        put_number(&mut bytes, self.ordinal);
        put_number(&mut bytes, Some(self.at_micros));
        put_text(&mut bytes, Some(self.kind));
        put_text(&mut bytes, Some(self.actor));
        put_text(&mut bytes, Some(self.summary));
        put_text(&mut bytes, self.facts);
        ContentHash::of_bytes(&bytes)
    }
}

/// A zero for nothing; a one and eight bytes for a number, the highest first.
fn put_number(bytes: &mut Vec<u8>, number: Option<i64>) {
    match number {
        None => bytes.push(0),
        Some(number) => {
            bytes.push(1);
            bytes.extend(number.to_be_bytes());
        }
    }
}

/// A zero for nothing; a two, the length in bytes as eight bytes, and the text in UTF-8.
fn put_text(bytes: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else { return bytes.push(0) };
    let text = text.replace('\0', "\u{fffd}");
    bytes.push(2);
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Where a chain ends: as text, the number of its last link, a colon and that link's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last link; 0 for a chain without any.
    pub seq: u64,
    /// Its hash.
    pub hash: ContentHash,
}

impl Head {
    /// The head of a chain without links, for records from number `first` on.
    pub fn start(first: i64) -> Self {
        let bytes = [CHAIN, &first.to_be_bytes()].concat();
        Self { seq: 0, hash: ContentHash::of_bytes(&bytes) }
    }

    /// The next link: of the record `record` from `at_micros` with this content.
    pub fn link(self, record: i64, at_micros: i64, content: ContentHash) -> Link {
        let seq = self.seq + 1;
        let mut bytes = LINK.to_vec();
        bytes.extend(self.hash.bytes());
        bytes.extend(seq.to_be_bytes());
        bytes.extend(record.to_be_bytes());
        bytes.extend(at_micros.to_be_bytes());
        bytes.extend(content.bytes());
        Link { seq, record, at_micros, content, hash: ContentHash::of_bytes(&bytes) }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no head.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected the number of a link, a colon and 64 hexadecimal digits, as `selfheal audit head` prints them"
)]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (seq, hash) = text.trim().split_once(':').ok_or(NotAHead)?;
        Ok(Self { seq: seq.parse().map_err(|_| NotAHead)?, hash: hash.parse().map_err(|_| NotAHead)? })
    }
}

/// One link, as it is stored. It stays when its record is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// The number of its record.
    pub record: i64,
    /// When the record was made, in microseconds since 1970.
    pub at_micros: i64,
    /// The hash of the record.
    pub content: ContentHash,
    /// The hash of all this and of the link before it.
    pub hash: ContentHash,
}

impl Link {
    /// The head of a chain that ends here.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

/// The facts of a record that says that records were forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgot {
    /// Those that have a link.
    pub records: Numbers,
    /// Says, where there is a key, that it was retention that forgot them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Checkpoint>,
}

impl Forgot {
    /// The kind of such a record. It is itself never forgotten.
    pub const KIND: &'static str = "forgot";

    /// Records that are forgotten after the chain had this head.
    pub fn of(records: Numbers, head: Head, key: Option<&Key>) -> Self {
        let signed = key.map(|key| key.sign(head, &records));
        Self { records, signed }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
