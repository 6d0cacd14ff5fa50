//! What can be said about an address without connecting to it.

use super::section::Problem;
use super::suggest::suggest;

/// Checks `scheme://host[:port][/...]` against the schemes that the caller can use.
///
/// An address that is printed must not hold credentials, so `user:password@` is a problem of its own, and no
/// problem quotes the address.
pub(super) fn check(text: &str, schemes: &[&str]) -> Result<(), Problem> {
    let rest = check_scheme(text, schemes)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Problem::new("must not hold a user name or password")
            .help("take them out of the address and give them in their own fields")
            .secret());
    }
    check_authority(authority)
}

/// Checks the scheme only: drivers differ in what they take after it (several hosts, sockets, credentials).
pub(super) fn check_scheme<'a>(text: &'a str, schemes: &[&str]) -> Result<&'a str, Problem> {
    let expected = || {
        let forms: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        Problem::new(format!("expected an address that begins with {}", forms.join(" or ")))
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Problem::new("an address must not hold spaces or line breaks"));
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    if !schemes.contains(&scheme) {
        return Err(match suggest(scheme, schemes.iter().copied()) {
            Some(meant) => expected().help(format!("did you mean {meant}://?")),
            None => expected(),
        });
    }
    if rest.is_empty() {
        return Err(Problem::new("the address has no host"));
    }
    Ok(rest)
}

fn check_authority(authority: &str) -> Result<(), Problem> {
    // The colons of an IPv6 address are inside its brackets.
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) =
                rest.split_once(']').ok_or_else(|| Problem::new("the address has `[` without `]`"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(Problem::new("the address has no valid IPv6 host between `[` and `]`"));
            }
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(Problem::new("only a port can follow `]` in an address")),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(Problem::new("the address has no host"));
    }
    let in_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if let Some(wrong) = host.chars().find(|c| !in_host(*c)) {
        return Err(Problem::new(format!("a host must not hold {wrong:?}")));
    }
    match port.map(str::parse::<u16>) {
        None => Ok(()),
        Some(Ok(number)) if number > 0 => Ok(()),
        Some(_) => Err(Problem::new("the port must be between 1 and 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_in_form() {
        let cases = [
            ("http://127.0.0.1:9090", None),
            ("https://hooks.slack.com/services/T0/B0/x?y=1#z", None),
            ("http://[::1]:9093/", None),
            ("http://[::1]", None),
            ("http://prometheus.monitoring.svc", None),
            ("prometheus:9090", Some("expected an address that begins with http:// or https://")),
            ("ftp://host", Some("expected an address that begins with http:// or https://")),
            ("HTTP//host", Some("expected an address that begins with http:// or https://")),
            ("http://", Some("the address has no host")),
            ("http:///path", Some("the address has no host")),
            ("http://:80", Some("the address has no host")),
            ("http://ho st", Some("an address must not hold spaces or line breaks")),
            ("http://host\n", Some("an address must not hold spaces or line breaks")),
            ("http://a,b", Some("a host must not hold ','")),
            ("http://host:0", Some("the port must be between 1 and 65535")),
            ("http://host:65536", Some("the port must be between 1 and 65535")),
            ("http://host:", Some("the port must be between 1 and 65535")),
            ("http://[::1", Some("the address has `[` without `]`")),
            ("http://[x]", Some("the address has no valid IPv6 host between `[` and `]`")),
            ("http://[::1]9093", Some("only a port can follow `]` in an address")),
            ("http://u:p@host", Some("must not hold a user name or password")),
            ("http://host/p@th", None),
        ];
        for (text, expected) in cases {
            let found = check(text, &["http", "https"]).err().map(|problem| problem.text);
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
