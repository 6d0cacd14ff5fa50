//! Who may come in: credentials of the webhook, tokens of the API, and the rule that nothing is open to other machines.

use std::net::SocketAddr;

use jiff::Timestamp;
use selfheal_contract::settings::{Secret, Section};
use serde::Serialize;

use super::reading::{Moment, is_name, required_choice};
use super::shown;

/// The fewest characters of a token or password that selfheal itself checks: what is shorter can be guessed.
pub const SECRET_CHARS_MIN: usize = 16;
/// How many credentials of one kind the webhook may have, so that one can be replaced while another is in use.
pub const WEBHOOK_CREDENTIALS_MAX: usize = 4;
/// How many tokens the API may have.
pub const API_TOKENS_MAX: usize = 256;
/// How everybody is called who uses the API of a selfheal without tokens.
pub const LOCAL_NAME: &str = "local";

const NEW_TOKEN: &str = "make one with: openssl rand -hex 32";

/// A user name and a password for basic authentication.
#[derive(Debug, Clone, Serialize)]
pub struct BasicUser {
    /// The name; holds no colon.
    pub user: String,
    /// At least [`SECRET_CHARS_MIN`] characters.
    #[serde(serialize_with = "shown::secret")]
    pub password: Secret,
}

/// Who may post alerts: whoever has one of these. Without any, everybody on this machine; other machines never.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WebhookCredentials {
    /// Bearer tokens, 0 to [`WEBHOOK_CREDENTIALS_MAX`], each of at least [`SECRET_CHARS_MIN`] characters.
    #[serde(serialize_with = "shown::secrets")]
    pub bearer_tokens: Vec<Secret>,
    /// Users for basic authentication, 0 to [`WEBHOOK_CREDENTIALS_MAX`].
    pub basic: Vec<BasicUser>,
}

impl WebhookCredentials {
    /// Whether nothing is asked of those who post.
    pub fn is_open(&self) -> bool {
        self.bearer_tokens.is_empty() && self.basic.is_empty()
    }
}

/// What the holder of a token may do; each role may also do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See issues, remediations, rules and statistics.
    Viewer,
    /// Try alerts and rules by dry-run, turn the switch, let a rule go on despite a storm.
    Operator,
    /// Give and refuse approvals as well.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    /// All roles with their names, from the least.
    pub const NAMES: &[(&str, Self)] = &[
        ("viewer", Self::Viewer),
        ("operator", Self::Operator),
        ("approver", Self::Approver),
        ("admin", Self::Admin),
    ];

    /// The name, as it is configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// A token of the API.
#[derive(Debug, Clone, Serialize)]
pub struct ApiToken {
    /// Whose it is, for the record; unique.
    pub name: String,
    /// The token, at least [`SECRET_CHARS_MIN`] characters; unique.
    #[serde(serialize_with = "shown::secret")]
    pub token: Secret,
    /// What its holder may do.
    pub role: Role,
    /// From when on it is no longer taken; never, if absent.
    pub expires: Option<Timestamp>,
}

/// The HTTP API and the dashboard.
#[derive(Debug, Clone, Serialize)]
pub struct Api {
    /// The tokens. Without any, everybody on this machine is an admin called [`LOCAL_NAME`].
    pub tokens: Vec<ApiToken>,
}

/// Reads the webhook's credentials from `intake`.
pub(super) fn webhook(section: &mut Section<'_>) -> WebhookCredentials {
    let bearer_tokens = section.secrets("bearer_tokens");
    at_most(section, "bearer_tokens", bearer_tokens.len(), WEBHOOK_CREDENTIALS_MAX);
    if bearer_tokens.iter().any(is_short) {
        section.reject("bearer_tokens", too_short("a token"), Some(NEW_TOKEN));
    }
    let basic: Vec<BasicUser> = section.list("basic").into_iter().map(basic_user).collect();
    at_most(section, "basic", basic.len(), WEBHOOK_CREDENTIALS_MAX);
    WebhookCredentials { bearer_tokens, basic }
}

fn basic_user(mut section: Section<'_>) -> BasicUser {
    let user = section.text("user");
    if user.contains(':') {
        section.reject("user", "must not hold a colon, which ends the name in basic authentication", None);
    }
    let password = section.secret("password");
    if is_short(&password) {
        section.reject("password", too_short("a password"), Some(NEW_TOKEN));
    }
    section.finish();
    BasicUser { user, password }
}

/// Reads the section `api`.
pub(super) fn api(section: &mut Section<'_>) -> Api {
    let mut tokens: Vec<ApiToken> = Vec::new();
    for mut entry in section.list("tokens") {
        let Some(token) = api_token(&mut entry) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            entry.reject("name", format!("another token is called {:?} too", token.name), None);
        }
        // Before anybody can ask: no need for constant time.
        let same = |other: &ApiToken| other.token.expose() == token.token.expose();
        // One that is not known is like no other.
        if !token.token.expose().is_empty() && tokens.iter().any(same) {
            entry.reject("token", "another entry has the same token", Some(NEW_TOKEN));
        }
        tokens.push(token);
    }
    at_most(section, "tokens", tokens.len(), API_TOKENS_MAX);
    section.finish();
    Api { tokens }
}

fn api_token(section: &mut Section<'_>) -> Option<ApiToken> {
    let name = section.text("name");
    if !name.is_empty() && !is_name(&name) {
        section.reject("name", format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"), None);
    }
    let token = section.secret("token");
    if is_short(&token) {
        section.reject("token", too_short("a token"), Some(NEW_TOKEN));
    }
    let role = required_choice(section, "role", Role::NAMES);
    let expires = section.optional_parsed("expires").map(|Moment(at)| at);
    section.finish();
    Some(ApiToken { name, token, role: role?, expires })
}

/// Reports doors that would be open to other machines. A door counts as locked when something is written for its lock: if
/// that is faulty, it is reported as such.
pub(super) fn forbid_open_doors(
    root: &Section<'_>,
    listen: SocketAddr,
    webhook_locked: bool,
    api_locked: bool,
) {
    if listen.ip().to_canonical().is_loopback() {
        return;
    }
    if !webhook_locked {
        let problem =
            format!("{listen} can be reached from other machines, so the webhook needs credentials");
        let help =
            "add intake.bearer_tokens: [\"${WEBHOOK_TOKEN}\"] or intake.basic, or listen on 127.0.0.1:8400";
        root.reject("listen", problem, Some(help));
    }
    if !api_locked {
        let problem = format!("{listen} can be reached from other machines, so the API needs tokens");
        let help = "add api.tokens: [{name: ops, token: \"${API_TOKEN}\", role: admin}], or listen on 127.0.0.1:8400";
        root.reject("listen", problem, Some(help));
    }
}

/// Whether a secret can be guessed; an empty one was refused by the reader already.
pub(super) fn is_short(secret: &Secret) -> bool {
    (1..SECRET_CHARS_MIN).contains(&secret.expose().chars().count())
}

fn too_short(what: &str) -> String {
    format!("{what} needs at least {SECRET_CHARS_MIN} characters")
}

fn at_most(section: &Section<'_>, name: &str, found: usize, most: usize) {
    if found > most {
        section.reject(name, format!("at most {most} are possible, found {found}"), None);
    }
}
