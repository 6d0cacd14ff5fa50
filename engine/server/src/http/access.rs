//! Who may come in: the webhook's credentials, the API's tokens, and what each token's role is.
//!
//! Credentials are kept as SHA-256 digests and compared in constant time, each with all, so that neither an answer's
//! time nor a memory dump tells one. A server without credentials listens on loopback only (the configuration sees to
//! that); then a browser's page on the same machine is the one stranger left, and is recognised by its `Origin` and
//! `Host`.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::answer::Fault;
use crate::config::{ApiToken, LOCAL_NAME, Role, WebhookCredentials};

/// What the webhook's 401 says.
const WEBHOOK_HELP: &str = "set http_config.authorization.credentials (or basic_auth) of this receiver in Alertmanager's \
                            configuration to one of selfheal's intake.bearer_tokens (or intake.basic)";
/// What the API's 401 says.
const API_HELP: &str = "send `Authorization: Bearer <token>` with one of selfheal's api.tokens (SELFHEAL_TOKEN for the command line)";

/// Who calls the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name, as it stands in records.
    pub(super) name: String,
    /// What its holder may do.
    pub(super) role: Role,
    /// When its token is no longer taken.
    pub(super) expires: Option<Timestamp>,
}

/// The doors with their locks.
pub struct Access {
    /// Digests of what may follow `Bearer` at the webhook.
    bearer: Vec<Digest>,
    /// Digests of what may follow `Basic` at the webhook.
    basic: Vec<Digest>,
    tokens: Vec<Token>,
}

struct Token {
    digest: Digest,
    name: String,
    role: Role,
    expires: Option<Timestamp>,
}

/// SHA-256 of a credential.
#[derive(Clone, Copy)]
struct Digest([u8; 32]);

impl Digest {
    fn of(credential: &[u8]) -> Self {
        Self(Sha256::digest(credential).into())
    }

    fn equals(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Access {
    /// Locks the webhook with its credentials and the API with its tokens. A door without any is open to this machine.
    pub fn new(webhook: &WebhookCredentials, tokens: &[ApiToken]) -> Self {
        let bearer = webhook.bearer_tokens.iter().map(|token| Digest::of(token.expose().as_bytes()));
        let basic = webhook.basic.iter().map(|user| {
            let pair = format!("{}:{}", user.user, user.password.expose());
            Digest::of(STANDARD.encode(pair).as_bytes())
        });
        let tokens = tokens.iter().map(|token| Token {
            digest: Digest::of(token.token.expose().as_bytes()),
            name: token.name.clone(),
            role: token.role,
            expires: token.expires,
        });
        Self { bearer: bearer.collect(), basic: basic.collect(), tokens: tokens.collect() }
    }

    /// Whether a notification may come in.
    ///
    /// # Errors
    /// 401 for missing or wrong credentials, 403 for a browser's page at an open door.
    pub(super) fn webhook(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<(), Fault> {
        if self.bearer.is_empty() && self.basic.is_empty() {
            local_peer(peer)?;
            // Alertmanager sends no Origin; a browser's page always does.
            return match headers.contains_key(header::ORIGIN) {
                true => Err(forbidden("a browser's page may not post alerts", "send them from Alertmanager")),
                false => Ok(()),
            };
        }
        let found = match credentials(headers) {
            None => None,
            Some(Given::Bearer(token)) => Some(any(&self.bearer, token)),
            Some(Given::Basic(pair)) => Some(any(&self.basic, pair)),
        };
        match found {
            Some(true) => Ok(()),
            Some(false) => Err(self.webhook_fault("the credentials are not known")),
            None => Err(self.webhook_fault("credentials are missing")),
        }
    }

    fn webhook_fault(&self, error: &str) -> Fault {
        let challenge =
            if self.bearer.is_empty() { "Basic realm=\"selfheal\"" } else { "Bearer realm=\"selfheal\"" };
        unauthorized(error, challenge).help(WEBHOOK_HELP)
    }

    /// Who calls the API.
    ///
    /// # Errors
    /// 401 for a missing, wrong or expired token; 403 for a browser's page that reached an open door by another name.
    pub(super) fn api(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        now: Timestamp,
    ) -> Result<Caller, Fault> {
        const CHALLENGE: &str = "Bearer realm=\"selfheal\"";
        if self.tokens.is_empty() {
            local_peer(peer)?;
            local_host(headers)?;
            return Ok(Caller { name: LOCAL_NAME.to_owned(), role: Role::Admin, expires: None });
        }
        let Some(Given::Bearer(token)) = credentials(headers) else {
            return Err(unauthorized("a token is missing", CHALLENGE).help(API_HELP));
        };
        let digest = Digest::of(token);
        let mut found = None;
        for token in &self.tokens {
            // No early end: which entry fits must not show in the time.
            if bool::from(token.digest.equals(&digest)) {
                found = Some(token);
            }
        }
        let Some(token) = found else {
            return Err(unauthorized("the token is not known", CHALLENGE).help(API_HELP));
        };
        match token.expires {
            Some(expires) if expires <= now => {
                let error = format!("the token {:?} expired at {expires}", token.name);
                Err(unauthorized(error, "Bearer realm=\"selfheal\", error=\"invalid_token\"")
                    .help("ask for a new one, and replace it in api.tokens"))
            }
            _ => Ok(Caller { name: token.name.clone(), role: token.role, expires: token.expires }),
        }
    }
}

/// Refuses a changing request that another site's page has sent.
///
/// # Errors
/// 403 when there is an `Origin` that is not this server's.
pub(super) fn same_origin(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(forbidden(
            "the request comes from a page of another site",
            "call the API from its own address, or from outside a browser",
        )),
    }
}

/// Without credentials only this machine may come in, however the server came to listen elsewhere.
fn local_peer(peer: Option<SocketAddr>) -> Result<(), Fault> {
    match peer {
        Some(peer) if !peer.ip().to_canonical().is_loopback() => Err(forbidden(
            "without credentials only this machine may come in",
            "configure intake.bearer_tokens and api.tokens",
        )),
        _ => Ok(()),
    }
}

/// A page can give a name of its own to 127.0.0.1, and then shares an origin with this server; its name betrays it.
fn local_host(headers: &HeaderMap) -> Result<(), Fault> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    if name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    Err(forbidden(
        format!("without tokens this server answers to localhost, not to {name:?}"),
        "configure api.tokens to use it under another name",
    ))
}

/// What a request shows for itself.
enum Given<'h> {
    Bearer(&'h [u8]),
    Basic(&'h [u8]),
}

fn credentials(headers: &HeaderMap) -> Option<Given<'_>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(Given::Bearer(rest))
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        Some(Given::Basic(rest))
    } else {
        None
    }
}

fn any(known: &[Digest], given: &[u8]) -> bool {
    let given = Digest::of(given);
    known.iter().fold(Choice::from(0), |found, digest| found | digest.equals(&given)).into()
}

fn unauthorized(error: impl Into<String>, challenge: &'static str) -> Fault {
    let name: HeaderName = header::WWW_AUTHENTICATE;
    Fault::new(StatusCode::UNAUTHORIZED, error).header(name, HeaderValue::from_static(challenge))
}

fn forbidden(error: impl Into<String>, help: &str) -> Fault {
    Fault::new(StatusCode::FORBIDDEN, error).help(help)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
