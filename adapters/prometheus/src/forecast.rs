//! The probe `forecast`: where a value will be, if it goes on as it did.
//!
//! The method is the straight line with the least squared distance, with the interval in which a single later value will
//! lie: simple enough to be checked by hand, and honest about how little a noisy past says of the future. Seasons are not
//! seen; a window that holds less than one of them is the remedy.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading, parameters};
use selfheal_core::span::Span;
use serde_json::json;

use crate::answer::Point;
use crate::bind::bind;
use crate::client::{Server, permission, unconfigured};
use crate::query::shown_labels;
use crate::series::{self, Moved, check_times, step_for};

/// Values below which no line is told.
const VALUES_MIN: usize = 10;

/// Steps that are looked at, where none is named.
const STEPS: u64 = 120;

parameters! {
    /// Asks where a value will be.
    pub struct ForecastParameters {
        /// A PromQL expression that gives one series. A label value stands for `$1`, `$2` and so on in the quoted value of a
        /// label matcher.
        pub expr: String,
        /// The time that is looked over, up to now; at most 30d.
        pub window: Span,
        /// How far ahead to tell; no longer than `window`.
        pub horizon: Span,
        /// The values for `$1`, `$2` and so on, escaped for where they stand. Never paste a label into the expression.
        pub bind: Option<Vec<String>>,
        /// The time between two evaluations; at least 1s, and at most 1000 of them. By default there are 120.
        pub step: Option<Span>,
    }
}

impl ForecastParameters {
    fn step(&self) -> Span {
        self.step.unwrap_or_else(|| step_for(self.window, STEPS))
    }
}

/// The probe.
pub(crate) struct Forecast {
    server: Option<Arc<Server>>,
}

impl Forecast {
    pub(crate) fn new(server: Option<Arc<Server>>) -> Self {
        Self { server }
    }
}

#[async_trait]
impl Probe for Forecast {
    type Parameters = ForecastParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "forecast",
            doc: "Where the value of a PromQL expression will be, if it goes on as it did within the window: \
                  `prom::forecast(\"disk_used_bytes{volume=\\\"$1\\\"} / disk_bytes{volume=\\\"$1\\\"}\", \"6h\", \"4h\", \
                  [alert.labels.volume]).low.above(0.95)` holds when the volume will almost certainly be full.\n\n\
                  It is the straight line with the least squared distance (ordinary least squares) and the interval that a \
                  single later value lies in with 95 %, as far as the deviations are independent of each other. Seasons, \
                  such as days and nights, are not seen.\n\n\
                  Inconclusive, with the reason: fewer than 10 values, and all that makes query_range inconclusive.",
            fields: &[
                FieldSpec { name: "value", doc: "The value after `horizon`, in the unit of the expression." },
                FieldSpec { name: "low", doc: "The lower end of the interval that it lies in with 95 %." },
                FieldSpec { name: "high", doc: "The upper end of that interval." },
                FieldSpec { name: "last", doc: "The latest value." },
                FieldSpec { name: "slope_per_second", doc: "How much it changes in a second." },
                FieldSpec {
                    name: "fit",
                    doc: "The share of the values' movement that the line explains (r squared), from 0 to 1; 1 where they \
                          do not move.",
                },
                FieldSpec { name: "samples", doc: "How many steps had a value; at least 10." },
                FieldSpec { name: "missing", doc: "How many steps had none." },
                FieldSpec {
                    name: "labels",
                    doc: "The labels of the series; at most 64, cut to 1024 characters each.",
                },
                FieldSpec { name: "at", doc: "The time of the last step, in Unix seconds." },
            ],
            main_field: "value",
            permissions: vec![permission()],
        }
    }

    fn check(&self, params: &ForecastParameters) -> Result<(), Failure> {
        check_times("forecast", "window", params.window, params.step())?;
        if params.horizon > params.window {
            let ForecastParameters { horizon, window, .. } = params;
            return Err(Failure::refused(format!(
                "forecast: horizon is {horizon}, expected at most window, which is {window}: nobody can look further ahead than \
                 back"
            )));
        }
        bind(&params.expr, params.bind.as_deref().unwrap_or_default()).map(drop)
    }

    async fn read(&self, params: &ForecastParameters) -> Result<Reading, Failure> {
        Probe::check(self, params)?;
        let server = self.server.as_ref().ok_or_else(unconfigured)?;
        let values = params.bind.as_deref().unwrap_or_default();
        let moved = series::ask(server, &params.expr, values, params.window, params.step()).await?;
        let ahead = params.horizon.duration().as_secs_f64();
        Ok(moved.and_then(|moved| reading(&moved, ahead)).map_or_else(Reading::Inconclusive, Reading::Known))
    }
}

fn reading(moved: &Moved, ahead: f64) -> Result<serde_json::Value, String> {
    if let Some(why) = moved.too_few(VALUES_MIN) {
        return Err(why);
    }
    let too_large = || "the values are too large to be computed with".to_owned();
    let line = Line::through(&moved.values).ok_or_else(too_large)?;
    let (value, margin) = line.at(moved.steps.end + ahead);
    if !(value - margin).is_finite() || !(value + margin).is_finite() {
        return Err(too_large());
    }
    Ok(json!({
        "value": value,
        "low": value - margin,
        "high": value + margin,
        "last": moved.values.last().map(|point| point.value),
        "slope_per_second": line.slope,
        "fit": line.fit,
        "samples": moved.values.len(),
        "missing": moved.missing(),
        "labels": shown_labels(&moved.labels),
        "at": moved.steps.end,
    }))
}

