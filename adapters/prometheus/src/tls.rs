//! What the client trusts: the system's certificates, or those of one file. The provider is named here, so that
//! nothing has to be installed for the whole process.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The client's side of TLS. Without `needed` nothing is read and nothing trusted: the connection is plain HTTP, and
/// redirects, which could lead to HTTPS, are not followed.
///
/// # Errors
/// A text for the operator when there is no certificate to trust.
pub(crate) fn client_config(needed: bool, ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match (needed, ca_file) {
        (false, _) => RootCertStore::empty(),
        (true, Some(file)) => from_file(file)?,
        (true, None) => from_system()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|fault| format!("TLS cannot be set up: {fault}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn from_file(file: &Path) -> Result<RootCertStore, String> {
    let fault = |what: &dyn std::fmt::Display| {
        format!("adapters.prometheus.ca_file: {}: {what}; expected certificates in PEM", file.display())
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| fault(&why))? {
        roots.add(certificate.map_err(|why| fault(&why))?).map_err(|why| fault(&why))?;
    }
    if roots.is_empty() { Err(fault(&"no certificate in it")) } else { Ok(roots) }
}

fn from_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
    Err(format!(
        "the system has no certificates to trust ({why}): install ca-certificates, or set adapters.prometheus.ca_file"
    ))
}
