//! Medians and percentiles: what is left of many measurements.

use std::time::Duration;

/// Measured times.
#[derive(Clone, Debug, Default)]
pub struct Times {
    micros: Vec<u32>,
}

impl Times {
    /// Adds one. What is longer than an hour counts as an hour.
    pub fn add(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds some.
    pub fn extend(&mut self, times: impl IntoIterator<Item = Duration>) {
        times.into_iter().for_each(|time| self.add(time));
    }

    /// Adds all of another.
    pub fn join(&mut self, other: Self) {
        self.micros.extend(other.micros);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.micros.len()
    }

    /// Median, 99th percentile and longest.
    pub fn summary(&self) -> Summary {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (sorted.len() as f64 * share) as usize;
            let micros = sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default();
            Duration::from_micros(micros.into())
        };
        Summary { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// Times in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Half of them are no longer.
    pub p50: Duration,
    /// All but one in a hundred are no longer.
    pub p99: Duration,
    /// None is longer.
    pub max: Duration,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {}, p99 {}, max {}", millis(self.p50), millis(self.p99), millis(self.max))
    }
}

/// A time in milliseconds, for people.
pub fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

/// The middle of some values; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// How far the values lie apart: (greatest - least) / median, 0 of none. The noise of a machine.
pub fn spread(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = median(values);
    if median > 0.0 { (greatest - least) / median } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added() {
        let mut times = Times::default();
        (1..=1000).for_each(|n| times.add(Duration::from_micros(n)));
        let Summary { p50, p99, max } = times.summary();
        assert_eq!((p50.as_micros(), p99.as_micros(), max.as_micros()), (501, 991, 1000));
        assert_eq!(Times::default().summary(), Summary::default());
    }

    #[test]
    fn medians_and_spreads() {
        for (values, expected) in
            [(&[][..], (0.0, 0.0)), (&[2.0], (2.0, 0.0)), (&[9.0, 1.0, 4.0], (4.0, 2.0))]
        {
            assert_eq!((median(values), spread(values)), expected, "{values:?}");
        }
    }
}
