//! The section `prometheus` of the configuration: which server, as whom, and what counts as fresh.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderValue;
use selfheal_contract::settings::{Secret, Section};
use selfheal_contract::{Adapter, Prepared};
use selfheal_core::span::Span;

use crate::client::{Credentials, Server};
use crate::{adapter, tls};

/// The checked settings.
pub(crate) struct Settings {
    server: Option<ServerSettings>,
}

/// What is known when there is an address.
pub(crate) struct ServerSettings {
    /// The address of the API's `query`, with the prefix under which the server lives.
    pub(crate) endpoint: Url,
    /// As whom to ask.
    pub(crate) credentials: Credentials,
    /// The certificates to trust instead of the system's; a PEM file.
    pub(crate) ca_file: Option<PathBuf>,
    /// The time for one exchange, waiting for a free connection included.
    pub(crate) timeout: Span,
    /// The age beyond which a sample proves nothing.
    pub(crate) stale_after: Span,
}

impl Settings {
    /// Reads the section; what is wrong goes to its collector.
    pub(crate) fn check(section: &mut Section<'_>) -> Self {
        let url = section.optional_url("url", &["http", "https"]);
        let credentials = credentials(section);
        let ca_file = section.optional_text("ca_file").map(PathBuf::from);
        let timeout =
            section.span_or("timeout", Span::from_secs(2), Span::from_millis(100)..=Span::from_secs(60));
        let stale_after =
            section.span_or("stale_after", Span::from_mins(5), Span::from_secs(5)..=Span::from_hours(6));
        section.finish();
        let server = url.and_then(|url| endpoint(section, &url)).map(|endpoint| ServerSettings {
            endpoint,
            credentials,
            ca_file,
            timeout,
            stale_after,
        });
        Self { server }
    }
}

fn endpoint(section: &Section<'_>, url: &str) -> Option<Url> {
    let mut endpoint = match Url::parse(url) {
        Ok(endpoint) => endpoint,
        Err(fault) => {
            section.reject("url", format!("is no address: {fault}"), None);
            return None;
        }
    };
    if endpoint.query().is_some() || endpoint.fragment().is_some() {
        let help = "give the address under which Prometheus' start page is, such as http://prometheus:9090";
        section.reject("url", "must not have a part that begins with `?` or `#`", Some(help));
        return None;
    }
    let path = format!("{}/api/v1/query", endpoint.path().trim_end_matches('/'));
    endpoint.set_path(&path);
    Some(endpoint)
}

fn credentials(section: &mut Section<'_>) -> Credentials {
    let token = section.optional_secret("token");
    let user = section.optional_text("user");
    let password = section.optional_secret("password");
    match (token, user, password) {
        (None, None, None) => Credentials::None,
        (Some(token), None, None) => bearer(section, &token),
        (None, Some(user), Some(password)) => basic(section, user, password),
        (None, user, _) => {
            let (absent, present) = if user.is_some() { ("password", "user") } else { ("user", "password") };
            section.reject(absent, format!("required with `{present}`, but missing"), None);
            Credentials::None
        }
        (Some(_), ..) => {
            let help = "keep the one that the server, or the proxy before it, asks for";
            section.reject("token", "cannot be used together with `user` and `password`", Some(help));
            Credentials::None
        }
    }
}

fn bearer(section: &Section<'_>, token: &Secret) -> Credentials {
    if let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", token.expose())) {
        header.set_sensitive(true);
        return Credentials::Bearer(header);
    }
    let help = "a file that it came from may end with a line break";
    section.reject("token", "must not hold line breaks or control characters", Some(help));
    Credentials::None
}

fn basic(section: &Section<'_>, user: String, password: Secret) -> Credentials {
    if user.contains(':') {
        section.reject("user", "must not hold `:`, which HTTP takes for the beginning of the password", None);
    }
    Credentials::Basic { user, password }
}

impl Prepared for Settings {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let Some(settings) = self.server else { return Ok(adapter(None)) };
        let tls = tls::client_config(settings.endpoint.scheme() == "https", settings.ca_file.as_deref())?;
        Ok(adapter(Some(Arc::new(Server::new(settings, tls)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfheal_contract::settings::{Collector, Key, Location, Node, Value};

    /// A flat section of texts; none is what a file without the section gives.
    fn check(entries: &[(&str, &str)]) -> Result<Settings, String> {
        let at = Location::START;
        let entry = |(name, text): &(&str, &str)| {
            (Key { name: (*name).to_owned(), at }, Node { value: Value::Text((*text).to_owned()), at })
        };
        let node = Node { value: Value::Map(entries.iter().map(entry).collect()), at };
        let collector = Collector::default();
        let settings = Settings::check(&mut Section::root(&node, &collector));
        collector.accept(settings).map_err(|faults| faults.to_string())
    }

    #[test]
    fn addresses_become_endpoints() {
        let cases = [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090/api/v1/query"),
            ("http://127.0.0.1:9090/", "http://127.0.0.1:9090/api/v1/query"),
            ("https://host/prometheus/", "https://host/prometheus/api/v1/query"),
        ];
        for (url, expected) in cases {
            let server = check(&[("url", url)]).unwrap().server.unwrap();
            assert_eq!(server.endpoint.as_str(), expected, "{url}");
            assert_eq!(server.timeout, Span::from_secs(2));
            assert_eq!(server.stale_after, Span::from_mins(5));
            assert!(matches!(server.credentials, Credentials::None));
        }
        assert!(check(&[]).unwrap().server.is_none());
    }

    #[test]
    fn credentials_are_one_kind() {
        let url = ("url", "http://host");
        let kind = |entries: &[(&str, &str)]| check(entries).unwrap().server.unwrap().credentials;
        assert!(matches!(kind(&[url, ("token", "t")]), Credentials::Bearer(_)));
        assert!(matches!(kind(&[url, ("user", "u"), ("password", "p")]), Credentials::Basic { .. }));
    }

    #[test]
    fn faults_are_told_and_secrets_are_not() {
        let url = ("url", "http://host");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("url", "host:9090")], "http:// or https://"),
            (&[("url", "http://u:hunter2@host")], "user name or password"),
            (&[("url", "http://host/?a=b")], "`?` or `#`"),
            (&[url, ("token", "hunter2"), ("user", "u")], "together"),
            (&[url, ("user", "u")], "password: required with `user`"),
            (&[url, ("password", "hunter2")], "user: required with `password`"),
            (&[url, ("user", "a:b"), ("password", "hunter2")], "`:`"),
            (&[url, ("token", "hunter2\n")], "line breaks"),
            (&[url, ("timeout", "0s")], "timeout"),
            (&[url, ("stale_after", "1y")], "stale_after"),
            (&[url, ("tokn", "hunter2")], "did you mean \"token\""),
        ];
        for (entries, expected) in cases {
            let faults = check(entries).err().unwrap_or_else(|| panic!("{entries:?}"));
            assert!(faults.contains(expected), "{entries:?}: {faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
    }

    #[test]
    fn an_unreadable_certificate_keeps_it_from_connecting() {
        let settings = check(&[("url", "https://host"), ("ca_file", "/nowhere/ca.pem")]).unwrap();
        let fault = Box::new(settings).connect().err().unwrap();
        assert!(fault.contains("ca_file") && fault.contains("/nowhere/ca.pem"), "{fault}");
    }
}
