//! Finds the rules whose matchers hold for an alert without asking every rule, so that ten thousand rules cost an alert
//! about what ten cost.
//!
//! Each rule is filed under one of its matchers: the one that the fewest other rules share. A matcher that
//! allows only certain values files its rule under these, one that allows only certain beginnings under those. Looking
//! an alert up yields candidates, whose matchers are then all asked. Rules that only say what must not be, or that
//! allow an absent label in every matcher, are candidates always.

use rustc_hash::FxHashMap;

use crate::labels::Labels;
use crate::matcher::{Matcher, MatcherVerdict, Reach};

/// A rule's place in the list that the index was built from.
pub type RuleIndex = u32;

/// Which rules match an alert; immutable, built anew for every generation of rules.
#[derive(Debug, Default)]
pub struct MatchIndex {
    rules: Box<[Box<[Matcher]>]>,
    labels: FxHashMap<Box<str>, Filed>,
    always: Vec<RuleIndex>,
}

/// The rules that are filed under one label.
#[derive(Debug, Default)]
struct Filed {
    by_value: FxHashMap<Box<str>, Vec<RuleIndex>>,
    by_prefix: FxHashMap<Box<[u8]>, Vec<RuleIndex>>,
    /// The lengths of the prefixes in use, ascending.
    prefix_lengths: Vec<usize>,
}

impl MatchIndex {
    /// An index over each rule's matchers, all of which must hold. A rule without matchers matches every alert.
    ///
    /// # Panics
    /// With 2^32 rules or more.
    pub fn new(rules: Vec<Vec<Matcher>>) -> Self {
        let shared = count_shares(&rules);
        let mut index = Self::default();
        for (at, matchers) in rules.iter().enumerate() {
            let rule = RuleIndex::try_from(at).expect("fewer than 2^32 rules fit into memory");
            let rarest = matchers.iter().filter_map(|matcher| Some((crowd(matcher, &shared)?, matcher)));
            match rarest.min_by_key(|(crowd, _)| *crowd) {
                Some((_, matcher)) => index.file(rule, matcher),
                None => index.always.push(rule),
            }
        }
        index.rules = rules.into_iter().map(Into::into).collect();
        index
    }

    fn file(&mut self, rule: RuleIndex, matcher: &Matcher) {
        let filed = self.labels.entry(matcher.name().into()).or_default();
        match matcher.reach() {
            Reach::Values(values) => {
                for value in values {
                    filed.by_value.entry(value.into()).or_default().push(rule);
                }
            }
            Reach::Prefixes(prefixes) => {
                for prefix in prefixes {
                    filed.by_prefix.entry(prefix.clone()).or_default().push(rule);
                    if let Err(place) = filed.prefix_lengths.binary_search(&prefix.len()) {
                        filed.prefix_lengths.insert(place, prefix.len());
                    }
                }
            }
            Reach::Unbounded => unreachable!("only a matcher with a bounded reach has a crowd"),
        }
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Puts into `found` the rules that may match, ascending; every rule that matches is among them.
    ///
    /// What `found` held is dropped; reusing it spares an allocation for each alert.
    pub fn candidates(&self, labels: &Labels, found: &mut Vec<RuleIndex>) {
        found.clear();
        found.extend_from_slice(&self.always);
        if !self.labels.is_empty() {
            for (name, value) in labels.iter() {
                if let Some(filed) = self.labels.get(name) {
                    filed.collect(value, found);
                }
            }
        }
        found.sort_unstable();
        // One value can have several of a rule's prefixes.
        found.dedup();
    }

    /// Puts into `found` the rules all of whose matchers hold, ascending. What `found` held is dropped.
    pub fn matching(&self, labels: &Labels, found: &mut Vec<RuleIndex>) {
        self.candidates(labels, found);
        found.retain(|rule| self.rules[*rule as usize].iter().all(|matcher| matcher.matches(labels)));
    }

    /// What each matcher of one rule says of the labels; `None` where there is no such rule.
    pub fn explain(&self, rule: RuleIndex, labels: &Labels) -> Option<Vec<MatcherVerdict>> {
        let matchers = self.rules.get(rule as usize)?;
        Some(matchers.iter().map(|matcher| matcher.verdict(labels)).collect())
    }
}

impl Filed {
    fn collect(&self, value: &str, found: &mut Vec<RuleIndex>) {
        if let Some(rules) = self.by_value.get(value) {
            found.extend_from_slice(rules);
        }
        for length in &self.prefix_lengths {
            let Some(prefix) = value.as_bytes().get(..*length) else { break };
            if let Some(rules) = self.by_prefix.get(prefix) {
                found.extend_from_slice(rules);
            }
        }
    }
}

/// How many rules could be filed under each label's value or prefix; the flag tells the two apart.
type Shares<'r> = FxHashMap<(&'r str, bool, &'r [u8]), usize>;

fn count_shares(rules: &[Vec<Matcher>]) -> Shares<'_> {
    let mut shares = Shares::default();
    for matcher in rules.iter().flatten() {
        for_each_key(matcher, |key| *shares.entry(key).or_default() += 1);
    }
    shares
}

/// How crowded the fullest place is under which this matcher would file its rule; `None` where it cannot file one.
/// Of two that are equally crowded a value is the better, because fewer alerts have it.
fn crowd(matcher: &Matcher, shares: &Shares<'_>) -> Option<(usize, bool)> {
    let reach = matcher.reach();
    if reach == Reach::Unbounded {
        return None;
    }
    let mut fullest = 0;
    for_each_key(matcher, |key| fullest = fullest.max(shares.get(&key).copied().unwrap_or(0)));
    Some((fullest, matches!(reach, Reach::Prefixes(_))))
}

