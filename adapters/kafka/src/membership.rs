//! Which topics a member of a group reads: its assignment, as the classic protocol of consumers writes it.
//!
//! The bytes come from whoever joined the group, so every length is checked. The format: Apache Kafka,
//! `ConsumerProtocolAssignment.json`, versions 0 to 3: version, topics with their partitions, user data.

/// Topics that are read from one assignment.
const TOPICS_MAX: usize = 1_000;

/// The topics of an assignment with how many of their partitions are assigned; none where it cannot be read.
pub(crate) fn topics(assignment: &[u8]) -> Vec<(String, usize)> {
    let mut rest = assignment;
    let mut found = Vec::new();
    if take_i16(&mut rest).is_none() {
        return found;
    }
    let count = take_count(&mut rest).unwrap_or(0).min(TOPICS_MAX);
    for _ in 0..count {
        let Some((topic, partitions)) = topic(&mut rest) else { break };
        found.push((topic, partitions));
    }
    found
}

fn topic(rest: &mut &[u8]) -> Option<(String, usize)> {
    let length = usize::try_from(take_i16(rest)?).ok()?;
    let name = std::str::from_utf8(rest.split_off(..length)?).ok()?.to_owned();
    let partitions = take_count(rest)?;
    rest.split_off(..partitions.checked_mul(4)?)?;
    Some((name, partitions))
}

fn take_i16(rest: &mut &[u8]) -> Option<i16> {
    rest.split_off(..2)?.try_into().ok().map(i16::from_be_bytes)
}

fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let count = rest.split_off(..4)?.try_into().ok().map(i32::from_be_bytes)?;
    usize::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = 0_i16.to_be_bytes().to_vec();
        bytes.extend((topics.len() as i32).to_be_bytes());
        for (topic, partitions) in topics {
            bytes.extend((topic.len() as i16).to_be_bytes());
            bytes.extend(topic.as_bytes());
            bytes.extend((partitions.len() as i32).to_be_bytes());
            partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        bytes.extend((-1_i32).to_be_bytes());
        bytes
    }

    #[test]
    fn assignments_are_read() {
        let bytes = assignment(&[("orders", &[0, 1, 2]), ("refunds", &[7])]);
        let expected = vec![("orders".to_owned(), 3), ("refunds".to_owned(), 1)];
        assert_eq!(topics(&bytes), expected);
        assert_eq!(topics(&assignment(&[])), Vec::new());
    }

    #[test]
    fn what_is_cut_or_lies_about_its_lengths_gives_no_more_than_it_holds() {
        let bytes = assignment(&[("orders", &[0, 1, 2]), ("refunds", &[7])]);
        for end in 0..bytes.len() {
            assert!(topics(&bytes[..end]).len() <= 2, "{end}");
        }
        let mut huge = 0_i16.to_be_bytes().to_vec();
        huge.extend(i32::MAX.to_be_bytes());
        huge.extend(i16::MAX.to_be_bytes());
        assert_eq!(topics(&huge), Vec::new());
        assert_eq!(topics(&[0, 0, 255, 255, 255, 255]), Vec::new());
    }
}
