//! The probe `query_range`: how one value moved over a time that ends now.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading, parameters};
use selfheal_core::span::Span;
use serde_json::json;

use crate::answer::{Answer, Data, Point, Series};
use crate::bind::bind;
use crate::client::{Server, permission, unconfigured};
use crate::freshness::{Beside, Question, spelled};
use crate::query::{histogram, shown_labels, stale, too_many, why_nothing};
use crate::trend::Trend;

/// The shortest step: no series is scraped more often.
const STEP_MIN: Span = Span::from_secs(1);

/// The longest time that is looked over.
const OVER_MAX: Span = Span::from_hours(30 * 24);

/// The most evaluations of the expression that one reading may cost the server.
const STEPS_MAX: u128 = 1000;

parameters! {
    /// Asks how a value moved.
    pub struct QueryRangeParameters {
        /// A PromQL expression that gives one series, without the range. A label value stands for `$1`, `$2` and so on
        /// in the quoted value of a label matcher.
        pub expr: String,
        /// The time that is looked over, up to now; at most 30d, and at most 1000 steps.
        pub over: Span,
        /// The time between two evaluations; at least 1s, and no longer than half of `over`.
        pub step: Span,
        /// The values for `$1`, `$2` and so on, escaped for where they stand. Never paste a label into the expression.
        pub bind: Option<Vec<String>>,
    }
}

/// The probe.
pub(crate) struct QueryRange {
    server: Option<Arc<Server>>,
}

impl QueryRange {
    pub(crate) fn new(server: Option<Arc<Server>>) -> Self {
        Self { server }
    }
}

#[async_trait]
impl Probe for QueryRange {
    type Parameters = QueryRangeParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "query_range",
            doc: "How the value of a PromQL expression moved over a time that ends now, by the server's clock: \
                  `prom::query_range(\"queue_length{queue=\\\"$1\\\"}\", \"30m\", \"30s\", [alert.labels.queue])`.\n\n\
                  Inconclusive, with the reason: no data; fewer than two values; stale data, that is no value at the \
                  last step, or for a metric selected by name a last sample older than `stale_after`; any value that is NaN or an infinity; more than one series within the time, also one after \
                  the other, as when a pod was replaced (aggregate with sum or max); native histograms; warnings of the \
                  server. Steps without a value before the last are counted in `missing`: compare it when gaps matter.",
            fields: &[
                FieldSpec { name: "first", doc: "The earliest value, in the unit of the expression." },
                FieldSpec { name: "last", doc: "The latest value." },
                FieldSpec { name: "min", doc: "The least value." },
                FieldSpec { name: "max", doc: "The greatest value." },
                FieldSpec { name: "avg", doc: "The mean of the values; each counts the same." },
                FieldSpec {
                    name: "slope_per_second",
                    doc: "The slope of the straight line that fits the values best (least squares), per second.",
                },
                FieldSpec { name: "samples", doc: "How many steps had a value; at least 2." },
                FieldSpec {
                    name: "missing",
                    doc: "How many steps had none: gaps, or a series that began later.",
                },
                FieldSpec {
                    name: "labels",
                    doc: "The labels of the series; at most 64, cut to 1024 characters each.",
                },
                FieldSpec { name: "at", doc: "The time of the last step, in Unix seconds." },
            ],
            main_field: "last",
            permissions: vec![permission()],
        }
    }

    fn check(&self, params: &QueryRangeParameters) -> Result<(), Failure> {
        check_times(params.over, params.step)?;
        bind(&params.expr, params.bind.as_deref().unwrap_or_default()).map(drop)
    }

    async fn read(&self, params: &QueryRangeParameters) -> Result<Reading, Failure> {
        check_times(params.over, params.step)?;
        let (expression, syntax) = bind(&params.expr, params.bind.as_deref().unwrap_or_default())?;
        let server = self.server.as_ref().ok_or_else(unconfigured)?;
        let question = Question::range(&expression, syntax.is_plain_selector, params.over, params.step);
        let series = match server.ask(&question).await? {
            Answer::Partial(why) => return Ok(Reading::Inconclusive(why)),
            Answer::Complete(Data::Matrix(series)) => series,
            Answer::Complete(_) => return Err(unfit("it is no range of values, which was asked for")),
        };
        let (beside, series): (Vec<_>, Vec<_>) =
            series.into_iter().partition(|series| Beside::of(&series.metric).is_some());
        let end_of = |kind| {
            beside
                .iter()
                .find(|series| Beside::of(&series.metric) == Some(kind))
                .and_then(|series| series.values.last().map(|last| (series.values.len(), *last)))
        };
        let Some((count, end)) = end_of(Beside::Steps) else {
            return Err(unfit("the series that shows the steps is missing"));
        };
        let age = end_of(Beside::SampleTime).map(|(_, sampled)| sampled.at - sampled.value);
        Ok(match series.as_slice() {
            [] => Reading::Inconclusive(why_nothing(server, &expression).await),
            [series] if series.values.is_empty() => Reading::Inconclusive(histogram()),
            [series] => {
                let ordered = series.values.windows(2).all(|pair| pair[0].at < pair[1].at);
                if !ordered {
                    return Err(unfit("its times are not in order"));
                }
                match age.and_then(|age| stale(age, server.stale_after())) {
                    Some(why) => Reading::Inconclusive(why),
                    None => summed_up(series, Steps { count, end: end.at }),
                }
            }
            several => Reading::Inconclusive(too_many(several.len())),
        })
    }
}

