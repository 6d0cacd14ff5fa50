//! The probe `query`: one value, now.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading, parameters};
use selfheal_core::span::Span;
use serde_json::json;

use crate::answer::{Answer, Data, Labels, Sample};
use crate::bind::bind;
use crate::client::{Server, permission, unconfigured};
use crate::freshness::{Beside, Question, looked_back, spelled};
use crate::text::shown;

/// Labels of a reading, and the characters of each.
const LABELS_MAX: usize = 64;
const LABEL_CHARS_MAX: usize = 1024;

parameters! {
    /// Asks for one value.
    pub struct QueryParameters {
        /// A PromQL expression that gives one number: one series, or a scalar. A label value stands for `$1`, `$2` and
        /// so on in the quoted value of a label matcher.
        pub expr: String,
        /// The values for `$1`, `$2` and so on, escaped for where they stand. Never paste a label into the expression.
        pub bind: Option<Vec<String>>,
    }
}

/// The probe.
pub(crate) struct Query {
    server: Option<Arc<Server>>,
}

impl Query {
    pub(crate) fn new(server: Option<Arc<Server>>) -> Self {
        Self { server }
    }
}

#[async_trait]
impl Probe for Query {
    type Parameters = QueryParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "query",
            doc: "The value of a PromQL expression now, by the server's clock. Label values are given by `bind`: \
                  `prom::query(\"rate(http_requests_total{app=\\\"$1\\\"}[1m])\", [alert.labels.app])`.\n\n\
                  Inconclusive, with the reason: no data; stale data; NaN or an infinity (a share of nothing); more \
                  than one series (aggregate with sum, max or topk); a native histogram; warnings of the server.\n\n\
                  Stale means: the sample of a metric selected by name (`up{job=\"api\"}`) is older than \
                  `stale_after`. For other expressions no time of a sample exists; there no selector sees a sample \
                  older than `stale_after` (Prometheus since 2.43; before, than the server's \
                  `--query.lookback-delta`, 5m), while a range such as `[10m]` sees samples as old as it says. A \
                  comparison in the expression drops the series that do not fulfil it: leave it out, and compare with \
                  `.below(..)` and the like.",
            fields: &[
                FieldSpec {
                    name: "value",
                    doc: "The value: a finite number, in the unit of the expression.",
                },
                FieldSpec {
                    name: "labels",
                    doc: "The labels of the series; at most 64, cut to 1024 characters each.",
                },
                FieldSpec {
                    name: "samples",
                    doc: "How many series answered: always 1, as more are inconclusive.",
                },
                FieldSpec {
                    name: "at",
                    doc: "When, in Unix seconds: the time of the sample for a metric selected by name, of the \
                          evaluation for any other expression.",
                },
            ],
            main_field: "value",
            permissions: vec![permission()],
        }
    }

    fn check(&self, params: &QueryParameters) -> Result<(), Failure> {
        bind(&params.expr, params.bind.as_deref().unwrap_or_default()).map(drop)
    }

    async fn read(&self, params: &QueryParameters) -> Result<Reading, Failure> {
        let (expression, syntax) = bind(&params.expr, params.bind.as_deref().unwrap_or_default())?;
        let server = self.server.as_ref().ok_or_else(unconfigured)?;
        let question = if syntax.is_plain_selector {
            Question::with_sample_time(&expression)
        } else {
            Question::plain(&expression)
        };
        let data = match server.ask(&question).await? {
            Answer::Partial(why) => return Ok(Reading::Inconclusive(why)),
            Answer::Complete(data) => data,
        };
        let samples = match data {
            Data::Scalar(point) => vec![Sample { metric: Labels::new(), value: Some(point) }],
            Data::Vector(samples) => samples,
            Data::Matrix(_) => {
                return Err(Failure::refused(format!(
                    "{} gives a range of samples; apply rate(), avg_over_time() or another function of ranges to it",
                    shown(&expression, 200)
                )));
            }
            Data::String(_) => {
                return Err(Failure::refused(format!(
                    "{} gives a text, not a number",
                    shown(&expression, 200)
                )));
            }
        };
        let (beside, samples): (Vec<_>, Vec<_>) =
            samples.into_iter().partition(|sample| Beside::of(&sample.metric).is_some());
        Ok(match samples.as_slice() {
            [] => Reading::Inconclusive(why_nothing(server, &expression).await),
            [sample] => one(sample, &beside, server),
            several => Reading::Inconclusive(too_many(several.len())),
        })
    }
}

fn one(sample: &Sample, beside: &[Sample], server: &Server) -> Reading {
    let Some(point) = sample.value else { return Reading::Inconclusive(histogram()) };
    let sampled_at = beside.first().and_then(|sample| sample.value).map(|point| point.value);
    let at = sampled_at.unwrap_or(point.at);
    if let Some(why) = stale(point.at - at, server.stale_after()) {
        return Reading::Inconclusive(why);
    }
    if !point.value.is_finite() {
        return Reading::Inconclusive(format!(
            "the value is {}, not a number that can be compared",
            point.value
        ));
    }
    Reading::Known(json!({
        "value": point.value,
        "labels": shown_labels(&sample.metric),
        "samples": 1,
        "at": at,
    }))
}

/// Tells data that ended from data that never was. A second question may itself fail; then nothing is claimed.
pub(crate) async fn why_nothing(server: &Server, expression: &str) -> String {
    let stale_after = server.stale_after();
    let over = looked_back(stale_after);
    let age = match server.ask(&Question::last_seen(expression, stale_after)).await {
        Ok(Answer::Complete(Data::Vector(samples))) => match samples.as_slice() {
            [] => {
                return format!(
                    "no data: the expression has no value now, and had none within the last {over}; check the names of \
                     the metric and its labels"
                );
            }
            [sample] => sample.value.map(|point| point.value).filter(|age| age.is_finite()),
            _ => None,
        },
        _ => None,
    };
    match age {
        Some(age) => format!(
            "stale: the expression has no value now, and last had one about {} ago; see whether the target is up and \
             being scraped",
            spelled(age)
        ),
        None => "no data: the expression has no value now".to_owned(),
    }
}

/// Why a sample of this age, in seconds, proves nothing, if it is so.
pub(crate) fn stale(age: f64, stale_after: Span) -> Option<String> {
    (age > stale_after.duration().as_secs_f64()).then(|| {
        format!(
            "stale: the sample is {} old, and none older than {stale_after} proves anything; see whether the target is up \
             and being scraped",
            spelled(age)
        )
    })
}

pub(crate) fn too_many(count: usize) -> String {
    format!(
        "{count} series answer, where one number is wanted; aggregate them (sum, max, avg) or select one by its labels"
    )
}

pub(crate) fn histogram() -> String {
    "the series is a native histogram, not a number; use histogram_quantile(), histogram_count() or histogram_avg()"
        .to_owned()
}

/// Labels as a reading shows them: bounded in number and length.
pub(crate) fn shown_labels(labels: &Labels) -> Labels {
    let cut = |(name, value): (&String, &String)| {
        (shown(name, LABEL_CHARS_MAX), value.chars().take(LABEL_CHARS_MAX).collect())
    };
    labels.iter().take(LABELS_MAX).map(cut).collect()
}
