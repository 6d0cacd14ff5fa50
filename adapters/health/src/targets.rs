//! The configured targets, found by name.

use reqwest::Client;
use reqwest::redirect::Policy;
use selfheal_contract::Failure;
use selfheal_contract::settings::suggest;
use selfheal_core::span::Span;

use crate::settings::{Kind, Page, Target};
use crate::tls;

/// A page that can be asked for.
pub(crate) struct HttpTarget {
    pub(crate) page: Page,
    pub(crate) timeout: Span,
    pub(crate) client: Client,
}

/// A port that can be connected to.
pub(crate) struct TcpTarget {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) timeout: Span,
}

/// All targets, each kind by name.
#[derive(Default)]
pub(crate) struct Targets {
    http: Vec<(String, HttpTarget)>,
    tcp: Vec<(String, TcpTarget)>,
}

impl Targets {
    /// Makes the clients; connects to nothing.
    ///
    /// # Errors
    /// A text for the operator, when a certificate cannot be used.
    pub(crate) fn connect(targets: Vec<Target>) -> Result<Self, String> {
        let mut all = Self::default();
        for Target { name, timeout, kind } in targets {
            match kind {
                Kind::Tcp(host, port) => all.tcp.push((name, TcpTarget { host, port, timeout })),
                Kind::Http(page) => {
                    let client = client(&name, &page, timeout)?;
                    all.http.push((name, HttpTarget { page: *page, timeout, client }));
                }
            }
        }
        Ok(all)
    }

    /// The page of this name.
    ///
    /// # Errors
    /// `Refused`, with the names that are configured.
    pub(crate) fn http(&self, name: &str) -> Result<&HttpTarget, Failure> {
        find(&self.http, "http", name)
    }

    /// The port of this name.
    ///
    /// # Errors
    /// `Refused`, with the names that are configured.
    pub(crate) fn tcp(&self, name: &str) -> Result<&TcpTarget, Failure> {
        find(&self.tcp, "tcp", name)
    }
}

fn find<'a, T>(targets: &'a [(String, T)], kind: &str, name: &str) -> Result<&'a T, Failure> {
    let names = || targets.iter().map(|(name, _)| name.as_str());
    let found = targets.iter().find(|(candidate, _)| candidate == name).map(|(_, target)| target);
    found.ok_or_else(|| {
        let near = if name.len() <= 64 { suggest(name, names()) } else { None };
        let help = match near {
            Some(meant) => format!("did you mean {meant:?}?"),
            None if targets.is_empty() => {
                format!("none with {kind} is configured; add one under adapters.health.targets")
            }
            None => format!("configured are {}", names().collect::<Vec<_>>().join(", ")),
        };
        let name: String = name.chars().take(64).collect();
        Failure::refused(format!("there is no health target {name:?} with {kind}; {help}"))
    })
}

fn client(name: &str, page: &Page, timeout: Span) -> Result<Client, String> {
    let tls = tls::client_config(page.url.scheme() == "https", name, page.ca_file.as_deref())?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .tls_info(true)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(timeout.duration())
        // Each reading makes its own connection: one that is open already proves nothing about the next.
        .pool_max_idle_per_host(0)
        .user_agent("selfheal")
        .build()
        .map_err(|fault| format!("the client for adapters.health.targets.{name} cannot be set up: {fault}"))
}
