//! Making one connection: TCP, TLS where asked for, login. The driver's own TLS is not used, because it takes whatever
//! cryptography the process has installed globally; here it is given.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, RedisResult};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::settings::Target;

/// Where a server is and how to get in.
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    login: RedisConnectionInfo,
}

/// Ends the task that drives a connection once nobody holds the connection any more.
pub(crate) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Address {
    /// Makes a checked target ready to be connected to; reads the system's certificates when it needs them.
    ///
    /// # Errors
    /// A text for the operator, when there is no certificate to trust or the host is no name of a certificate.
    pub(crate) fn new(target: Target) -> Result<Self, String> {
        let Target { name, host, port, tls, authorities, login } = target;
        let of = |problem: String| format!("adapters.redis.targets.{name}: {problem}");
        let tls = if tls {
            let roots = roots(authorities.as_deref()).map_err(of)?;
            let server = ServerName::try_from(host.clone())
                .map_err(|_| of(format!("{host:?} is no host name that a certificate can have")))?;
            Some((connector(roots).map_err(of)?, server))
        } else {
            None
        };
        Ok(Self { host, port, tls, login })
    }

    /// Connects and logs in. The caller bounds the time.
    pub(crate) async fn connect(&self, answer: Duration) -> RedisResult<(MultiplexedConnection, Driver)> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => self.log_in(tcp, answer).await,
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), tcp).await?;
                self.log_in(stream, answer).await
            }
        }
    }

    async fn log_in<S>(&self, stream: S, answer: Duration) -> RedisResult<(MultiplexedConnection, Driver)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let options = AsyncConnectionConfig::new().set_response_timeout(Some(answer));
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&self.login, stream, options).await?;
        Ok((connection, Driver(tokio::spawn(driver))))
    }
}

/// The error of a server that accepts connections and says nothing.
pub(crate) fn too_slow(within: Duration) -> RedisError {
    RedisError::from((ErrorKind::Io, "it did not answer in time", format!("waited {within:?}")))
}

fn roots(authorities: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = authorities {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|fault| format!("ca: cannot be read as PEM: {fault}"))?;
            roots.add(certificate).map_err(|fault| format!("ca: {fault}"))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        let help = "install the system's certificates (apt-get install ca-certificates) or set ca: ${file:/path/to/ca.pem}";
        return Err(format!("there is no certificate to trust: {help}"));
    }
    Ok(roots)
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| fault.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
