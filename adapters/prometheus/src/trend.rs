//! What a series of values says as a whole. Pure arithmetic.

use crate::answer::Point;

/// A summary of at least two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) avg: f64,
    /// Of the straight line with the least squared distance, per second.
    pub(crate) slope_per_second: f64,
}

impl Trend {
    /// The trend of points in the order of time; `None` for fewer than two, or when the figures leave the numbers that
    /// there are.
    pub(crate) fn of(points: &[Point]) -> Option<Self> {
        let [first, .., last] = points else { return None };
        let count = points.len() as f64;
        let mean = |of: fn(&Point) -> f64, from: f64| {
            points.iter().map(|p| (of(p) - from) / count).sum::<f64>() + from
        };
        // Times are taken from the first and values from their mean: squares of Unix times leave no digits for the rest.
        let (at, avg) = (mean(|p| p.at, first.at), mean(|p| p.value, 0.0));
        let (mut together, mut spread) = (0.0, 0.0);
        for point in points {
            together += (point.at - at) * (point.value - avg);
            spread += (point.at - at).powi(2);
        }
        let values = || points.iter().map(|point| point.value);
        let trend = Self {
            first: first.value,
            last: last.value,
            min: values().fold(f64::INFINITY, f64::min),
            max: values().fold(f64::NEG_INFINITY, f64::max),
            avg,
            slope_per_second: together / spread,
        };
        (trend.avg.is_finite() && trend.slope_per_second.is_finite()).then_some(trend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values ten seconds apart, at a time of today.
    fn trend(values: &[f64]) -> Option<Trend> {
        let point =
            |(i, value): (usize, &f64)| Point { at: 1_800_000_000.0 + 10.0 * i as f64, value: *value };
        Trend::of(&values.iter().enumerate().map(point).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_summed_up() {
        let cases: &[(&[f64], [f64; 6])] = &[
            (&[1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
            (&[0.0, 10.0], [0.0, 10.0, 0.0, 10.0, 5.0, 1.0]),
            (&[30.0, 20.0, 10.0, 0.0], [30.0, 0.0, 0.0, 30.0, 15.0, -1.0]),
            (&[0.0, 20.0, 10.0], [0.0, 10.0, 0.0, 20.0, 10.0, 0.5]),
            (&[-4.0, -2.0], [-4.0, -2.0, -4.0, -2.0, -3.0, 0.2]),
        ];
        for (values, [first, last, min, max, avg, slope_per_second]) in cases {
            let found = trend(values).unwrap();
            let expected = Trend {
                first: *first,
                last: *last,
                min: *min,
                max: *max,
                avg: found.avg,
                slope_per_second: found.slope_per_second,
            };
            assert_eq!(found, expected, "{values:?}");
            assert!((found.avg - avg).abs() < 1e-9, "{values:?}: {found:?}");
            assert!((found.slope_per_second - slope_per_second).abs() < 1e-9, "{values:?}: {found:?}");
        }
    }

    #[test]
    fn there_is_no_trend_of_one_value_or_beyond_the_numbers() {
        for values in [&[][..], &[1.0], &[f64::MAX, -f64::MAX, f64::MAX]] {
            assert_eq!(trend(values), None, "{values:?}");
        }
        let twice = Point { at: 5.0, value: 1.0 };
        assert_eq!(Trend::of(&[twice, twice]), None, "two values at one time have no slope");
    }
}
