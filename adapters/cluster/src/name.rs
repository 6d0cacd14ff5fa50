//! Names that come from labels and rules, checked before they become part of an address: RFC 1123, as the API server
//! itself wants them, so that a hostile label can never lead to another address.

use selfheal_contract::Failure;

/// Characters of a foreign text that a message shows.
const SHOWN_CHARS_MAX: usize = 80;

/// Bytes of a label selector.
const SELECTOR_BYTES_MAX: usize = 1024;

/// A foreign text in a message: quoted, control characters escaped, cut.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A part of an [`Assessment`](selfheal_contract::Assessment)'s target: escaped, so that it breaks no line or path.
pub fn part(text: &str) -> String {
    text.escape_default().to_string().replace('/', "\\u{2f}")
}

/// Checks the name of a namespace, a service or another thing whose name is one DNS label.
///
/// # Errors
/// `Refused`, naming `what` and the offending value.
pub fn label_name(what: &str, name: &str) -> Result<(), Failure> {
    if is_label(name) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{what} {} is no name: expected 1 to 63 lower-case letters, digits and dashes, beginning and ending with a \
         letter or digit",
        quoted(name)
    )))
}

/// Checks the name of an object: DNS labels joined by dots.
///
/// # Errors
/// `Refused`, naming `what` and the offending value.
pub fn object_name(what: &str, name: &str) -> Result<(), Failure> {
    if name.len() <= 253 && name.split('.').all(|label| is_label_of(label, 253)) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{what} {} is no name: expected 1 to 253 lower-case letters, digits, dashes and dots, every part between dots \
         beginning and ending with a letter or digit",
        quoted(name)
    )))
}

/// Checks a label selector: `app=web,tier!=cache,env in (a, b),!legacy`. An empty one selects everything, which is never
/// what a rule means.
///
/// # Errors
/// `Refused`, with what was found.
pub fn selector(selector: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./=!,() ".contains(c);
    let fault = if selector.trim().is_empty() {
        "it is empty and would select every pod"
    } else if selector.len() > SELECTOR_BYTES_MAX {
        "it is longer than 1024 bytes"
    } else if !selector.chars().all(allowed) {
        "it holds a character that no label has"
    } else if selector.split(',').any(|part| part.trim_end().ends_with('=')) {
        "the value of a label is empty"
    } else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "the selector {} cannot be used: {fault}; expected a form such as \"app=web,tier!=cache\"",
        quoted(selector)
    )))
}

fn is_label(name: &str) -> bool {
    is_label_of(name, 63)
}

fn is_label_of(name: &str, bytes_max: usize) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= bytes_max
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rfc_1123() {
        let long = "a".repeat(64);
        let cases = [
            ("web", true, true),
            ("web-1", true, true),
            ("1", true, true),
            ("a.b-c.d", false, true),
            ("", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("A", false, false),
            ("a_b", false, false),
            ("a..b", false, false),
            (".", false, false),
            ("..", false, false),
            ("a/b", false, false),
            ("a%2fb", false, false),
            ("a?x=y", false, false),
            ("a\nb", false, false),
            ("ä", false, false),
            (long.as_str(), false, true),
        ];
        for (name, label, object) in cases {
            assert_eq!(label_name("the namespace", name).is_ok(), label, "{name:?}");
            assert_eq!(object_name("the pod", name).is_ok(), object, "{name:?}");
        }
        assert!(object_name("the pod", &"a".repeat(254)).is_err());
        let text = label_name("the namespace", "x\u{1b}[31m").unwrap_err().what;
        assert!(text.starts_with("the namespace \"x\\u{1b}[31m\" is no name"), "{text}");
    }

    #[test]
    fn selectors_select_something() {
        for (text, fine) in [
            ("app=web", true),
            ("app=web,tier!=cache", true),
            ("env in (a, b),!legacy", true),
            ("app.kubernetes.io/name=web", true),
            ("", false),
            ("  ", false),
            ("app=", false),
            ("app=,x=y", false),
            ("a=b&limit=1", false),
            ("a=b\nc", false),
        ] {
            assert_eq!(selector(text).is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn foreign_texts_are_shown_tamely() {
        assert_eq!(part("a/b\n"), "a\\u{2f}b\\n");
        assert_eq!(quoted(&"x".repeat(100)).len(), 80 + 2 + 3);
    }
}
