//! The probe `query_range`: how one value moved over a time that ends now.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading, parameters};
use selfheal_core::span::Span;
use serde_json::{Value, json};

use crate::bind::bind;
use crate::client::{Server, permission, unconfigured};
use crate::query::shown_labels;
use crate::series::{self, Moved, check_times};
use crate::trend::Trend;

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
        check_times("query_range", "over", params.over, params.step)?;
        bind(&params.expr, params.bind.as_deref().unwrap_or_default()).map(drop)
    }

    async fn read(&self, params: &QueryRangeParameters) -> Result<Reading, Failure> {
        Probe::check(self, params)?;
        let server = self.server.as_ref().ok_or_else(unconfigured)?;
        let values = params.bind.as_deref().unwrap_or_default();
        let moved = series::ask(server, &params.expr, values, params.over, params.step).await?;
        Ok(moved.and_then(|moved| summed_up(&moved)).map_or_else(Reading::Inconclusive, Reading::Known))
    }
}

/// The reading of one series.
fn summed_up(moved: &Moved) -> Result<Value, String> {
    let Some(trend) = Trend::of(&moved.values) else {
        return Err(format!(
            "{} of {} steps have a value, and no trend can be told from them; look over a longer time",
            moved.values.len(),
            moved.steps.count
        ));
    };
    Ok(json!({
        "first": trend.first,
        "last": trend.last,
        "min": trend.min,
        "max": trend.max,
        "avg": trend.avg,
        "slope_per_second": trend.slope_per_second,
        "samples": moved.values.len(),
        "missing": moved.missing(),
        "labels": shown_labels(&moved.labels),
        "at": moved.steps.end,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::moved;

    #[test]
    fn one_value_is_no_trend() {
        assert!(summed_up(&moved([1.0])).unwrap_err().contains("1 of 1 steps have a value"));
        let reading = summed_up(&moved([1.0, 3.0, 2.0])).unwrap();
        assert_eq!(
            (&reading["first"], &reading["last"], &reading["max"]),
            (&json!(1.0), &json!(2.0), &json!(3.0))
        );
        assert_eq!((&reading["samples"], &reading["missing"]), (&json!(3), &json!(0)));
    }
}
