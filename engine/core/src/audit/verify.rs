//! Going over a chain, and what is found.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::checkpoint::Signature;
use super::{Checkpoint, Forgot, Head, Key, Link, Numbers};
use crate::hash::ContentHash;

/// Findings that are named one by one; the others are counted.
const FINDINGS_MAX: usize = 1000;
/// Links before its own that a checkpoint may be about: others are written between reading the head and signing it.
const BEHIND_MAX: usize = 1 << 18;
/// How long links may be without a signature over them, in microseconds: selfheal signs every hour while it serves.
const UNSIGNED_MAX: i64 = 3 * 3600 * 1_000_000;

/// What is found where a link says that a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its hash, computed from what is stored.
    pub content: ContentHash,
    /// What it says about the chain itself.
    pub says: Option<Says>,
}

/// What a record says about the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Records were forgotten.
    Forgot(Forgot),
    /// It had a head.
    Checkpoint(Checkpoint),
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
    /// A record is not there, and nothing that counts says that it was forgotten.
    #[error("record {record}, link {seq}: it was removed, and not by retention")]
    Removed {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
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
    /// A signature is not by the key that it names.
    #[error("record {record}, link {seq}: its signature is not by key {key}: it was forged")]
    Forged {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
        /// The name of the key.
        key: String,
    },
    /// A signature is by a key that is not known.
    #[error(
        "record {record}, link {seq}: it is signed by key {key}, which is neither audit.key nor among audit.old_keys: it \
         counts for nothing"
    )]
    UnknownKey {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
        /// The name of the key.
        key: String,
    },
    /// A record that says that others were forgotten is not signed, and those before it were.
    #[error(
        "record {record}, link {seq}: it says that records were forgotten and is not signed: somebody put it in, or selfheal \
         served without audit.key"
    )]
    Unsigned {
        /// The link.
        seq: u64,
        /// The record.
        record: i64,
    },
    /// A table says of a remediation what the record of its end does not.
    #[error(
        "{remediation}: its {what} is another than in the record of its end: the table of remediations was altered"
    )]
    Contradicted {
        /// The remediation.
        remediation: String,
        /// The column.
        what: &'static str,
    },
    /// A remediation is not there, and the record of its end is.
    #[error(
        "{remediation}: there is a record of its end, and it is in no table: it was removed, and not by retention"
    )]
    RemediationRemoved {
        /// The remediation.
        remediation: String,
    },
    /// An issue is not there, and records of it are.
    #[error("{issue}: there are records of it, and it is not there: it was removed, and not by retention")]
    IssueRemoved {
        /// The issue.
        issue: String,
    },
    /// No signature is over the last links.
    #[error(
        "links {from} to {to}: no signature is over them: the chain was made anew from there on, or selfheal served without \
         audit.key"
    )]
    SignatureMissing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
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
    /// The last link that a good signature is over; 0 when there is none, or signatures were not looked at.
    pub signed: u64,
    /// What is wrong, in the order of the chain.
    pub findings: Vec<Finding>,
    /// How many more findings there are, beside the thousand that are named.
    pub more: u64,
}