fn check_times(over: Span, step: Span) -> Result<(), Failure> {
    let steps = over.duration().as_millis() / step.duration().as_millis().max(1);
    let problem = if step < STEP_MIN {
        format!("step is {step}, expected at least {STEP_MIN}")
    } else if over > OVER_MAX {
        format!("over is {over}, expected at most {OVER_MAX}")
    } else if steps < 2 {
        format!("step is {step}, expected at most half of over, which is {over}")
    } else if steps > STEPS_MAX {
        format!(
            "{over} in steps of {step} are {steps} steps, expected at most {STEPS_MAX}; take a longer step"
        )
    } else {
        return Ok(());
    };
    Err(Failure::refused(format!("query_range: {problem}")))
}

fn unfit(what: &str) -> Failure {
    Failure::transient(format!("Prometheus' answer cannot be used: {what}"))
}

/// All evaluations: how many there were, and the time of the last in Unix seconds.
#[derive(Clone, Copy)]
struct Steps {
    count: usize,
    end: f64,
}

/// The reading of one series with at least one value.
fn summed_up(series: &Series, steps: Steps) -> Reading {
    let values = series.values.as_slice();
    let last_at = values.last().map_or(f64::NEG_INFINITY, |last| last.at);
    if last_at < steps.end {
        return Reading::Inconclusive(format!(
            "stale: the last step has no value, the latest is {} before it; see whether the target is up and being scraped",
            spelled(steps.end - last_at)
        ));
    }
    let odd: Vec<&Point> = values.iter().filter(|point| !point.value.is_finite()).collect();
    if let [first, ..] = odd.as_slice() {
        return Reading::Inconclusive(format!(
            "{} of {} values are no numbers that can be compared (the first is {}); a share of nothing gives NaN",
            odd.len(),
            values.len(),
            first.value
        ));
    }
    let Some(trend) = Trend::of(values) else {
        return Reading::Inconclusive(format!(
            "{} of {} steps have a value, and no trend can be told from them; look over a longer time",
            values.len(),
            steps.count
        ));
    };
    Reading::Known(json!({
        "first": trend.first,
        "last": trend.last,
        "min": trend.min,
        "max": trend.max,
        "avg": trend.avg,
        "slope_per_second": trend.slope_per_second,
        "samples": values.len(),
        "missing": steps.count.saturating_sub(values.len()),
        "labels": shown_labels(&series.metric),
        "at": steps.end,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(at: impl IntoIterator<Item = u32>, value: impl Fn(u32) -> f64) -> Vec<Point> {
        at.into_iter().map(|at| Point { at: f64::from(at), value: value(at) }).collect()
    }

    #[test]
    fn gaps_are_counted_and_an_end_without_a_value_is_stale() {
        let steps = Steps { count: 10, end: 9.0 };
        let cases: Vec<(Vec<Point>, Result<u64, &str>)> = vec![
            (points(0..10, f64::from), Ok(0)),
            (points([0, 1, 5, 9], f64::from), Ok(6)),
            (points(0..9, f64::from), Err("stale: the last step has no value, the latest is 1s before")),
            (points([9], f64::from), Err("1 of 10 steps")),
            (points(0..10, |at| if at == 3 { f64::NAN } else { 1.0 }), Err("1 of 10 values are no numbers")),
            (points(0..10, |_| f64::INFINITY), Err("the first is inf")),
        ];
        for (values, expected) in cases {
            let series = Series { metric: Default::default(), values };
            let found = summed_up(&series, steps);
            match expected {
                Ok(missing) => assert_eq!(found.field("missing").unwrap(), &json!(missing)),
                Err(why) => assert!(found.field("last").unwrap_err().contains(why), "{found:?}"),
            }
        }
    }

    #[test]
    fn times_are_bounded() {
        let cases = [
            ("1h", "1m", None),
            ("1000s", "1s", None),
            ("30d", "1h", None),
            ("1h", "0s", Some("at least 1s")),
            ("1h", "999ms", Some("at least 1s")),
            ("31d", "1h", Some("at most 30d")),
            ("1m", "31s", Some("at most half of over")),
            ("0s", "1s", Some("at most half of over")),
            ("1001s", "1s", Some("1001 steps")),
        ];
        for (over, step, expected) in cases {
            let found = check_times(over.parse().unwrap(), step.parse().unwrap()).err().map(|f| f.what);
            match (expected, &found) {
                (None, None) => {}
                (Some(expected), Some(found)) if found.contains(expected) => {}
                _ => panic!("{over} in {step}: {found:?}"),
            }
        }
    }
}
