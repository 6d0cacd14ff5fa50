//! "Did you mean": the known name that a mistyped one was probably meant to be.

/// The candidate nearest to `name`, if one is near enough to be a slip of the hand: at most one edit in
/// three characters (swapping two neighbours is one edit), letter case and `-` for `_` costing nothing.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = folded(name);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &folded(candidate)), candidate))
        .filter(|(edits, candidate)| *edits <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["timeout", "url", "targets", "retry_max", "tls"];
        let cases = [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("Timeout", Some("timeout")),
            ("retry-max", Some("retry_max")),
            ("ur", Some("url")),
            ("target", Some("targets")),
            ("colour", None),
            ("x", None),
            ("", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(suggest(typed, known), expected, "{typed:?}");
        }
    }
}
