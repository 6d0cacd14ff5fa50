//! What the client library's errors mean for the next step, in words that tell an operator what to do.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use selfheal_contract::Failure;

use crate::text::plain;

/// Whether what was sent could have changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It only reads.
    Read,
    /// It may have changed something once it was sent.
    Change,
}

/// What an error says about what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The login, the encryption or the rights are wrong.
    Denied,
    /// A broker said no.
    Refused,
    /// A broker said not now.
    Later,
    /// There was no answer.
    Silence,
}

/// The library's code of an error, if it has one.
pub(crate) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        // The library leaves these two out of its own accessor.
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

fn meaning(code: RDKafkaErrorCode) -> Meaning {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication
        | Code::SSL
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => Meaning::Denied,
        Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotController
        | Code::RebalanceInProgress
        | Code::NotEnoughReplicas
        | Code::KafkaStorageError
        | Code::ThrottlingQuotaExceeded
        | Code::QueueFull => Meaning::Later,
        // It may have been done although the broker stopped waiting for it.
        Code::RequestTimedOut | Code::NotEnoughReplicasAfterAppend | Code::Unknown => Meaning::Silence,
        // Above 0 are the brokers' own codes, below it those of the library.
        other if other as i32 > 0 => Meaning::Refused,
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownGroup
        | Code::InvalidArgument
        | Code::UnsupportedFeature
        | Code::MessageSizeTooLarge => Meaning::Refused,
        _ => Meaning::Silence,
    }
}

/// A failure of an exchange with a cluster. `heard` is what the library said last about its connections.
pub(crate) fn exchange(
    cluster: &dyn fmt::Display,
    purpose: Purpose,
    error: &KafkaError,
    heard: Option<&str>,
) -> Failure {
    let Some(code) = code(error) else {
        return match error {
            // Its value may be a password.
            KafkaError::ClientConfig(_, problem, key, _) => {
                Failure::refused(format!("{cluster} cannot be used: {}: {}", plain(key), plain(problem)))
            }
            other => Failure::refused(format!("{cluster} cannot be asked: {}", plain(&other.to_string()))),
        };
    };
    of_code(cluster, purpose, code, heard)
}

/// A failure that is known by its code only.
pub(crate) fn of_code(
    cluster: &dyn fmt::Display,
    purpose: Purpose,
    code: RDKafkaErrorCode,
    heard: Option<&str>,
) -> Failure {
    let words = plain(&code.to_string());
    let heard = heard.map(|heard| format!(" ({})", plain(heard))).unwrap_or_default();
    match (meaning(code), purpose) {
        (Meaning::Denied, _) => Failure::refused(format!(
            "{cluster} does not accept or permit it: {words}{heard}; check `security`, `sasl` and `ca` of this cluster in \
             adapters.kafka.clusters, and the rights that the documentation of this action or probe names"
        )),
        (Meaning::Refused, _) => Failure::refused(format!("{cluster} refused: {words}")),
        (Meaning::Later, _) => Failure::transient(format!("{cluster} cannot do it now: {words}")),
        (Meaning::Silence, Purpose::Read) => Failure::transient(format!(
            "{cluster} gave no answer: {words}{heard}; check that its brokers run and `bootstrap` names them"
        )),
        (Meaning::Silence, Purpose::Change) => Failure::indeterminate(format!(
            "{cluster} was sent the change, and its answer did not come: {words}{heard}; look whether it happened"
        )),
    }
}

#[cfg(test)]
mod tests {
    use selfheal_contract::FailureKind;

    use super::*;

    #[test]
    fn errors_have_one_meaning() {
        use FailureKind::{Indeterminate, Refused, Transient};
        use RDKafkaErrorCode as Code;
        let cases = [
            (Code::BrokerTransportFailure, Transient, Indeterminate),
            (Code::OperationTimedOut, Transient, Indeterminate),
            (Code::AllBrokersDown, Transient, Indeterminate),
            (Code::RequestTimedOut, Transient, Indeterminate),
            (Code::Unknown, Transient, Indeterminate),
            (Code::NotController, Transient, Transient),
            (Code::CoordinatorLoadInProgress, Transient, Transient),
            (Code::UnknownTopicOrPartition, Refused, Refused),
            (Code::UnknownTopic, Refused, Refused),
            (Code::InvalidPartitions, Refused, Refused),
            (Code::InvalidConfig, Refused, Refused),
            (Code::PolicyViolation, Refused, Refused),
            (Code::TopicAuthorizationFailed, Refused, Refused),
            (Code::Authentication, Refused, Refused),
        ];
        for (code, read, change) in cases {
            for (purpose, expected) in [(Purpose::Read, read), (Purpose::Change, change)] {
                let failure = of_code(&"the kafka cluster \"x\"", purpose, code, None);
                assert_eq!(failure.kind, expected, "{code:?} {purpose:?}: {failure}");
            }
        }
    }

    #[test]
    fn what_the_library_heard_is_told_and_a_value_is_not() {
        let silent =
            of_code(&"it", Purpose::Read, RDKafkaErrorCode::AllBrokersDown, Some("Connection refused"));
        assert!(silent.what.contains("(Connection refused)"), "{silent}");
        let config = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "no such thing".into(),
            "sasl.password".into(),
            "hunter2".into(),
        );
        let failure = exchange(&"it", Purpose::Read, &config, None);
        assert!(failure.what.contains("sasl.password") && !failure.what.contains("hunter2"), "{failure}");
    }
}
