//! What names of topics, groups and configuration keys look like: they come from labels, and so from strangers.

use selfheal_contract::Failure;

use crate::text::quoted;

/// Characters of a topic's name (Kafka, `org.apache.kafka.common.internals.Topic`).
const TOPIC_CHARS_MAX: usize = 249;

/// Bytes of a group's name. Kafka takes more; a label that long is a mistake or an attack.
const GROUP_BYTES_MAX: usize = 255;

/// Characters of the longest key that a topic's configuration has, with room to spare.
const KEY_CHARS_MAX: usize = 100;

/// Bytes of a configuration's value.
const VALUE_BYTES_MAX: usize = 1024;

/// What is wrong with a topic's name, if anything.
pub(crate) fn topic_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let valid =
        (1..=TOPIC_CHARS_MAX).contains(&name.len()) && name.chars().all(fits) && name != "." && name != "..";
    (!valid).then(|| {
        format!(
            "{} is no name of a topic; expected 1 to {TOPIC_CHARS_MAX} letters, digits, dots, dashes or underscores",
            quoted(name)
        )
    })
}

/// What is wrong with a group's name, if anything.
pub(crate) fn group_fault(name: &str) -> Option<String> {
    let valid = (1..=GROUP_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    (!valid).then(|| {
        format!(
            "{} is no name of a consumer group; expected 1 to {GROUP_BYTES_MAX} bytes without control characters",
            quoted(name)
        )
    })
}

/// What is wrong with a key of a topic's configuration, if anything.
pub(crate) fn key_fault(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let valid = (1..=KEY_CHARS_MAX).contains(&name.len()) && name.chars().all(fits);
    (!valid).then(|| {
        format!("{} is no key of a topic's configuration; expected one such as retention.ms", quoted(name))
    })
}

/// Checks a topic's name.
pub(crate) fn topic(name: &str) -> Result<(), Failure> {
    topic_fault(name).map_or(Ok(()), |fault| Err(Failure::refused(fault)))
}

/// Checks a group's name.
pub(crate) fn group(name: &str) -> Result<(), Failure> {
    group_fault(name).map_or(Ok(()), |fault| Err(Failure::refused(fault)))
}

/// Checks a key of a topic's configuration.
pub(crate) fn key(name: &str) -> Result<(), Failure> {
    key_fault(name).map_or(Ok(()), |fault| Err(Failure::refused(fault)))
}

/// Checks the form of a configuration's value; whether it fits its key, the broker says.
pub(crate) fn value(text: &str) -> Result<(), Failure> {
    if text.is_empty()
        || text.len() > VALUE_BYTES_MAX
        || text.trim() != text
        || text.chars().any(char::is_control)
    {
        return Err(Failure::refused(format!(
            "{} is no value; expected 1 to {VALUE_BYTES_MAX} bytes without control characters and surrounding spaces",
            quoted(text)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(250);
        let topics = [
            ("orders", true),
            ("orders.v1_x-y", true),
            ("__consumer_offsets", true),
            (&long[..249], true),
            (&long, false),
            ("", false),
            (".", false),
            ("..", false),
            ("../etc", false),
            ("orders\0x", false),
            ("bestellungen-ü", false),
            ("a b", false),
        ];
        for (name, valid) in topics {
            assert_eq!(topic(name).is_ok(), valid, "{name:?}");
        }
        let groups = [("workers", true), ("a b/c", true), ("", false), ("a\nb", false), ("a\0", false)];
        for (name, valid) in groups {
            assert_eq!(group(name).is_ok(), valid, "{name:?}");
        }
        for (name, valid) in [("retention.ms", true), ("Retention", false), ("a=b", false), ("", false)] {
            assert_eq!(key(name).is_ok(), valid, "{name:?}");
        }
        for (text, valid) in
            [("604800000", true), ("compact,delete", true), ("", false), (" 1", false), ("1\n", false)]
        {
            assert_eq!(value(text).is_ok(), valid, "{text:?}");
        }
    }
}
