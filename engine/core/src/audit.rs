//! The audit chain: every record of the journal has a link, and every link holds the hash of the one before it, so that
//! who alters, removes, swaps or cuts something must make all later links anew, and is found out by any head that was
//! noted elsewhere. Here is the arithmetic alone; the stores write the links, PostgreSQL by the same arithmetic in SQL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;

/// What each kind of hash begins with, so that none can pass for another.
const RECORD: &[u8] = b"selfheal record 1";
const LINK: &[u8] = b"selfheal link 1";
const CHAIN: &[u8] = b"selfheal chain 1";
/// Findings that are named one by one; the others are counted.
const FINDINGS_MAX: usize = 1000;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgot {
    /// How many that have a link.
    pub records: u64,
    /// The time of the newest of them, in microseconds since 1970.
    pub through_micros: i64,
}

impl Forgot {
    /// The kind of such a record. It is itself never forgotten.
    pub const KIND: &'static str = "forgot";
}

/// What is found where a link says that a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its hash, computed from what is stored.
    pub content: ContentHash,
    /// What it says about records that were forgotten.
    pub forgot: Option<Forgot>,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A record is not what was linked.
    #[error("record {record}, link {seq}: it was altered after it was written")]
    Altered {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
    },
    /// Two links have each other's content.
    #[error("links {seq} and {other}: they were swapped")]
    Swapped {
        /// One link.
        seq: u64,
        /// The other.
        other: u64,
    },
    /// A record is not there, and nothing says that it was forgotten.
    #[error("record {record}, link {seq}: it was removed, and not by retention")]
    Removed {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
    },
    /// More is missing than was forgotten.
    #[error("{missing} records are missing and retention has forgotten {forgotten}: the others were removed")]
    MoreRemoved {
        /// Records that are not there.
        missing: u64,
        /// Records that were forgotten, as far as the journal says.
        forgotten: u64,
    },
    /// Links are not there.
    #[error("links {from} to {to}: they were removed")]
    LinksRemoved {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A link does not follow from the one before it.
    #[error("link {seq}: it does not follow from the one before; it was altered, put in or moved")]
    Broken {
        /// The link.
        seq: u64,
    },
    /// The chain ends before a head that it once had.
    #[error("the chain ends at link {end} and had a link {}: its end was cut off", known.seq)]
    Cut {
        /// Its last link.
        end: u64,
        /// The head that it had.
        known: Head,
    },
    /// The chain goes through another link than the one that was its head.
    #[error("link {} was {} when it was noted, and is another: the chain was made anew", known.seq, known.hash)]
    Rechained {
        /// The head that it had.
        known: Head,
    },
    /// Records have no link.
    #[error("{records} records have no link: they were put in, or their links were cut off")]
    Unlinked {
        /// How many.
        records: u64,
    },
}

/// What a look at the whole chain has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Where the chain ends.
    pub head: Head,
    /// Its links.
    pub links: u64,
    /// Records that retention has forgotten: their links are there.
    pub forgotten: u64,
    /// What is wrong, in the order of the chain.
    pub findings: Vec<Finding>,
    /// How many more findings there are, beside the thousand that are named.
    pub more: u64,
}

/// Goes over a chain, link by link.
pub struct Verifier {
    start: Head,
    known: Vec<Head>,
    last: Head,
    links: u64,
    /// Records that are not there and that no later record covers yet.
    missing: Vec<Link>,
    absent: u64,
    forgotten: u64,
    /// Where a record is not what was linked: the link and what was found.
    altered: Vec<(Link, ContentHash)>,
    findings: Vec<(u64, Finding)>,
    more: u64,
}

impl Verifier {
    /// For a chain of the records from number `first` on. `known` are heads that it had: the one that the journal itself
    /// says, and those that were noted where nobody could alter them.
    pub fn new(first: i64, known: Vec<Head>) -> Self {
        let start = Head::start(first);
        Self {
            start,
            known,
            last: start,
            links: 0,
            missing: Vec::new(),
            absent: 0,
            forgotten: 0,
            altered: Vec::new(),
            findings: Vec::new(),
            more: 0,
        }
    }

    /// Takes the next link, in the order of their numbers, with what is found where its record was.
    pub fn take(&mut self, link: Link, found: Option<Found>) {
        let expected = self.last.seq + 1;
        if link.seq > expected {
            self.find(expected, Finding::LinksRemoved { from: expected, to: link.seq - 1 });
        }
        let before = Head { seq: link.seq.saturating_sub(1), hash: self.last.hash };
        // After a gap nothing can be said of the first link; the gap is.
        if link.seq <= expected && before.link(link.record, link.at_micros, link.content) != link {
            self.find(link.seq, Finding::Broken { seq: link.seq });
        }
        let known = self.known.iter().find(|known| known.seq == link.seq && known.hash != link.hash).copied();
        if let Some(known) = known {
            self.find(link.seq, Finding::Rechained { known });
        }
        self.last = link.head();
        self.links += 1;
        match found {
            None => {
                self.absent += 1;
                self.missing.push(link);
            }
            Some(found) if found.content != link.content => {
                if self.altered.len() < FINDINGS_MAX {
                    self.altered.push((link, found.content));
                } else {
                    self.more += 1;
                }
            }
            Some(Found { forgot: Some(Forgot { records, through_micros }), .. }) => {
                self.forgotten += records;
                self.missing.retain(|missing| missing.at_micros > through_micros);
            }
            Some(_) => {}
        }
    }

    /// Ends with how many of the journal's records have no link.
    pub fn end(mut self, unlinked: u64) -> Verified {
        for link in std::mem::take(&mut self.missing) {
            self.find(link.seq, Finding::Removed { seq: link.seq, record: link.record });
        }
        if self.absent > self.forgotten {
            let finding = Finding::MoreRemoved { missing: self.absent, forgotten: self.forgotten };
            self.find(u64::MAX, finding);
        }
        self.tell_altered();
        let known = self.known.iter().copied().max_by_key(|head| head.seq);
        if let Some(known) = known.filter(|known| known.seq > self.last.seq) {
            self.find(u64::MAX, Finding::Cut { end: self.last.seq, known });
        }
        let start = self.start;
        let otherwise = self.known.iter().find(|known| known.seq == 0 && **known != start).copied();
        if let Some(known) = otherwise {
            self.find(0, Finding::Rechained { known });
        }
        if unlinked > 0 {
            self.find(u64::MAX, Finding::Unlinked { records: unlinked });
        }
        self.findings.sort_by_key(|(seq, _)| *seq);
        Verified {
            head: self.last,
            links: self.links,
            forgotten: self.absent.min(self.forgotten),
            findings: self.findings.into_iter().map(|(_, finding)| finding).collect(),
            more: self.more,
        }
    }

    /// Two records that stand for each other were swapped; the others were altered.
    fn tell_altered(&mut self) {
        let mut altered = std::mem::take(&mut self.altered);
        while !altered.is_empty() {
            let (link, found) = altered.remove(0);
            let other = altered
                .iter()
                .position(|(other, instead)| other.content == found && *instead == link.content);
            let finding = match other {
                Some(place) => Finding::Swapped { seq: link.seq, other: altered.remove(place).0.seq },
                None => Finding::Altered { seq: link.seq, record: link.record },
            };
            self.find(link.seq, finding);
        }
    }

    fn find(&mut self, seq: u64, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push((seq, finding));
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
