//! What is known of how well an action helps: the order of alternatives comes from here.
//!
//! The estimate is the mean of a Beta posterior over a uniform prior, (successes + 1) / (tries + 2). It needs no
//! randomness, so the same history gives the same order; an action never tried counts as one half.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How often an action helped, for one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessRecord {
    /// Tries whose verification held.
    pub successes: u64,
    /// Tries that failed or did not help.
    pub failures: u64,
}

impl SuccessRecord {
    /// Mean of Beta(1 + successes, 1 + failures), between 0 and 1.
    pub fn expected_rate(&self) -> f64 {
        (self.successes as f64 + 1.0) / ((self.successes + self.failures) as f64 + 2.0)
    }
}

impl fmt::Display for SuccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} helped, expected {:.2} (Beta posterior over a uniform prior)",
            self.successes,
            self.successes + self.failures,
            self.expected_rate()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untried_is_one_half_and_evidence_moves_it() {
        let rate = |successes, failures| SuccessRecord { successes, failures }.expected_rate();
        assert_eq!(rate(0, 0), 0.5);
        assert!(rate(9, 1) > rate(1, 0));
        assert!(rate(0, 3) < rate(0, 1));
    }
}