impl Verified {
    /// Adds what was found beside the chain.
    pub fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

/// A link that was passed.
#[derive(Clone, Copy)]
struct Passed {
    head: Head,
    at_micros: i64,
}

/// Goes over a chain, link by link.
pub struct Verifier {
    start: Head,
    known: Vec<Head>,
    /// None where signatures are not looked at.
    keys: Vec<Key>,
    last: Head,
    links: u64,
    /// The last links, for checkpoints that are about them.
    passed: VecDeque<Passed>,
    /// The last link under a good signature, if there is one; 0 for one over the start, before there was any link.
    signed: Option<u64>,
    /// The time of the first link after it.
    unsigned_since: Option<i64>,
    /// Records that are not there and that no later record covers yet, by their number.
    missing: BTreeMap<i64, u64>,
    forgotten: u64,
    /// Where a record is not what was linked: the link and what was found.
    altered: Vec<(Link, ContentHash)>,
    findings: Vec<(u64, Finding)>,
    more: u64,
}

impl Verifier {
    /// For a chain of the records from number `first` on. `known` are heads that it had: the one that the journal itself
    /// says, and those that were noted where nobody could alter them. Without keys, signatures are not looked at, and
    /// whatever says that records were forgotten is believed.
    pub fn new(first: i64, known: Vec<Head>, keys: Vec<Key>) -> Self {
        let start = Head::start(first);
        Self {
            start,
            known,
            keys,
            last: start,
            links: 0,
            passed: VecDeque::new(),
            signed: None,
            unsigned_since: None,
            missing: BTreeMap::new(),
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
        let mut signs = false;
        match found {
            None => drop(self.missing.insert(link.record, link.seq)),
            Some(found) if found.content != link.content => {
                if self.altered.len() < FINDINGS_MAX {
                    self.altered.push((link, found.content));
                } else {
                    self.more += 1;
                }
            }
            Some(Found { says: Some(says), .. }) => signs = self.hear(&link, says),
            Some(_) => {}
        }
        self.pass(&link, signs);
    }

    /// A link that only says that those before it are signed needs no signature before long: it alone is nothing new.
    fn pass(&mut self, link: &Link, signs: bool) {
        if self.keys.is_empty() {
            return;
        }
        if self.passed.len() == BEHIND_MAX {
            self.passed.pop_front();
        }
        self.passed.push_back(Passed { head: link.head(), at_micros: link.at_micros });
        if !signs {
            self.unsigned_since.get_or_insert(link.at_micros);
        }
    }

    /// Gives whether it is a good checkpoint.
    fn hear(&mut self, link: &Link, says: Says) -> bool {
        match says {
            Says::Checkpoint(checkpoint) => return self.is_good(link, &checkpoint, &Numbers::default()),
            Says::Forgot(Forgot { records, signed: None }) => {
                // Those from before the first signature are as good as the chain, which that signature is over.
                if self.signed.is_some() {
                    self.find(link.seq, Finding::Unsigned { seq: link.seq, record: link.record });
                } else {
                    self.excuse(&records);
                }
            }
            Says::Forgot(Forgot { records, signed: Some(checkpoint) }) => {
                if self.keys.is_empty() || self.is_good(link, &checkpoint, &records) {
                    self.excuse(&records);
                }
            }
        }
        false
    }

    fn excuse(&mut self, forgotten: &Numbers) {
        for range in forgotten.ranges() {
            while let Some((record, _)) = self.missing.range(range.clone()).next() {
                let record = *record;
                self.missing.remove(&record);
                self.forgotten += 1;
            }
        }
    }

    /// Whether a signature counts; if so, it is over all links up to the head that it is about.
    fn is_good(&mut self, link: &Link, checkpoint: &Checkpoint, forgotten: &Numbers) -> bool {
        let (seq, record, head) = (link.seq, link.record, checkpoint.head);
        if self.keys.is_empty() {
            return false;
        }
        match checkpoint.signature(&self.keys, forgotten) {
            Signature::Good => {}
            Signature::Forged => {
                self.find(seq, Finding::Forged { seq, record, key: checkpoint.key.clone() });
                return false;
            }
            Signature::Unknown => {
                self.find(seq, Finding::UnknownKey { seq, record, key: checkpoint.key.clone() });
                return false;
            }
        }
        // What was taken from a later time of the chain, or from another chain, is found where that link is to be.
        if head.seq >= seq {
            self.known.push(head);
            return false;
        }
        let after = self.passed.partition_point(|passed| passed.head.seq <= head.seq);
        let before = after.checked_sub(1).and_then(|place| self.passed.get(place)).map(|passed| passed.head);
        let Some(stands) = before.or(Some(self.start)).filter(|stands| stands.seq == head.seq) else {
            return false;
        };
        if stands != head {
            self.find(head.seq, Finding::Rechained { known: head });
            return false;
        }
        if self.signed.is_none_or(|signed| head.seq > signed) {
            self.signed = Some(head.seq);
            self.unsigned_since = self.passed.get(after).map(|passed| passed.at_micros);
        }
        true
    }

    /// Ends with how many of the journal's records have no link.
    pub fn end(mut self, unlinked: u64) -> Verified {
        for (record, seq) in std::mem::take(&mut self.missing) {
            self.find(seq, Finding::Removed { seq, record });
        }
        self.tell_altered();
        self.tell_unsigned();
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
            forgotten: self.forgotten,
            signed: self.signed.unwrap_or_default(),
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

    /// A chain is signed from its first link on, where there was a key from the beginning, and its end before long.
    fn tell_unsigned(&mut self) {
        let (Some(since), Some(last)) = (self.unsigned_since, self.passed.back()) else { return };
        if self.signed.is_none() || last.at_micros.saturating_sub(since) > UNSIGNED_MAX {
            let (from, to) = (self.signed.unwrap_or_default() + 1, self.last.seq);
            self.find(from, Finding::SignatureMissing { from, to });
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
