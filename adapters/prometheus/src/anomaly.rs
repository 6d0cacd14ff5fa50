//! The probe `anomaly`: how far a value is from what is usual for it.
//!
//! The measure is the robust z-score: the distance of the last value from the median of those before, in units of their
//! median absolute deviation. Unlike mean and standard deviation, both stay what they are while less than half of the past
//! is out of the ordinary itself.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading, parameters};
use selfheal_core::span::Span;
use serde_json::json;

use crate::bind::bind;
use crate::client::{Server, permission, unconfigured};
use crate::query::shown_labels;
use crate::series::{self, Moved, check_times, step_for};

/// Values of the past below which nothing is usual.
const PAST_MIN: usize = 30;

/// Steps that are looked at, where none is named.
const STEPS: u64 = 120;

/// Makes the median absolute deviation the standard deviation, where values are normally distributed.
const PER_MEDIAN_DEVIATION: f64 = 1.4826;

/// The same for the mean absolute deviation: the root of half of pi.
const PER_MEAN_DEVIATION: f64 = 1.2533;

/// The share of the median that counts as a deviation where there never was any.
const FLAT: f64 = 1e-6;

/// The greatest distance that is told: beyond it, only that it is far.
const DISTANCE_MAX: f64 = 1000.0;

parameters! {
    /// Asks whether a value is unusual.
    pub struct AnomalyParameters {
        /// A PromQL expression that gives one series. A label value stands for `$1`, `$2` and so on in the quoted value of a
        /// label matcher.
        pub expr: String,
        /// The time that is looked over, up to now; at most 30d. It should hold what is usual: a day, where days differ
        /// from nights.
        pub window: Span,
        /// The values for `$1`, `$2` and so on, escaped for where they stand. Never paste a label into the expression.
        pub bind: Option<Vec<String>>,
        /// The time between two evaluations; at least 1s, and at most 1000 of them. By default there are 120.
        pub step: Option<Span>,
    }
}

impl AnomalyParameters {
    fn step(&self) -> Span {
        self.step.unwrap_or_else(|| step_for(self.window, STEPS))
    }
}

/// The probe.
pub(crate) struct Anomaly {
    server: Option<Arc<Server>>,
}

impl Anomaly {
    pub(crate) fn new(server: Option<Arc<Server>>) -> Self {
        Self { server }
    }
}

#[async_trait]
impl Probe for Anomaly {
    type Parameters = AnomalyParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "anomaly",
            doc: "How far the value of a PromQL expression is from what is usual for it: \
                  `prom::anomaly(\"rate(http_requests_total{app=\\\"$1\\\"}[5m])\", \"1d\", [alert.labels.app]).above(5)`.\n\n\
                  It is the robust z-score of the last value against those before within the window: its distance from \
                  their median, divided by 1.4826 times their median absolute deviation, which is about the standard \
                  deviation. Below 3 is usual; above 5 hardly ever is. What was unusual for less than half of the window \
                  does not move it. Where more than half of the past is one and the same value, the mean absolute \
                  deviation takes the place of the median's; where all of it is, a millionth of the value.\n\n\
                  Inconclusive, with the reason: fewer than 30 values before the last, and all that makes query_range \
                  inconclusive.",
            fields: &[
                FieldSpec {
                    name: "distance",
                    doc: "The distance from the median in either direction, in standard deviations; from 0 to 1000.",
                },
                FieldSpec {
                    name: "score",
                    doc: "The same with its sign: below 0 where the value is lower than usual.",
                },
                FieldSpec { name: "value", doc: "The last value, in the unit of the expression." },
                FieldSpec { name: "median", doc: "The median of the values before it." },
                FieldSpec { name: "deviation", doc: "What counts as one standard deviation; above 0." },
                FieldSpec {
                    name: "samples",
                    doc: "How many values there were before the last; at least 30.",
                },
                FieldSpec { name: "missing", doc: "How many steps had none." },
                FieldSpec {
                    name: "labels",
                    doc: "The labels of the series; at most 64, cut to 1024 characters each.",
                },
                FieldSpec { name: "at", doc: "The time of the last step, in Unix seconds." },
            ],
            main_field: "distance",
            permissions: vec![permission()],
        }
    }

    fn check(&self, params: &AnomalyParameters) -> Result<(), Failure> {
        check_times("anomaly", "window", params.window, params.step())?;
        bind(&params.expr, params.bind.as_deref().unwrap_or_default()).map(drop)
    }

    async fn read(&self, params: &AnomalyParameters) -> Result<Reading, Failure> {
        Probe::check(self, params)?;
        let server = self.server.as_ref().ok_or_else(unconfigured)?;
        let values = params.bind.as_deref().unwrap_or_default();
        let moved = series::ask(server, &params.expr, values, params.window, params.step()).await?;
        Ok(moved.and_then(|moved| reading(&moved)).map_or_else(Reading::Inconclusive, Reading::Known))
    }
}

