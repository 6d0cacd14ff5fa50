//! How the connections to the journal are encrypted. The words of `sslmode` mean what they mean to `psql`.
//!
//! No process-wide provider is needed or set: the provider is handed to the configuration.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether to encrypt, and whether to check whom one speaks to (PostgreSQL's documentation, 34.19.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server offers it; the certificate is not checked.
    Prefer,
    /// Encrypted or refused; the certificate is not checked unless an authority is given.
    Require,
    /// Encrypted or refused; the certificate must be valid for the host.
    VerifyFull,
}

impl Tls {
    /// The meaning of a word of `sslmode`.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "disable" => Some(Self::Disable),
            "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            "verify-full" => Some(Self::VerifyFull),
            _ => None,
        }
    }

    /// What the driver has to do.
    pub(super) fn mode(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyFull => SslMode::Require,
        }
    }

    /// Makes the connector. `authorities` are certificates in PEM form; without them `verify-full` trusts those of the
    /// system.
    ///
    /// # Errors
    /// A text for the operator when there is no usable certificate to trust.
    pub(super) fn connector(self, authorities: Option<&str>) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|fault| format!("TLS cannot be set up: {fault}"))?;
        let checks = self == Self::VerifyFull || (self == Self::Require && authorities.is_some());
        let config = if checks {
            builder.with_root_certificates(roots(authorities)?).with_no_client_auth()
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth()
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

fn roots(authorities: Option<&str>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|fault| format!("ca is not in PEM form: {fault}"))?;
                roots
                    .add(certificate)
                    .map_err(|fault| format!("ca holds an unusable certificate: {fault}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate authority to trust: set journal.ca to the server's authority in PEM form \
                    (${file:/path} reads it from a file), or install the system's ca-certificates"
            .to_owned());
    }
    Ok(roots)
}

/// Takes any certificate, as `sslmode=prefer` and `require` do. The handshake's signature is still checked, so that
/// SCRAM's channel binding keeps its worth.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
