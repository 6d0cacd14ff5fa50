//! Who comes in and who does not, as tables.

use selfheal_contract::settings::Secret;

use super::*;
use crate::config::BasicUser;

const NEW: &str = "new-webhook-token-0123456789";
const OLD: &str = "old-webhook-token-0123456789";

/// Headers as a case writes them.
type Headers<'c> = &'c [(&'c str, &'c str)];

fn headers(given: Headers<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn webhook_credentials() -> WebhookCredentials {
    WebhookCredentials {
        bearer_tokens: vec![Secret::new(NEW), Secret::new(OLD)],
        basic: vec![BasicUser {
            user: "alertmanager".into(), password: Secret::new("päss:word-0123456789")
        }],
    }
}

fn tokens() -> Vec<ApiToken> {
    let token = |name: &str, role, expires: Option<&str>| ApiToken {
        name: name.into(),
        token: Secret::new(format!("token-of-{name}-0123456789")),
        role,
        expires: expires.map(|at| at.parse().unwrap()),
    };
    vec![
        token("watcher", Role::Viewer, None),
        token("ops", Role::Operator, Some("2027-01-01T00:00:00Z")),
        token("past", Role::Admin, Some("2026-01-01T00:00:00Z")),
    ]
}

fn status<T>(result: Result<T, Fault>) -> u16 {
    result.err().map_or(200, |fault| fault.status.as_u16())
}

#[test]
fn the_webhook_takes_every_live_credential_and_no_other() {
    let access = Access::new(&webhook_credentials(), &[]);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let cases = [
        (Some(format!("Bearer {NEW}")), 200),
        (Some(format!("Bearer {OLD}")), 200),
        (Some(format!("bearer   {OLD}  ")), 200),
        (Some(basic("alertmanager:päss:word-0123456789")), 200),
        (Some(basic("alertmanager:wrong")), 401),
        (Some(basic("somebody:päss:word-0123456789")), 401),
        (Some(basic("")), 401),
        (Some(format!("Bearer {NEW}x")), 401),
        (Some(format!("Bearer {}", &NEW[1..])), 401),
        (Some("Bearer ".to_owned()), 401),
        (Some("Bearer".to_owned()), 401),
        (Some(format!("Basic {NEW}")), 401),
        (Some(format!("Digest {NEW}")), 401),
        (Some(NEW.to_owned()), 401),
        (None, 401),
    ];
    for (authorization, expected) in cases {
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        // Latin-1 or not: what is compared are bytes.
        let found = access.webhook(&self::headers(&headers), None);
        if let Err(fault) = &found {
            assert!(fault.to_string().contains("intake.bearer_tokens"), "{fault}");
        }
        assert_eq!(status(found), expected, "{authorization:?}");
    }
}

#[test]
fn an_open_webhook_is_open_to_this_machine_but_not_to_pages() {
    let access = Access::new(&WebhookCredentials::default(), &[]);
    let peer = |address: &str| Some(address.parse().unwrap());
    let cases: [(Headers<'_>, Option<SocketAddr>, u16); 6] = [
        (&[], peer("127.0.0.1:5000"), 200),
        (&[], peer("[::1]:5000"), 200),
        (&[], peer("[::ffff:127.0.0.1]:5000"), 200),
        (&[("authorization", "Bearer anything")], peer("127.0.0.1:5000"), 200),
        (&[], peer("192.0.2.7:5000"), 403),
        (&[("origin", "http://127.0.0.1:8400")], peer("127.0.0.1:5000"), 403),
    ];
    for (given, peer, expected) in cases {
        assert_eq!(status(access.webhook(&headers(given), peer)), expected, "{given:?} from {peer:?}");
    }
}

#[test]
fn tokens_have_names_roles_and_an_end() {
    let access = Access::new(&WebhookCredentials::default(), &tokens());
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let later: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let cases = [
        (Some("Bearer token-of-watcher-0123456789"), now, Ok(("watcher", Role::Viewer))),
        (Some("Bearer token-of-ops-0123456789"), now, Ok(("ops", Role::Operator))),
        (
            Some("Bearer token-of-ops-0123456789"),
            later,
            Err((401, "\"ops\" expired at 2027-01-01T00:00:00Z")),
        ),
        (Some("Bearer token-of-past-0123456789"), now, Err((401, "expired"))),
        (Some("Bearer token-of-nobody-0123456789"), now, Err((401, "not known"))),
        (Some("Basic token-of-watcher-0123456789"), now, Err((401, "missing"))),
        (None, now, Err((401, "missing"))),
    ];
    for (authorization, at, expected) in cases {
        let given: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", *value)).collect();
        match (access.api(&headers(&given), None, at), expected) {
            (Ok(caller), Ok((name, role))) => assert_eq!((caller.name.as_str(), caller.role), (name, role)),
            (Err(fault), Err((status, part))) => {
                assert_eq!(fault.status.as_u16(), status, "{authorization:?}");
                assert!(fault.to_string().contains(part), "{authorization:?}: {fault}");
            }
            (found, _) => panic!("{authorization:?} at {at}: {found:?}"),
        }
    }
}

#[test]
fn without_tokens_everybody_on_this_machine_is_admin_unless_a_page_renamed_it() {
    let access = Access::new(&webhook_credentials(), &[]);
    let cases = [
        (Some("127.0.0.1:8400"), 200),
        (Some("localhost"), 200),
        (Some("LOCALHOST:8400"), 200),
        (Some("[::1]:8400"), 200),
        (Some("127.9.9.9"), 200),
        (Some("evil.example:8400"), 403),
        (Some("127.0.0.1.evil.example"), 403),
        (Some("localhost.evil.example:8400"), 403),
        (Some("10.0.0.1:8400"), 403),
        (None, 403),
    ];
    for (host, expected) in cases {
        let given: Vec<(&str, &str)> = host.iter().map(|host| ("host", *host)).collect();
        let found = access.api(&headers(&given), Some("127.0.0.1:1".parse().unwrap()), Timestamp::UNIX_EPOCH);
        assert_eq!(status(found), expected, "{host:?}");
    }
    let elsewhere = access.api(
        &headers(&[("host", "localhost")]),
        Some("192.0.2.7:1".parse().unwrap()),
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(status(elsewhere), 403);
}

#[test]
fn other_sites_pages_change_nothing() {
    let cases: [(Headers<'_>, u16); 7] = [
        (&[("host", "selfheal:8400")], 200),
        (&[("host", "selfheal:8400"), ("origin", "http://selfheal:8400")], 200),
        (&[("host", "selfheal"), ("origin", "https://SELFHEAL")], 200),
        (&[("host", "selfheal:8400"), ("origin", "http://selfheal:3000")], 403),
        (&[("host", "selfheal:8400"), ("origin", "http://evil.example")], 403),
        (&[("host", "selfheal:8400"), ("origin", "null")], 403),
        (&[("origin", "http://selfheal")], 403),
    ];
    for (given, expected) in cases {
        assert_eq!(status(same_origin(&headers(given))), expected, "{given:?}");
    }
}