fn reading(moved: &Moved) -> Result<serde_json::Value, String> {
    if let Some(why) = moved.too_few(PAST_MIN + 1) {
        return Err(why);
    }
    let values: Vec<f64> = moved.values.iter().map(|point| point.value).collect();
    let too_large = || "the values are too large to be compared".to_owned();
    let (last, past) = values.split_last().ok_or_else(too_large)?;
    let usual = Usual::of(past).ok_or_else(too_large)?;
    let score = ((last - usual.median) / usual.deviation).clamp(-DISTANCE_MAX, DISTANCE_MAX);
    Ok(json!({
        "distance": score.abs(),
        "score": score,
        "value": last,
        "median": usual.median,
        "deviation": usual.deviation,
        "samples": past.len(),
        "missing": moved.missing(),
        "labels": shown_labels(&moved.labels),
        "at": moved.steps.end,
    }))
}

/// What is usual.
#[derive(Debug, PartialEq)]
struct Usual {
    median: f64,
    /// About one standard deviation; above 0.
    deviation: f64,
}

impl Usual {
    /// What is usual by these finite values; `None` without any, or when the figures leave the numbers that there are.
    fn of(values: &[f64]) -> Option<Self> {
        let median = median(values.to_vec())?;
        let away: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        let count = away.len() as f64;
        let mean = away.iter().map(|distance| distance / count).sum::<f64>();
        let by_median = PER_MEDIAN_DEVIATION * self::median(away)?;
        let deviation = match (by_median, PER_MEAN_DEVIATION * mean) {
            (by_median, _) if by_median > 0.0 => by_median,
            (_, by_mean) if by_mean > 0.0 => by_mean,
            _ => (median.abs() * FLAT).max(f64::MIN_POSITIVE),
        };
        (median.is_finite() && deviation.is_finite()).then_some(Self { median, deviation })
    }
}

/// The middle value; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::moved;

    #[test]
    fn medians() {
        let cases: &[(&[f64], Option<f64>)] = &[
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[3.0, 1.0], Some(2.0)),
            (&[5.0, 1.0, 9.0], Some(5.0)),
            (&[4.0, 1.0, 9.0, 2.0], Some(3.0)),
            (&[f64::MAX, f64::MAX], Some(f64::MAX)),
        ];
        for (values, expected) in cases {
            assert_eq!(median(values.to_vec()), *expected, "{values:?}");
        }
    }

    /// The score of a last value after these.
    fn score(past: impl IntoIterator<Item = f64>, last: f64) -> f64 {
        let reading = reading(&moved(past.into_iter().chain([last]))).unwrap();
        assert_eq!(reading["distance"].as_f64().unwrap(), reading["score"].as_f64().unwrap().abs());
        reading["score"].as_f64().unwrap()
    }

    #[test]
    fn what_is_unusual_is_far_away() {
        // 0, 1, 2, 3, 4 over and over: median 2, median deviation 1.
        let saw = || (0..100).map(|n| f64::from(n % 5));
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
        near(score(saw(), 2.0), 0.0);
        near(score(saw(), 2.0 + 1.4826), 1.0);
        near(score(saw(), 2.0 - 5.0 * 1.4826), -5.0);
        // A third of the past was out of the ordinary, which changes little.
        let broken = saw().take(70).chain(std::iter::repeat_n(1e6, 30));
        assert!(score(broken, 1e6) > 100.0);
        // One value out of many: the mean deviation stands in.
        let spike = std::iter::repeat_n(5.0, 99).chain([105.0]);
        near(score(spike.clone(), 5.0), 0.0);
        near(score(spike, 105.0), 100.0 / (1.2533 * 1.0));
        // It never moved.
        let flat = || std::iter::repeat_n(5.0, 50);
        near(score(flat(), 5.0), 0.0);
        near(score(flat(), 6.0), DISTANCE_MAX);
        near(score(flat(), 4.0), -DISTANCE_MAX);
        near(score(std::iter::repeat_n(0.0, 50), 0.0), 0.0);
        near(score(std::iter::repeat_n(0.0, 50), 1.0), DISTANCE_MAX);
    }

    #[test]
    fn too_few_or_too_large_values_prove_nothing() {
        let few = reading(&moved((0..30).map(f64::from))).unwrap_err();
        assert!(few.contains("30 of 30 steps have a value, and at least 31 are needed"), "{few}");
        assert!(reading(&moved((0..31).map(f64::from))).is_ok());
        let large = (0..40).map(|n| if n % 2 == 0 { f64::MAX } else { -f64::MAX });
        assert!(reading(&moved(large)).is_err());
    }
}
