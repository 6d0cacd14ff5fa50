//! One series over a time that ends now: asked for, and judged whether a decision may rest on it. What its values say is
//! for the probes to tell.

use selfheal_contract::Failure;
use selfheal_core::span::Span;

use crate::answer::{Answer, Data, Labels, Point};
use crate::bind::bind;
use crate::client::Server;
use crate::freshness::{Beside, Question, spelled};
use crate::query::{histogram, stale, too_many, why_nothing};

/// The shortest step: no series is scraped more often.
const STEP_MIN: Span = Span::from_secs(1);

/// The longest time that is looked over.
const OVER_MAX: Span = Span::from_hours(30 * 24);

/// The most evaluations of the expression that one reading may cost the server.
const STEPS_MAX: u128 = 1000;

/// The values of one series, at least one, in the order of time: all finite, and the last at the last step.
#[derive(Debug, PartialEq)]
pub(crate) struct Moved {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<Point>,
    pub(crate) steps: Steps,
}

/// All evaluations: how many there were, and the time of the last in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    pub(crate) count: usize,
    pub(crate) end: f64,
}

impl Moved {
    /// Takes a series for what it is, or says why it proves nothing.
    pub(crate) fn judge(labels: Labels, values: Vec<Point>, steps: Steps) -> Result<Self, String> {
        let last_at = values.last().map_or(f64::NEG_INFINITY, |last| last.at);
        if last_at < steps.end {
            return Err(format!(
                "stale: the last step has no value, the latest is {} before it; see whether the target is up and being \
                 scraped",
                spelled(steps.end - last_at)
            ));
        }
        let odd: Vec<&Point> = values.iter().filter(|point| !point.value.is_finite()).collect();
        if let [first, ..] = odd.as_slice() {
            return Err(format!(
                "{} of {} values are no numbers that can be compared (the first is {}); a share of nothing gives NaN",
                odd.len(),
                values.len(),
                first.value
            ));
        }
        Ok(Self { labels, values, steps })
    }

    /// How many steps had no value.
    pub(crate) fn missing(&self) -> usize {
        self.steps.count.saturating_sub(self.values.len())
    }

    /// Why there are too few values, if there are fewer than this.
    pub(crate) fn too_few(&self, least: usize) -> Option<String> {
        let found = self.values.len();
        (found < least).then(|| {
            format!(
                "{found} of {} steps have a value, and at least {least} are needed; look over a longer time, or take a \
                 shorter step",
                self.steps.count
            )
        })
    }
}

/// Asks for the one series that the expression gives. The inner error says why the answer proves nothing.
///
/// # Errors
/// `Refused` when the question cannot be answered, `Transient` when the server could not be asked.
pub(crate) async fn ask(
    server: &Server,
    expr: &str,
    values: &[String],
    over: Span,
    step: Span,
) -> Result<Result<Moved, String>, Failure> {
    let (expression, syntax) = bind(expr, values)?;
    let question = Question::range(&expression, syntax.is_plain_selector, over, step);
    let series = match server.ask(&question).await? {
        Answer::Partial(why) => return Ok(Err(why)),
        Answer::Complete(Data::Matrix(series)) => series,
        Answer::Complete(_) => return Err(unfit("it is no range of values, which was asked for")),
    };
    let (beside, mut series): (Vec<_>, Vec<_>) =
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
    let only = match series.len() {
        0 => return Ok(Err(why_nothing(server, &expression).await)),
        1 => series.remove(0),
        several => return Ok(Err(too_many(several))),
    };
    if only.values.is_empty() {
        return Ok(Err(histogram()));
    }
    if !only.values.windows(2).all(|pair| pair[0].at < pair[1].at) {
        return Err(unfit("its times are not in order"));
    }
    Ok(match age.and_then(|age| stale(age, server.stale_after())) {
        Some(why) => Err(why),
        None => Moved::judge(only.metric, only.values, Steps { count, end: end.at }),
    })
}

/// Checks the times of a probe that calls the longer one `over_name`.
///
/// # Errors
/// `Refused`, with the bound.
pub(crate) fn check_times(probe: &str, over_name: &str, over: Span, step: Span) -> Result<(), Failure> {
    let steps = over.duration().as_millis() / step.duration().as_millis().max(1);
    let problem = if step < STEP_MIN {
        format!("step is {step}, expected at least {STEP_MIN}")
    } else if over > OVER_MAX {
        format!("{over_name} is {over}, expected at most {OVER_MAX}")
    } else if steps < 2 {
        format!("step is {step}, expected at most half of {over_name}, which is {over}")
    } else if steps > STEPS_MAX {
        format!(
            "{over} in steps of {step} are {steps} steps, expected at most {STEPS_MAX}; take a longer step"
        )
    } else {
        return Ok(());
    };
    Err(Failure::refused(format!("{probe}: {problem}")))
}

/// The step that gives about this many of them: whole seconds, at least one.
pub(crate) fn step_for(over: Span, steps: u64) -> Span {
    Span::from_secs(over.duration().as_secs().div_ceil(steps)).max(STEP_MIN)
}

fn unfit(what: &str) -> Failure {
    Failure::transient(format!("Prometheus' answer cannot be used: {what}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Values one second apart, at a time of today.
    pub(crate) fn moved(values: impl IntoIterator<Item = f64>) -> Moved {
        let point = |(at, value): (u32, f64)| Point { at: 1_800_000_000.0 + f64::from(at), value };
        let values: Vec<Point> = (0..).zip(values).map(point).collect();
        let steps = Steps { count: values.len(), end: values.last().map_or(0.0, |last| last.at) };
        Moved { labels: Labels::new(), values, steps }
    }

    #[test]
    fn an_end_without_a_value_is_stale_and_gaps_are_counted() {
        let points = |at: &[u32], value: fn(u32) -> f64| -> Vec<Point> {
            at.iter().map(|at| Point { at: f64::from(*at), value: value(*at) }).collect()
        };
        let steps = Steps { count: 10, end: 9.0 };
        let cases: Vec<(Vec<Point>, Result<usize, &str>)> = vec![
            (points(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], f64::from), Ok(0)),
            (points(&[0, 1, 5, 9], f64::from), Ok(6)),
            (
                points(&[0, 1, 8], f64::from),
                Err("stale: the last step has no value, the latest is 1s before"),
            ),
            (points(&[3, 9], |at| if at == 3 { f64::NAN } else { 1.0 }), Err("1 of 2 values are no numbers")),
            (points(&[9], |_| f64::INFINITY), Err("the first is inf")),
        ];
        for (values, expected) in cases {
            let found = Moved::judge(Labels::new(), values, steps);
            match (&found, expected) {
                (Ok(moved), Ok(missing)) => assert_eq!(moved.missing(), missing),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                _ => panic!("{found:?}, expected {expected:?}"),
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
            let found =
                check_times("query_range", "over", over.parse().unwrap(), step.parse().unwrap()).err();
            match (expected, &found) {
                (None, None) => {}
                (Some(expected), Some(found)) if found.what.contains(expected) => {}
                _ => panic!("{over} in {step}: {found:?}"),
            }
        }
    }

    #[test]
    fn steps_are_whole_seconds() {
        for (over, expected) in [("1h", "36s"), ("10s", "1s"), ("1m1s", "1s"), ("30d", "7h12m")] {
            let step = step_for(over.parse().unwrap(), 100);
            assert_eq!(step.to_string(), expected, "{over}");
            assert!(check_times("x", "over", over.parse().unwrap(), step).is_ok());
        }
    }
}
