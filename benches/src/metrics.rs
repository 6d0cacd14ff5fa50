//! What selfheal says of itself, read from `/metrics`.

use selfheal_test_servers::http;

use crate::error::{Error, While};

/// One answer of `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    /// Asks the server at `address` (host and port).
    ///
    /// # Errors
    /// It does not answer, or not with 200.
    pub fn read(address: &str) -> Result<Self, Error> {
        let answer = http::get(&format!("http://{address}/metrics")).doing("read /metrics")?;
        if !answer.is_success() {
            return Err(Error::Server(format!("/metrics answered {}: {}", answer.status, answer.body)));
        }
        Ok(Self { text: answer.body })
    }

    /// The sum of a family's samples that have this text among their labels; 0 where there are none.
    pub fn sum(&self, family: &str, label: &str) -> f64 {
        let samples = self.text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let labels = name.strip_prefix(family)?;
            let whole = labels.is_empty() || labels.starts_with('{');
            (whole && labels.contains(label)).then(|| value.parse::<f64>().ok()).flatten()
        });
        samples.sum()
    }

    /// The samples of a family as they are, each with its labels, on one line.
    pub fn samples(&self, family: &str) -> String {
        let samples = self.text.lines().filter_map(|line| line.strip_prefix(family));
        samples.filter(|sample| sample.starts_with(['{', ' '])).collect::<Vec<_>>().join(", ")
    }

    /// [`Metrics::sum`] of counts.
    pub fn count(&self, family: &str, label: &str) -> u64 {
        self.sum(family, label) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_family_and_label() {
        let text = "# HELP a_total x\na_total{result=\"ok\"} 3\na_total{result=\"ok\",b=\"c\"} 4\n\
                    a_total{result=\"bad\"} 5\na_total_other 7\nplain 2.5\n";
        let metrics = Metrics { text: text.to_owned() };
        let cases =
            [("a_total", "result=\"ok\"", 7.0), ("a_total", "", 12.0), ("plain", "", 2.5), ("none", "", 0.0)];
        for (family, label, expected) in cases {
            assert_eq!(metrics.sum(family, label), expected, "{family} {label}");
        }
        assert_eq!(
            metrics.samples("a_total"),
            "{result=\"ok\"} 3, {result=\"ok\",b=\"c\"} 4, {result=\"bad\"} 5"
        );
    }
}
