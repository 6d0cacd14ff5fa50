//! Faults as a compiler would show them: place, problem, the line itself with a caret, what to do.
//!
//! What is shown ends up on terminals and in the logs of pipelines, so a line is cut where it would show a secret.

use std::fmt::Write;

use selfheal_contract::settings::Fault;

use super::origins::Origins;

/// How many characters of a line are shown.
const LINE_CHARS_MAX: usize = 160;
/// What the name of a key that holds a secret contains.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "secret", "token", "credential", "private_key", "api_key", "authorization"];

/// Shows each fault with the line of `text` that it stands on, or with where else its value came from. `file_name` is how
/// the operator knows the file. Ends with a line break.
pub fn render(faults: &[Fault], file_name: &str, text: &str, origins: &Origins) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut page = String::new();
    for (index, fault) in faults.iter().enumerate() {
        if index > 0 {
            page.push('\n');
        }
        let (place, line) = match origins.of(fault.at) {
            Some(origin) => (origin.to_string(), ""),
            None => {
                let line = lines.get(fault.at.line.saturating_sub(1)).copied().unwrap_or_default();
                (format!("{file_name}:{}", fault.at), line)
            }
        };
        write_fault(&mut page, fault, &place, line).expect("writing to a String cannot fail");
    }
    page
}

fn write_fault(page: &mut String, fault: &Fault, place: &str, line: &str) -> std::fmt::Result {
    write!(page, "{place}: ")?;
    if !fault.path.as_str().is_empty() {
        write!(page, "{}: ", printable(fault.path.as_str()))?;
    }
    writeln!(page, "{}", printable(&fault.problem))?;

    let number = fault.at.line.to_string();
    let margin = " ".repeat(number.len());
    if let Some(shown) = excerpt(fault, line) {
        let before = shown.chars().take(fault.at.column.saturating_sub(1));
        // A tab stays a tab, so that the caret stands under its character.
        let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
        writeln!(page, "{number} | {shown}")?;
        writeln!(page, "{margin} | {indent}^")?;
    }
    match &fault.help {
        Some(help) => writeln!(page, "{margin} = help: {}", printable(help)),
        None => Ok(()),
    }
}

/// The line as far as it may be shown; `None` if there is nothing to see, or a secret beside the fault.
fn excerpt(fault: &Fault, line: &str) -> Option<String> {
    let start = fault.at.column.saturating_sub(1);
    let (before, rest) = match line.char_indices().nth(start) {
        Some((byte, _)) => line.split_at(byte),
        None => (line, ""),
    };
    if line.trim().is_empty() || start > LINE_CHARS_MAX || shows_secret(before) {
        return None;
    }
    let shown = match key_end(rest) {
        // A fault of a key: the value has no part in it, and under a mistyped name may be a secret.
        Some(end) if rest[end..].trim().is_empty() => format!("{before}{}", &rest[..end]),
        Some(end) => format!("{before}{} ...", &rest[..end]),
        None if is_secret(fault) && !rest.starts_with("${") => format!("{before}***"),
        None if shows_secret(line) => return None,
        None => line.to_owned(),
    };
    Some(printable(&shown.chars().take(LINE_CHARS_MAX).collect::<String>()))
}

/// Where the key ends, with its colon, if one begins the text.
fn key_end(text: &str) -> Option<usize> {
    let end = match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].find(quote)? + 2,
        _ => text.find(": ").or_else(|| text.trim_end().strip_suffix(':').map(str::len))?,
    };
    let key = &text[..end];
    let after = text[end..].strip_prefix(':')?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '<');
    let is_key = key.starts_with(['"', '\'']) || key.chars().all(is_name);
    (is_key && (after.is_empty() || after.starts_with(char::is_whitespace))).then_some(end + 1)
}

/// Whether a value stands after the name of a secret, or credentials in an address.
fn shows_secret(line: &str) -> bool {
    let lower = line.to_lowercase();
    let named = SECRET_NAMES.iter().any(|name| {
        lower.match_indices(name).any(|(at, _)| {
            let value = lower[at..].split_once(':').map_or("", |(_, value)| value.trim());
            !value.is_empty() && !value.trim_start_matches(['"', '\'']).starts_with("${")
        })
    });
    let has_credentials = |word: &str| word.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    named || line.split_whitespace().any(has_credentials)
}

fn is_secret(fault: &Fault) -> bool {
    let path = fault.path.as_str().to_lowercase();
    fault.secret || SECRET_NAMES.iter().any(|name| path.contains(name))
}

/// The text without control characters, which could rewrite a terminal; tabs stay.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