fn for_each_key<'r>(matcher: &'r Matcher, mut visit: impl FnMut((&'r str, bool, &'r [u8]))) {
    match matcher.reach() {
        Reach::Values(values) => {
            values.iter().for_each(|value| visit((matcher.name(), false, value.as_bytes())))
        }
        Reach::Prefixes(prefixes) => prefixes.iter().for_each(|prefix| visit((matcher.name(), true, prefix))),
        Reach::Unbounded => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::parse_matchers;

    fn index(rules: &[&str]) -> MatchIndex {
        MatchIndex::new(rules.iter().map(|text| parse_matchers(text).unwrap()).collect())
    }

    type Pairs<'p> = &'p [(&'p str, &'p str)];

    fn labels(pairs: Pairs) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn finds_the_rules_whose_matchers_hold() {
        let index = index(&[
            r#"alertname="A""#,
            r#"alertname=~"A|B""#,
            r#"alertname=~"(X)?A""#,
            r#"alertname="A", severity="critical""#,
            r#"severity!="info""#,
            "{}",
            r#"alertname=~"A.*|AB.*""#,
            r#"team="""#,
            r#"alertname=~"[^\s\S]""#,
            r#"alertname="B", severity="critical""#,
        ]);
        let cases: &[(Pairs, &[u32])] = &[
            (&[], &[4, 5, 7]),
            (&[("alertname", "A")], &[0, 1, 2, 4, 5, 6, 7]),
            (&[("alertname", "A"), ("severity", "critical")], &[0, 1, 2, 3, 4, 5, 6, 7]),
            (&[("alertname", "B"), ("severity", "critical"), ("team", "x")], &[1, 4, 5, 9]),
            (&[("alertname", "XA"), ("severity", "info")], &[2, 5, 7]),
            (&[("alertname", "ABC")], &[4, 5, 6, 7]),
            (&[("alertname", "")], &[4, 5, 7]),
            (&[("other", "A"), ("team", "")], &[4, 5, 7]),
        ];
        let mut found = vec![99];
        for (pairs, expected) in cases {
            index.matching(&labels(pairs), &mut found);
            assert_eq!(found, *expected, "{pairs:?}");
        }
    }

    #[test]
    fn explains_each_matcher() {
        let index = index(&[r#"a="1", b!="2", c=~"x?""#]);
        let verdicts = index.explain(0, &labels(&[("a", "0"), ("b", "1")])).unwrap();
        let shown: Vec<_> =
            verdicts.iter().map(|v| (v.matcher.as_str(), v.actual.as_deref(), v.holds)).collect();
        let expected =
            [(r#"a="1""#, Some("0"), false), (r#"b!="2""#, Some("1"), true), (r#"c=~"x?""#, None, true)];
        assert_eq!(shown, expected);
        assert_eq!(index.explain(1, &Labels::default()), None);
    }

    /// A rule set of any size gives an alert only the candidates that its values select, whichever matcher comes first.
    #[test]
    fn candidates_do_not_grow_with_the_rules() {
        let shapes: [fn(usize) -> String; 4] = [
            |n| format!(r#"namespace="prod", alertname="Alert{n:05}""#),
            |n| format!(r#"severity=~"critical|high", alertname=~"(My)?Alert{n:05}""#),
            |n| format!(r#"alertname=~"Alert{n:05}.*", severity!="info""#),
            |n| format!(r#"alertname=~"Alert.*", app="app{n}""#),
        ];
        let alert = labels(&[
            ("alertname", "Alert00007"),
            ("app", "app7"),
            ("namespace", "prod"),
            ("severity", "critical"),
        ]);
        for shape in shapes {
            for size in [10, 500] {
                let rules: Vec<String> = (0..size).map(shape).collect();
                let index = index(&rules.iter().map(String::as_str).collect::<Vec<_>>());
                let mut found = Vec::new();
                index.candidates(&alert, &mut found);
                assert_eq!(found, [7], "{} of {size}", shape(7));
                index.matching(&alert, &mut found);
                assert_eq!(found, [7], "{} of {size}", shape(7));
            }
        }
    }

    /// Against asking every rule, over random rules and alerts of a small world, where much coincides.
    #[test]
    fn agrees_with_asking_every_rule() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % limit as u64) as usize
        };
        let names = ["a", "b", "c"];
        let values = ["", "x", "xy", "y", "yx", "z"];
        let tests = [
            "=x",
            "=xy",
            "=\"\"",
            "!=x",
            "!=\"\"",
            "=~\"x|y\"",
            "=~\"x?\"",
            "=~\"x.*\"",
            "=~\"(x|y).+\"",
            "=~\"x.*|xy.*\"",
            "!~\"x.*\"",
            "=~\".+\"",
            "=~\"(x|)y\"",
            "=~\"[^x]\"",
        ];
        for _ in 0..200 {
            let rules: Vec<Vec<Matcher>> = (0..below(12))
                .map(|_| {
                    let texts =
                        (0..below(4)).map(|_| format!("{}{}", names[below(3)], tests[below(tests.len())]));
                    texts.map(|text| text.parse().unwrap()).collect()
                })
                .collect();
            let index = MatchIndex::new(rules.clone());
            let mut found = Vec::new();
            for _ in 0..20 {
                let alert: Labels =
                    (0..below(4)).map(|_| (names[below(3)], values[below(values.len())])).collect();
                let expected: Vec<u32> = (0..)
                    .zip(&rules)
                    .filter(|(_, matchers)| matchers.iter().all(|matcher| matcher.matches(&alert)))
                    .map(|(at, _)| at)
                    .collect();
                index.matching(&alert, &mut found);
                assert_eq!(found, expected, "{alert:?} of {rules:?}");
            }
        }
    }
}
