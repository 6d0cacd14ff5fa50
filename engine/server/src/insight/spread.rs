//! How a kind of duration is spread: mean and percentiles.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// Durations in seconds. A percentile is a duration that occurred: the least that the given share does not exceed.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "Durations")]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    pub mean_seconds: f64,
    pub p50_seconds: f64,
    pub p90_seconds: f64,
    pub p99_seconds: f64,
    pub max_seconds: f64,
}

/// Durations that are being collected.
#[derive(Default)]
pub(super) struct Durations(Vec<f64>);

impl Durations {
    /// The time between two moments, if both are known. Clocks of two machines may disagree: what seems to have ended
    /// before it began took no time.
    pub(super) fn between(
        &mut self,
        from: impl Into<Option<Timestamp>>,
        until: impl Into<Option<Timestamp>>,
    ) {
        if let (Some(from), Some(until)) = (from.into(), until.into()) {
            self.0.push(until.duration_since(from).as_secs_f64().max(0.0));
        }
    }

    /// The mean, in seconds.
    pub(super) fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }

    /// `None` where there are none.
    pub(super) fn spread(mut self) -> Option<Spread> {
        self.0.sort_by(f64::total_cmp);
        let mean_seconds = rounded(self.mean()?);
        let at = |percent: usize| {
            let rank = (self.0.len() * percent).div_ceil(100).max(1);
            rounded(self.0[rank - 1])
        };
        Some(Spread {
            count: self.0.len() as u64,
            mean_seconds,
            p50_seconds: at(50),
            p90_seconds: at(90),
            p99_seconds: at(99),
            max_seconds: at(100),
        })
    }
}

/// To the microsecond: the journal knows no finer.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let spread = |seconds: &[f64]| {
            let found = Durations(seconds.to_vec()).spread()?;
            Some((found.count, found.mean_seconds, found.p50_seconds, found.p90_seconds, found.p99_seconds))
        };
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((1, 3.0, 3.0, 3.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0]), Some((2, 2.5, 1.0, 4.0, 4.0)));
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(spread(&hundred), Some((100, 50.5, 50.0, 90.0, 99.0)));
    }
}