/// The straight line with the least squared distance from some points.
#[derive(Debug)]
struct Line {
    count: f64,
    /// The mean time and the mean value, through which it goes.
    center: Point,
    slope: f64,
    /// The sum of the squared distances of the times from their mean.
    spread: f64,
    /// The standard deviation of the values from the line.
    deviation: f64,
    fit: f64,
}

impl Line {
    /// The line through at least three points at different times; `None` when the figures leave the numbers that there
    /// are.
    fn through(points: &[Point]) -> Option<Self> {
        let first = points.first()?;
        let count = points.len() as f64;
        // Both are taken from the first: squares of Unix times leave no digits for the rest, and what never moves must not
        // seem to.
        let at = points.iter().map(|point| (point.at - first.at) / count).sum::<f64>() + first.at;
        let value = points.iter().map(|point| (point.value - first.value) / count).sum::<f64>() + first.value;
        let (mut together, mut spread, mut moved) = (0.0, 0.0, 0.0);
        for point in points {
            together += (point.at - at) * (point.value - value);
            spread += (point.at - at).powi(2);
            moved += (point.value - value).powi(2);
        }
        let slope = together / spread;
        let missed =
            points.iter().map(|point| (point.value - value - slope * (point.at - at)).powi(2)).sum::<f64>();
        let fit = if moved > 0.0 { (1.0 - missed / moved).clamp(0.0, 1.0) } else { 1.0 };
        let deviation = (missed / (count - 2.0)).sqrt();
        let line = Self { count, center: Point { at, value }, slope, spread, deviation, fit };
        let sound = count > 2.0 && [value, slope, deviation, fit].into_iter().all(f64::is_finite);
        sound.then_some(line)
    }

    /// The value at a time, and how far a single value there lies from it at most, with 95 %.
    fn at(&self, time: f64) -> (f64, f64) {
        let away = time - self.center.at;
        let value = self.center.value + self.slope * away;
        let widened = (1.0 + 1.0 / self.count + away.powi(2) / self.spread).sqrt();
        (value, student(self.count - 2.0) * self.deviation * widened)
    }
}

/// The two-sided 95 % quantile of Student's distribution, to within 0.01 from 8 degrees of freedom on.
fn student(freedom: f64) -> f64 {
    1.96 + 2.4 / freedom + 2.8 / freedom.powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::tests::moved;

    #[test]
    fn quantiles() {
        // From tables of the distribution.
        for (freedom, expected) in [(8.0, 2.306), (10.0, 2.228), (20.0, 2.086), (50.0, 2.009), (118.0, 1.980)]
        {
            assert!((student(freedom) - expected).abs() < 0.01, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_line_goes_on() {
        let read = |values: Vec<f64>, ahead: f64| {
            let reading = reading(&moved(values), ahead).unwrap();
            ["value", "low", "high", "slope_per_second", "fit"].map(|field| reading[field].as_f64().unwrap())
        };
        let line: fn(u32) -> f64 = |n| 2.0 * f64::from(n) + 1.0;
        let straight = (0..20).map(line).collect();
        for (found, expected) in read(straight, 10.0).into_iter().zip([59.0, 59.0, 59.0, 2.0, 1.0]) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        assert_eq!(read(vec![7.0; 20], 100.0), [7.0, 7.0, 7.0, 0.0, 1.0]);

        // Off the line by 1, now above, now below: the interval holds the truth and grows with the horizon.
        let noisy = |n: u32| line(n) + if n.is_multiple_of(2) { 1.0 } else { -1.0 };
        let values: Vec<f64> = (0..60).map(noisy).collect();
        let width = |ahead: f64| {
            let [value, low, high, _, fit] = read(values.clone(), ahead);
            let truth = 2.0 * (59.0 + ahead) + 1.0;
            assert!(low < truth && truth < high && low < value && value < high, "{ahead}: {low} {high}");
            assert!(fit > 0.99);
            high - low
        };
        assert!(width(0.0) < width(30.0) && width(30.0) < width(60.0));
        assert!((3.9..4.3).contains(&width(0.0)), "{}", width(0.0));
    }

    #[test]
    fn noise_is_no_trend() {
        let values = (0..100).map(|n| f64::from(n * 37 % 11));
        let reading = reading(&moved(values), 50.0).unwrap();
        assert!(reading["fit"].as_f64().unwrap() < 0.1, "{reading}");
        assert!(
            reading["low"].as_f64().unwrap() < 1.0 && reading["high"].as_f64().unwrap() > 9.0,
            "{reading}"
        );
    }

    #[test]
    fn too_few_or_too_large_values_prove_nothing() {
        assert!(reading(&moved((0..9).map(f64::from)), 1.0).unwrap_err().contains("at least 10 are needed"));
        let large = (0..20).map(|n| if n % 2 == 0 { f64::MAX } else { -f64::MAX });
        assert!(reading(&moved(large), 1.0).unwrap_err().contains("too large"));
    }
}
