//! The identity of an alert: the same number Prometheus and Alertmanager compute from its labels, so that
//! what people see there and here can be compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// FNV-1a's offset basis and prime for 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
const OFFSET: u64 = 14_695_981_039_346_656_037;
const PRIME: u64 = 1_099_511_628_211;

/// What Prometheus puts after each name and each value: a byte that UTF-8 never contains.
const SEPARATOR: u8 = 0xff;

/// Identifies an alert by its labels; written as 16 lower-case hexadecimal digits.
///
/// The algorithm is Prometheus' `model.LabelSet.Fingerprint` (prometheus/common, `model/signature.go`): FNV-1a over the
/// names and values in bytewise order of the names. It is not collision resistant against an attacker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of labels that come in bytewise order of their names.
    pub(super) fn of<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut sum = OFFSET;
        let mut add = |byte: u8| sum = (sum ^ u64::from(byte)).wrapping_mul(PRIME);
        for (name, value) in labels {
            for part in [name, value] {
                part.bytes().for_each(&mut add);
                add(SEPARATOR);
            }
        }
        Self(sum)
    }
}

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no fingerprint: expected 16 hexadecimal digits, such as \"96468a65712ade25\"")]
pub struct FingerprintFault(Box<str>);

impl FromStr for Fingerprint {
    type Err = FingerprintFault;

    fn from_str(text: &str) -> Result<Self, FingerprintFault> {
        let fault = || FingerprintFault(text.chars().take(64).collect::<String>().into());
        // `from_str_radix` alone would take a sign.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(fault());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| fault())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Fingerprint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fingerprint of 16 hexadecimal digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Fingerprint, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;

    #[test]
    fn is_what_prometheus_computes() {
        // The last three are from captured notifications (tests/samples).
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "cbf29ce484222325"),
            (
                &[
                    ("alertname", "PredatorHighErrorRate"),
                    ("app", "predator-backend"),
                    ("namespace", "default"),
                    ("rollout", "predator-backend"),
                    ("severity", "critical"),
                ],
                "96468a65712ade25",
            ),
            (
                &[
                    ("topic", "email.sent"),
                    ("severity", "warning"),
                    ("namespace", "production"),
                    ("consumergroup", "email-service-group"),
                    ("alertname", "KafkaConsumerLag"),
                ],
                "029821de65d32d7f",
            ),
            (
                &[
                    ("alertname", "KafkaConsumerLag"),
                    ("consumergroup", "g3"),
                    ("namespace", "production"),
                    ("severity", "warning"),
                    ("topic", "t3"),
                ],
                "6be8a986c289e17e",
            ),
        ];
        for (pairs, expected) in cases {
            let labels: Labels = pairs.iter().copied().collect();
            assert_eq!(labels.fingerprint().to_string(), *expected, "{labels:?}");
        }
    }

    #[test]
    fn reads_and_writes_its_text() {
        let cases = [
            ("029821de65d32d7f", Some(0x0298_21de_65d3_2d7f)),
            ("029821DE65D32D7F", Some(0x0298_21de_65d3_2d7f)),
            ("0000000000000000", Some(0)),
            ("ffffffffffffffff", Some(u64::MAX)),
            ("", None),
            ("29821de65d32d7f", None),
            ("+29821de65d32d7f", None),
            ("0029821de65d32d7f", None),
            ("g29821de65d32d7f", None),
            ("äöüäöüäö", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Fingerprint>().ok(), expected.map(Fingerprint), "{text:?}");
            let json: Result<Fingerprint, _> = serde_json::from_value(text.into());
            assert_eq!(json.ok(), expected.map(Fingerprint), "{text:?}");
        }
        assert_eq!(serde_json::to_string(&Fingerprint(7)).unwrap(), r#""0000000000000007""#);
    }
}
