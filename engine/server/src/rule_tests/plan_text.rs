//! A plan as tests write it: one line a step, with its options below, indented.

use selfheal_core::plan::{Plan, STEP_TIMEOUT_DEFAULT, Step};

/// The lines of a plan.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    write(plan, 0, &mut lines);
    lines
}

fn write(plan: &Plan, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let (word, parts) = match plan {
        Plan::Step(step) => return write_step(step, &indent, lines),
        Plan::Sequence(parts) => ("sequence", parts),
        Plan::Fallback(parts) => ("fallback", parts),
    };
    lines.push(format!("{indent}{word}"));
    parts.iter().for_each(|part| write(part, depth + 1, lines));
}

fn write_step(step: &Step, indent: &str, lines: &mut Vec<String>) {
    let options = &step.options;
    lines.push(format!("{indent}{}", step.action.text()));
    let mut option = |text: String| lines.push(format!("{indent}  {text}"));
    if let Some(verify) = &options.verify {
        option(format!("verify {} within {}", verify.condition, verify.within));
    }
    if let Some(retry) = &options.retry {
        option(format!("retry {} times, first after {}", retry.times, retry.first_delay));
    }
    if options.timeout.duration() != STEP_TIMEOUT_DEFAULT {
        option(format!("timeout {}", options.timeout));
    }
    if let Some(after) = &options.revert_after {
        option(format!("revert after {after}"));
    }
    if options.keep_on_failure {
        option("keep on failure".to_owned());
    }
    if let Some(why) = &options.needs_approval {
        option(format!("needs approval: {why}"));
    }
}
