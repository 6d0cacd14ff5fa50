//! Signed checkpoints: that a chain had a head, and what retention forgot after it, under a key that whoever can write the
//! journal need not have.
//!
//! HMAC-SHA-256 (RFC 2104): who verifies has the key with which selfheal signs. Signatures that can be verified without
//! being able to sign would be for outsiders, whom nobody has asked for.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Head, Numbers};
use crate::hash::ContentHash;

/// The fewest bytes of a key.
pub const KEY_BYTES_MIN: usize = 32;
/// What is hashed to name a key.
const NAME: &[u8] = b"selfheal key 1";
/// What everything that is signed begins with.
const CHECKPOINT: &[u8] = b"selfheal checkpoint 1";

/// What checkpoints are signed with. Shown by its name alone.
#[derive(Clone)]
pub struct Key {
    name: String,
    hmac: Hmac<Sha256>,
}

/// A key that could be guessed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a key needs at least {KEY_BYTES_MIN} characters, found {0}")]
pub struct ShortKey(usize);

impl Key {
    /// A key of at least [`KEY_BYTES_MIN`] bytes.
    ///
    /// # Errors
    /// It is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(ShortKey(secret.len()));
        }
        let hmac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        let mut name =
            ContentHash::from(<[u8; 32]>::from(hmac.clone().chain_update(NAME).finalize().into_bytes()))
                .to_string();
        name.truncate(8);
        Ok(Self { name, hmac })
    }

    /// By what a checkpoint says which key it is signed with: eight hexadecimal digits, from which the key cannot be told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Signs that the chain had a head, and that retention forgot these records after it.
    pub fn sign(&self, head: Head, forgotten: &Numbers) -> Checkpoint {
        let signature: [u8; 32] = self.hmac_of(head, forgotten).finalize().into_bytes().into();
        Checkpoint { head, key: self.name.clone(), signature: signature.into() }
    }

    fn hmac_of(&self, head: Head, forgotten: &Numbers) -> Hmac<Sha256> {
        self.hmac
            .clone()
            .chain_update(CHECKPOINT)
            .chain_update(head.seq.to_be_bytes())
            .chain_update(head.hash.bytes())
            .chain_update(forgotten.to_string())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// That a chain had a head, signed. As text, the head, the key's name and the signature, with colons between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The head.
    pub head: Head,
    /// The name of the key.
    pub key: String,
    /// The signature.
    pub signature: ContentHash,
}

/// What a signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Good,
    Forged,
    /// The key is none of those that are known.
    Unknown,
}

impl Checkpoint {
    /// The kind of a record whose facts are a checkpoint that forgets nothing. It is itself never forgotten.
    pub const KIND: &'static str = "checkpoint";

    /// Whether one of these keys has signed it, for a checkpoint that forgets nothing.
    pub fn is_signed_by(&self, keys: &[Key]) -> bool {
        self.signature(keys, &Numbers::default()) == Signature::Good
    }

    pub(super) fn signature(&self, keys: &[Key], forgotten: &Numbers) -> Signature {
        let mut named = keys.iter().filter(|key| key.name == self.key).peekable();
        if named.peek().is_none() {
            return Signature::Unknown;
        }
        let signs =
            |key: &Key| key.hmac_of(self.head, forgotten).verify_slice(self.signature.bytes()).is_ok();
        if named.any(signs) { Signature::Good } else { Signature::Forged }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.head, self.key, self.signature)
    }
}

/// A text that is no checkpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected a head, the name of a key and a signature with colons between, as `selfheal audit head` prints them"
)]
pub struct NotACheckpoint;

impl FromStr for Checkpoint {
    type Err = NotACheckpoint;

    fn from_str(text: &str) -> Result<Self, NotACheckpoint> {
        let (rest, signature) = text.trim().rsplit_once(':').ok_or(NotACheckpoint)?;
        let (head, key) = rest.rsplit_once(':').ok_or(NotACheckpoint)?;
        Ok(Self {
            head: head.parse().map_err(|_| NotACheckpoint)?,
            key: key.to_owned(),
            signature: signature.parse().map_err(|_| NotACheckpoint)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: u8) -> Key {
        Key::new(&[letter; KEY_BYTES_MIN]).unwrap()
    }

    #[test]
    fn what_is_signed_is_all_of_it() {
        let (head, some) = (Head::start(1), Numbers::from_iter([1, 2]));
        let (good, keys) = (key(b'a').sign(head, &some), [key(b'a'), key(b'b')]);
        let other = Head { seq: 1, ..head };
        let cases = [
            (good.clone(), &some, Signature::Good),
            (good.clone(), &Numbers::default(), Signature::Forged),
            (Checkpoint { head: other, ..good.clone() }, &some, Signature::Forged),
            (Checkpoint { signature: head.hash, ..good.clone() }, &some, Signature::Forged),
            (Checkpoint { key: key(b'b').name().to_owned(), ..good.clone() }, &some, Signature::Forged),
            (key(b'b').sign(head, &some), &some, Signature::Good),
            (key(b'c').sign(head, &some), &some, Signature::Unknown),
        ];
        for (checkpoint, forgotten, expected) in cases {
            assert_eq!(checkpoint.signature(&keys, forgotten), expected, "{checkpoint}");
        }
    }

    #[test]
    fn a_key_is_never_shown_and_never_short() {
        let shown = format!("{:?}", Key::new(b"hunter2hunter2hunter2hunter2hunter2").unwrap());
        assert!(!shown.contains("hunter2") && shown.len() == "Key(\"01234567\")".len(), "{shown}");
        assert_eq!(Key::new(b"hunter2").err(), Some(ShortKey(7)));
    }

    #[test]
    fn a_checkpoint_survives_its_text() {
        let checkpoint = key(b'a').sign(Head::start(1), &Numbers::default());
        assert_eq!(format!(" {checkpoint}\n").parse(), Ok(checkpoint.clone()));
        for text in ["", "17", &checkpoint.head.to_string(), "0:1:2:3"] {
            assert_eq!(text.parse::<Checkpoint>(), Err(NotACheckpoint), "{text}");
        }
    }
}
