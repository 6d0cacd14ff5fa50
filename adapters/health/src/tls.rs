//! What a target's certificate is checked by: the system's authorities, or those of one file. The provider is named here,
//! so that nothing has to be installed for the whole process. And what a certificate says of its own end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The client's side of TLS for the target of this name. Without `needed` nothing is read and nothing trusted.
///
/// # Errors
/// A text for the operator when there is no certificate to trust.
pub(crate) fn client_config(
    needed: bool,
    target: &str,
    ca_file: Option<&Path>,
) -> Result<ClientConfig, String> {
    let roots = match (needed, ca_file) {
        (false, _) => RootCertStore::empty(),
        (true, Some(file)) => from_file(target, file)?,
        (true, None) => from_system(target)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|fault| format!("TLS cannot be set up: {fault}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn from_file(target: &str, file: &Path) -> Result<RootCertStore, String> {
    let fault = |what: &dyn std::fmt::Display| {
        let place = file.display();
        format!("adapters.health.targets.{target}.ca_file: {place}: {what}; expected certificates in PEM")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| fault(&why))? {
        roots.add(certificate.map_err(|why| fault(&why))?).map_err(|why| fault(&why))?;
    }
    if roots.is_empty() { Err(fault(&"no certificate in it")) } else { Ok(roots) }
}

fn from_system(target: &str) -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
    Err(format!(
        "the system has no certificates to trust ({why}): install ca-certificates, or set \
         adapters.health.targets.{target}.ca_file"
    ))
}

/// For how many days, from a time in an HTTP header, a certificate is still good. `None` when either cannot be read.
pub(crate) fn days_left(certificate: &[u8], date: &str) -> Option<f64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    days_between(end, date)
}

fn days_between(end: Duration, date: &str) -> Option<f64> {
    let now = httpdate::parse_http_date(date).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((end.as_secs_f64() - now.as_secs_f64()) / 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_server_s_own_date() {
        let end = Duration::from_secs(1_800_000_000);
        let cases = [
            ("Fri, 15 Jan 2027 08:00:00 GMT", Some(0.0)),
            ("Thu, 14 Jan 2027 08:00:00 GMT", Some(1.0)),
            ("Sat, 16 Jan 2027 20:00:00 GMT", Some(-1.5)),
            ("yesterday", None),
        ];
        for (date, expected) in cases {
            assert_eq!(days_between(end, date), expected, "{date}");
        }
        assert_eq!(days_left(b"no certificate", "Fri, 15 Jan 2027 08:00:00 GMT"), None);
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let fault = client_config(true, "shop", Some(Path::new("/nowhere/ca.pem"))).err().unwrap_or_default();
        assert!(fault.contains("targets.shop.ca_file") && fault.contains("/nowhere/ca.pem"), "{fault}");
    }
}
