//! How an expression is asked so that the answer shows how old it is.
//!
//! An instant vector carries the time of the evaluation, not of its samples, and samples up to the server's look-back
//! (5 minutes unless it is told otherwise) are taken for present. Three things make staleness visible:
//!
//! - A plain selector is asked together with `timestamp()` of itself, which is its sample's own time, on every server.
//!   For any other expression no such time exists.
//! - `lookback_delta` is sent with every question, so that no selector sees a sample older than `stale_after`.
//!   Prometheus knows it since 2.43; an older one keeps to its own look-back. A range selector (`[5m]`) sees what its
//!   range says, everywhere.
//! - When nothing came, a second question asks when the expression last had a value.
//!
//! A range is asked as a subquery, beside a series that has a value at every step: its times are those of the server's
//! evaluation, so that missing steps show.

use std::borrow::Cow;

use selfheal_core::span::Span;

use crate::answer::Labels;

/// The label by which a series that was put beside the expression is known; its value is a [`Beside`].
const MARK: &str = "__selfheal_beside__";

/// What a series beside the expression shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Its value is the time of the expression's sample.
    SampleTime,
    /// It has a value at every step.
    Steps,
}

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Self::SampleTime => "sample_time",
            Self::Steps => "steps",
        }
    }

    /// The kind of a series, or `None` when it is the expression's own.
    pub(crate) fn of(labels: &Labels) -> Option<Self> {
        let mark = labels.get(MARK)?;
        [Self::SampleTime, Self::Steps].into_iter().find(|beside| beside.name() == mark)
    }

    /// The vector with the mark.
    fn marked(self, vector: &str) -> String {
        format!("label_replace({vector}, \"{MARK}\", \"{}\", \"\", \"\")", self.name())
    }
}

/// What is sent, and what of it is the rule's.
pub(crate) struct Question<'a> {
    /// The whole text.
    pub(crate) text: Cow<'a, str>,
    /// The rule's expression, with its values bound.
    pub(crate) expression: &'a str,
}

impl<'a> Question<'a> {
    /// The expression alone.
    pub(crate) fn plain(expression: &'a str) -> Self {
        Self { text: Cow::Borrowed(expression), expression }
    }

    /// Whether there is nothing but the rule's expression.
    pub(crate) fn is_plain(&self) -> bool {
        self.text == self.expression
    }

    /// A plain selector, and beside it the time of its sample.
    pub(crate) fn with_sample_time(selector: &'a str) -> Self {
        let time = Beside::SampleTime.marked(&format!("timestamp({selector})"));
        Self { text: Cow::Owned(format!("{selector} or {time}")), expression: selector }
    }

    /// The expression at every step of the time, and beside it a series that has a value at every step; for a plain
    /// selector the times of its samples too.
    pub(crate) fn range(expression: &'a str, is_plain_selector: bool, over: Span, step: Span) -> Self {
        let steps = Beside::Steps.marked("vector(0)");
        let inner =
            if is_plain_selector { Self::with_sample_time(expression) } else { Self::plain(expression) };
        let text = format!("(({}) or {steps})[{over}:{step}]", inner.text);
        Self { text: Cow::Owned(text), expression }
    }

    /// The seconds since the expression last had a value, within [`looked_back`].
    pub(crate) fn last_seen(expression: &'a str, stale_after: Span) -> Self {
        let (over, step) = (looked_back(stale_after), stale_after.min(Span::from_mins(1)));
        let text = format!("time() - max(max_over_time(timestamp({expression})[{over}:{step}]))");
        Self { text: Cow::Owned(text), expression }
    }
}

/// How far back a missing value is looked for: an hour, or twice what counts as fresh.
pub(crate) fn looked_back(stale_after: Span) -> Span {
    Span::from(stale_after.duration() * 2).max(Span::from_hours(1))
}

/// Seconds as an operator reads them: whole, in units.
pub(crate) fn spelled(seconds: f64) -> String {
    // A cast saturates, and makes 0 of what is negative or not a number.
    Span::from_secs(seconds.round() as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;

    #[test]
    fn every_question_is_whole_and_holds_the_expression() {
        let day = Span::from_hours(24);
        let expression = "sum(\n  up{job=\"a\"}\n)";
        let questions = [
            Question::plain(expression),
            Question::with_sample_time("up"),
            Question::range(expression, false, day, Span::from_mins(1)),
            Question::range("up", true, day, Span::from_mins(1)),
            Question::last_seen(expression, day),
        ];
        for (i, question) in questions.iter().enumerate() {
            Expression::read(&question.text).unwrap_or_else(|fault| panic!("{}: {fault}", question.text));
            assert!(question.text.contains(question.expression), "{}", question.text);
            assert_eq!(question.is_plain(), i == 0, "{}", question.text);
        }
    }

    #[test]
    fn series_beside_the_expression_are_known_by_their_mark() {
        let labels = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
        for (labels, expected) in [
            (labels(MARK, "steps"), Some(Beside::Steps)),
            (labels(MARK, "sample_time"), Some(Beside::SampleTime)),
            (labels(MARK, "1"), None),
            (labels("job", "steps"), None),
        ] {
            assert_eq!(Beside::of(&labels), expected, "{labels:?}");
        }
    }

    #[test]
    fn seconds_are_spelled_in_units() {
        let cases = [(0.2, "0s"), (89.6, "1m30s"), (-1.0, "0s"), (f64::NAN, "0s"), (f64::INFINITY, "100y")];
        for (seconds, expected) in cases {
            assert_eq!(spelled(seconds), expected);
        }
    }
}
