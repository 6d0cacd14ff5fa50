//! The adapter's section of the configuration: raw to checked, without touching a target.

use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::HeaderValue;
use selfheal_contract::settings::Section;
use selfheal_core::span::Span;

/// The longest text that is looked for, in bytes.
const CONTAINS_BYTES_MAX: usize = 4096;

/// One target, checked.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) timeout: Span,
    pub(crate) kind: Kind,
}

/// What is asked.
pub(crate) enum Kind {
    Http(Box<Page>),
    /// The host and the port.
    Tcp(String, u16),
}

/// A page, and what it must answer.
pub(crate) struct Page {
    pub(crate) url: Url,
    /// The status; any of 200 to 299 without one.
    pub(crate) status: Option<u16>,
    /// A text that must be in the body.
    pub(crate) contains: Option<String>,
    /// The header with the bearer token.
    pub(crate) token: Option<HeaderValue>,
    /// The certificates to trust instead of the system's; a PEM file.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Reads the section; faults go to its collector.
pub(crate) fn check(section: &mut Section<'_>) -> Vec<Target> {
    let targets = section.map("targets").into_iter().filter_map(|(name, target)| self::target(name, target));
    let targets = targets.collect();
    section.finish();
    targets
}

fn target(name: &str, mut section: Section<'_>) -> Option<Target> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let kind = if section.has("tcp") { "tcp" } else { "http" };
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let problem = "a target's name is 1 to 64 letters, digits, dots, dashes or underscores";
        section.reject(kind, format!("{problem}; found {name:?}"), None);
    }
    let timeout =
        section.span_or("timeout", Span::from_secs(3), Span::from_millis(100)..=Span::from_secs(30));
    if section.has("tcp") && section.has("http") {
        section.reject("tcp", "a target has either http or tcp", Some("make two targets of it"));
    }
    let kind = if section.has("tcp") { tcp(&mut section) } else { http(&mut section) };
    section.finish();
    Some(Target { name: name.to_owned(), timeout, kind: kind? })
}

fn tcp(section: &mut Section<'_>) -> Option<Kind> {
    // Asked for here, so that both are not called unknown beside their own fault.
    section.node("http");
    let text = section.text("tcp");
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match parts {
        Some((host, port)) if port > 0 && !host.is_empty() && !host.contains(['/', '@', ' ']) => {
            // An IPv6 address stands in brackets, which the system's resolver does not know.
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            Some(Kind::Tcp(host.to_owned(), port))
        }
        _ if text.is_empty() => None,
        _ => {
            let problem = format!("expected a host and a port, found {text:?}");
            section.reject("tcp", problem, Some("write it as db.example.com:5432 or [::1]:5432"));
            None
        }
    }
}

fn http(section: &mut Section<'_>) -> Option<Kind> {
    let url = section.url("http", &["http", "https"]);
    let status = section.optional_integer("status", 100_u16..=599);
    let contains = section.optional_text("contains");
    if let Some(text) = contains.as_ref().filter(|text| text.len() > CONTAINS_BYTES_MAX) {
        let problem =
            format!("the text has {} bytes, at most {CONTAINS_BYTES_MAX} are looked for", text.len());
        section.reject("contains", problem, None);
    }
    let token = section.optional_secret("token").and_then(|token| {
        let header = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok();
        if header.is_none() {
            let help = "a file that it came from may end with a line break";
            section.reject("token", "must not hold line breaks or control characters", Some(help));
        }
        header.map(|mut header| {
            header.set_sensitive(true);
            header
        })
    });
    let ca_file = section.optional_text("ca_file").map(PathBuf::from);
    if url.is_empty() {
        return None;
    }
    match Url::parse(&url) {
        Ok(url) => Some(Kind::Http(Box::new(Page { url, status, contains, token, ca_file }))),
        Err(fault) => {
            section.reject("http", format!("is no address: {fault}"), None);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfheal_contract::settings::{Collector, Key, Location, Node, Value};

    const AT: Location = Location::START;

    fn map(entries: impl IntoIterator<Item = (String, Node)>) -> Node {
        let entries = entries.into_iter().map(|(name, node)| (Key { name, at: AT }, node)).collect();
        Node { value: Value::Map(entries), at: AT }
    }

    /// The settings of a target.
    type Settings<'a> = &'a [(&'a str, &'a str)];

    fn check_target(name: &str, entries: Settings<'_>) -> Result<Vec<Target>, String> {
        // As variables are read: whatever the field asks for.
        let text = |text: &str| Node { value: Value::Open(text.to_owned()), at: AT };
        let target = map(entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))));
        let root = map([("targets".to_owned(), map([(name.to_owned(), target)]))]);
        let collector = Collector::default();
        let targets = check(&mut Section::root(&root, &collector));
        collector.accept(targets).map_err(|faults| faults.to_string())
    }

    #[test]
    fn targets_are_read() {
        for (text, host, port) in [
            ("db.example.com:5432", "db.example.com", 5432),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:5432", "::1", 5432),
        ] {
            let targets = check_target("db", &[("tcp", text)]).unwrap();
            assert!(
                matches!(&targets[0].kind, Kind::Tcp(found, to) if found == host && *to == port),
                "{text}"
            );
            assert_eq!(targets[0].timeout, Span::from_secs(3));
        }
        let given = [
            ("http", "https://shop/health?x=1"),
            ("status", "204"),
            ("contains", "ok"),
            ("token", "t"),
            ("timeout", "1s"),
        ];
        let targets = check_target("shop", &given).unwrap();
        let Kind::Http(page) = &targets[0].kind else { panic!("no page") };
        assert_eq!(page.url.as_str(), "https://shop/health?x=1");
        assert_eq!((page.status, page.contains.as_deref()), (Some(204), Some("ok")));
        assert!(page.token.as_ref().unwrap().is_sensitive());
    }

    #[test]
    fn faults_are_told_and_secrets_are_not() {
        let page = ("http", "http://shop");
        let long = "x".repeat(CONTAINS_BYTES_MAX + 1);
        let cases: &[(&str, Settings<'_>, &str)] = &[
            ("a", &[], "required"),
            ("a b", &[page], "a target's name"),
            ("a", &[page, ("tcp", "db:1")], "either http or tcp"),
            ("a", &[("tcp", "db")], "expected a host and a port"),
            ("a", &[("tcp", "db:0")], "expected a host and a port"),
            ("a", &[("tcp", ":1")], "expected a host and a port"),
            ("a", &[("tcp", "http://db:1")], "expected a host and a port"),
            ("a", &[("tcp", "db:1"), ("status", "200")], "unknown key"),
            ("a", &[("http", "shop")], "http:// or https://"),
            ("a", &[("http", "http://u:hunter2@shop")], "user name or password"),
            ("a", &[page, ("status", "99")], "between 100 and 599"),
            ("a", &[page, ("contains", &long)], "4097 bytes"),
            ("a", &[page, ("token", "hunter2\n")], "line breaks"),
            ("a", &[page, ("timeout", "31s")], "timeout"),
            ("a", &[page, ("statu", "200")], "did you mean \"status\""),
        ];
        for (name, entries, expected) in cases {
            let faults = check_target(name, entries).err().unwrap_or_else(|| panic!("{entries:?}"));
            assert!(faults.contains(expected), "{entries:?}: {faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
    }
}
