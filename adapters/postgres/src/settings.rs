//! The section `postgres` of the configuration: pure checks, and then connectors for what was found.
//!
//! ```yaml
//! postgres:
//!   connect_timeout: 2s
//!   statement_timeout: 5s
//!   maintenance_timeout: 10m
//!   targets:
//!     main:
//!       url: postgres://selfheal@db.internal:5432/app     # or host, port, database, user
//!       password: ${file:/run/secrets/postgres}
//!       tls: verify-full
//!       protected_users: [billing]
//! ```

use std::time::Duration;

use selfheal_contract::settings::{Secret, Section};
use selfheal_contract::{Adapter, Prepared};
use selfheal_core::span::Span;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::pool::Limits;
use crate::server::Server;
use crate::servers::{Servers, adapter};
use crate::tls::Tls;

/// A target's name is a part of texts, metrics and resource names.
const NAME_BYTES_MAX: usize = 63;

/// One target whose settings are fine.
struct Target {
    name: String,
    config: Config,
    tls: Tls,
    authorities: Option<Secret>,
    protected_users: Vec<String>,
}

/// The whole section, checked.
struct Checked {
    limits: Limits,
    targets: Vec<Target>,
}

/// Checks the section and reports all that is wrong with it.
pub(crate) fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    let mut span = |name, default, range| Duration::from(section.span_or(name, default, range));
    let limits = Limits {
        connect: span("connect_timeout", Span::from_secs(2), Span::from_millis(100)..=Span::from_mins(1)),
        statement: span("statement_timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(5)),
        maintenance: span(
            "maintenance_timeout",
            Span::from_mins(10),
            Span::from_secs(1)..=Span::from_hours(24),
        ),
    };
    let mut targets = Vec::new();
    for (name, target) in section.map("targets") {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(plain) {
            let problem = format!("a target's name is 1 to {NAME_BYTES_MAX} letters, digits, - or _");
            section.reject(
                "targets",
                problem,
                Some("rules name the target by it: pg::connections(\"main\")"),
            );
        }
        targets.push(check_target(name, target));
    }
    section.finish();
    Box::new(Checked { limits, targets })
}

fn check_target(name: &str, mut section: Section<'_>) -> Target {
    let mut config = match section.optional_secret_url("url", &["postgres", "postgresql"]) {
        Some(url) => from_url(&mut section, &url),
        None if section.has("url") => Config::new(),
        None => from_fields(&mut section),
    };
    if let Some(password) = section.optional_secret("password") {
        if config.get_password().is_some() {
            section.reject(
                "password",
                "the address in url holds a password already",
                Some("keep one of them"),
            );
        }
        config.password(password.expose());
    }
    let by_url = match config.get_ssl_mode() {
        SslMode::Disable => Tls::Disable,
        SslMode::Require => Tls::Require,
        _ => Tls::Prefer,
    };
    let tls = section.one_of("tls", &Tls::CHOICES, by_url);
    let authorities = section.optional_secret("ca");
    if authorities.is_some() && !matches!(tls, Tls::Require | Tls::VerifyFull) {
        section.reject("ca", "an authority is only asked with tls: require or verify-full", Some("set tls"));
    }
    let protected_users = section.texts("protected_users");
    section.finish();
    Target { name: name.to_owned(), config, tls, authorities, protected_users }
}

fn from_url(section: &mut Section<'_>, url: &Secret) -> Config {
    for name in ["host", "port", "database", "user"] {
        if section.has(name) {
            section.reject(
                name,
                "is given by url already",
                Some("use either url or host, port, database, user"),
            );
        }
        // Asked for, so that it is not reported as unknown too.
        section.node(name);
    }
    match url.expose().parse::<Config>() {
        Ok(config) if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() => {
            section.reject(
                "url",
                "the address has no host",
                Some("write postgres://user@host:5432/database"),
            );
            config
        }
        Ok(config) if config.get_user().is_none() => {
            section.reject(
                "url",
                "the address has no user",
                Some("write postgres://user@host:5432/database"),
            );
            config
        }
        Ok(config) => config,
        Err(_) if url.expose().contains("sslmode=verify") => {
            let help = "take sslmode out of the address and set tls: verify-full";
            section.reject("url", "the driver does not know this sslmode", Some(help));
            Config::new()
        }
        // The driver's own text may quote a part of the address, and so of the password.
        Err(_) => {
            let help = "write postgres://user:password@host:5432/database and percent-encode @ : / ? # % in the \
                        password, or give it as password";
            section.reject("url", "is no address that the driver understands", Some(help));
            Config::new()
        }
    }
}

fn from_fields(section: &mut Section<'_>) -> Config {
    let mut config = Config::new();
    config.host(section.text("host"));
    config.port(section.integer_or("port", 5432_u16, 1..=u16::MAX));
    config.user(section.text("user"));
    if let Some(database) = section.optional_text("database") {
        config.dbname(database);
    }
    config
}

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let limits = self.limits;
        let servers = self.targets.into_iter().map(|target| {
            let Target { name, mut config, tls, authorities, protected_users } = target;
            let authorities = authorities.as_ref().map(Secret::expose);
            let connector =
                tls.connector(authorities).map_err(|fault| format!("postgres target {name}: {fault}"))?;
            config.ssl_mode(tls.mode());
            Ok(Server::new(name, config, connector, limits, protected_users))
        });
        Ok(adapter(Servers::new(servers.collect::<Result<Vec<_>, String>>()?)))
    }
}
