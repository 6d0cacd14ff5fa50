//! How bad an issue is, as SQL: the same as [`Gravity::of`], from constants alone.

use selfheal_core::health::Gravity;
use selfheal_core::rule::Priority;

/// The condition that an issue is as bad as this. `severity` is the SQL for the alert's label.
pub(crate) fn is(gravity: Gravity, severity: &str) -> String {
    let list = |words: &[&str]| format!("('{}')", words.join("', '"));
    let all: Vec<&str> = Gravity::NAMES.iter().flat_map(|(_, gravity)| gravity.words()).copied().collect();
    let priorities =
        Priority::NAMES.iter().filter(|(_, priority)| Gravity::of(None, Some(*priority)) == gravity);
    let priorities: Vec<&str> = priorities.map(|(name, _)| *name).collect();
    let without_rule = if Gravity::of(None, None) == gravity { " OR priority IS NULL" } else { "" };
    let (own, all, priorities) = (list(gravity.words()), list(&all), list(&priorities));
    format!(
        "(lower({severity}) IN {own} OR (coalesce(lower({severity}), '') NOT IN {all}
          AND (priority IN {priorities}{without_rule})))"
    )
}
