//! Making one connection: TCP, TLS where asked for, login. The driver's own TLS is not used, because it takes whatever
//! cryptography the process has installed globally; here it is given.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::fault::ConnectFault;
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
    pub(crate) async fn connect(
        &self,
        answer: Duration,
    ) -> Result<(MultiplexedConnection, Driver), ConnectFault> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => self.log_in(tcp, answer).await,
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), tcp).await.map_err(handshake)?;
                self.log_in(stream, answer).await
            }
        }
    }

    async fn log_in<S>(
        &self,
        stream: S,
        answer: Duration,
    ) -> Result<(MultiplexedConnection, Driver), ConnectFault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The driver would log in itself, but keeps back the server's words, which tell a wrong password from a server
        // that has no free connection.
        let anonymous = RedisConnectionInfo::default().set_skip_set_lib_name();
        let options = AsyncConnectionConfig::new().set_response_timeout(Some(answer));
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(&anonymous, stream, options).await?;
        let driver = Driver(tokio::spawn(driver));
        if let Some(password) = self.login.password() {
            let mut auth = redis::cmd("AUTH");
            auth.arg(self.login.username()).arg(password).exec_async(&mut connection).await?;
        }
        if self.login.db() != 0 {
            redis::cmd("SELECT").arg(self.login.db()).exec_async(&mut connection).await?;
        }
        Ok((connection, driver))
    }
}

/// A handshake that broke off is no fault of the certificate.
fn handshake(fault: io::Error) -> ConnectFault {
    if fault.kind() == io::ErrorKind::InvalidData {
        ConnectFault::Tls(fault)
    } else {
        ConnectFault::Io(fault)
    }
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
