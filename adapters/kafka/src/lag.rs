//! How far a group lags behind: pure sums over offsets that were read elsewhere.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Partitions that a reading names one by one, those with the most lag first.
pub(crate) const NAMED_MAX: usize = 200;

/// One partition: its topic and number.
pub(crate) type Place = (String, i32);

/// What is known of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) place: Place,
    /// The offset after the last record.
    pub(crate) end: i64,
    /// The offset from which the group would go on, if it has committed one.
    pub(crate) committed: Option<i64>,
    /// The offset of the first record that is left; asked only where nothing is committed.
    pub(crate) low: Option<i64>,
}

impl Position {
    /// Records that the group has not yet done with.
    pub(crate) fn lag(&self) -> u64 {
        let from = self.committed.or(self.low).unwrap_or(0);
        // A topic that was made anew has fewer records than were once committed.
        u64::try_from(self.end.saturating_sub(from)).unwrap_or(0)
    }
}

/// The reading of a group over these partitions.
pub(crate) fn reading(mut positions: Vec<Position>) -> Value {
    let total: u64 = positions.iter().map(Position::lag).fold(0, u64::saturating_add);
    let max = positions.iter().map(Position::lag).max().unwrap_or(0);
    let uncommitted = positions.iter().filter(|position| position.committed.is_none()).count();
    let partitions = positions.len();
    let topics: BTreeMap<String, u64> = positions.iter().fold(BTreeMap::new(), |mut topics, position| {
        let lag: &mut u64 = topics.entry(position.place.0.clone()).or_default();
        *lag = lag.saturating_add(position.lag());
        topics
    });
    positions.sort_by(|a, b| b.lag().cmp(&a.lag()).then_with(|| a.place.cmp(&b.place)));
    let named: Vec<Value> = positions
        .iter()
        .take(NAMED_MAX)
        .map(|position| {
            let Position { place: (topic, partition), end, committed, .. } = position;
            json!({ "topic": topic, "partition": partition, "lag": position.lag(), "end": end, "committed": committed })
        })
        .collect();
    let by_topic: Vec<Value> = topics
        .into_iter()
        .take(NAMED_MAX)
        .map(|(topic, lag)| json!({ "topic": topic, "lag": lag }))
        .collect();
    json!({
        "total": total,
        "max": max,
        "partitions": partitions,
        "uncommitted": uncommitted,
        "by_topic": by_topic,
        "by_partition": named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32, end: i64, committed: Option<i64>, low: Option<i64>) -> Position {
        Position { place: (topic.to_owned(), partition), end, committed, low }
    }

    #[test]
    fn lag_is_the_end_less_the_committed_offset() {
        let cases = [
            (at("t", 0, 100, Some(40), None), 60),
            (at("t", 0, 100, Some(100), None), 0),
            (at("t", 0, 100, None, Some(30)), 70),
            (at("t", 0, 100, None, None), 100),
            (at("t", 0, 5, Some(100), None), 0),
            (at("t", 0, 0, None, Some(0)), 0),
            (at("t", 0, i64::MAX, Some(0), None), i64::MAX as u64),
        ];
        for (position, expected) in cases {
            assert_eq!(position.lag(), expected, "{position:?}");
        }
    }

    #[test]
    fn a_reading_sums_and_names_the_worst_first() {
        let reading = reading(vec![
            at("a", 0, 10, Some(4), None),
            at("b", 0, 50, Some(10), None),
            at("a", 1, 10, None, Some(0)),
        ]);
        assert_eq!(reading["total"], 56);
        assert_eq!(reading["max"], 40);
        assert_eq!(reading["partitions"], 3);
        assert_eq!(reading["uncommitted"], 1);
        assert_eq!(reading["by_topic"], json!([{ "topic": "a", "lag": 16 }, { "topic": "b", "lag": 40 }]));
        assert_eq!(
            reading["by_partition"][0],
            json!({ "topic": "b", "partition": 0, "lag": 40, "end": 50, "committed": 10 })
        );
        assert_eq!(reading["by_partition"][1]["partition"], 1);
    }

    #[test]
    fn a_reading_is_bounded() {
        let many = (0..1000).map(|partition| at("t", partition, 7, Some(0), None)).collect();
        let reading = reading(many);
        assert_eq!(reading["total"], 7000);
        assert_eq!(reading["by_partition"].as_array().map(Vec::len), Some(NAMED_MAX));
    }
}
