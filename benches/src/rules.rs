//! The rules that measurements use.

/// What the alerts of a measurement are called; numbered where there are several.
pub const ALERT: &str = "BenchAlert";

/// A rule's name and text.
pub type Rule = (String, String);

fn rule(name: String, alertname: &str, functions: &str) -> Rule {
    let text = format!(
        "//! For measurements.\n\nconst RULE = #{{\n    matchers: [`alertname=\"{alertname}\"`],\n    \
         priority: \"critical\",\n    cooldown: \"1h\",\n}};\n\n{functions}\n"
    );
    (name, text)
}

/// A rule for [`ALERT`] that writes a line to the log.
pub fn log() -> Rule {
    rule(
        "bench_log".to_owned(),
        ALERT,
        "fn plan(alert, seen) {\n    log::write(`for ${alert.labels.instance}`)\n}",
    )
}

/// A rule for [`ALERT`] that decides to do nothing.
pub fn skip() -> Rule {
    rule("bench_skip".to_owned(), ALERT, "fn plan(alert, seen) {\n    skip(\"it is a measurement\")\n}")
}

/// A rule that no alert of a measurement matches.
pub fn other() -> Rule {
    rule("bench_other".to_owned(), "SomethingElse", "fn plan(alert, seen) {\n    skip(\"never\")\n}")
}

/// So many rules, each for an alert name of its own, that write to the log.
pub fn many(count: usize) -> Vec<Rule> {
    let functions = "fn plan(alert, seen) {\n    log::write(`for ${alert.labels.instance}`)\n}";
    (0..count).map(|n| rule(format!("bench_{n:05}"), &format!("{ALERT}{n:05}"), functions)).collect()
}

/// So many rules that first ask the target `bench` about the alert's own list and then trim it.
pub fn asking(count: usize) -> Vec<Rule> {
    let functions = "fn observe(alert) {\n    #{ queue: redis::list_length(\"bench\", `bench-${alert.labels.instance}`) }\n}\n\n\
        fn plan(alert, seen) {\n    if seen.queue.length <= 10 { return skip(\"it is short enough\"); }\n    \
        redis::trim_list(\"bench\", `bench-${alert.labels.instance}`, 10, \"head\", 100)\n}";
    (0..count).map(|n| rule(format!("bench_{n:05}"), &format!("{ALERT}{n:05}"), functions)).collect()
}

#[cfg(test)]
mod tests {
    use crate::cases::compile;

    #[test]
    fn they_compile() {
        let all = [super::log(), super::skip(), super::other()].into_iter();
        let all = all.chain(super::many(2).into_iter().map(|(name, text)| (format!("many_{name}"), text)));
        assert_eq!(compile(all.chain(super::asking(2)).collect()).len(), 7);
    }
}
