//! Encrypted connections: only to a server that the configured authority vouches for.

use std::path::Path;
use std::process::Command;

use selfheal_contract::FailureKind;
use selfheal_test_servers::{Error, Missing, Redis, RedisOptions, require};
use serde_json::json;

use crate::support::{adapter_with, read};

/// Makes an authority (`ca.pem`) and a certificate of its for 127.0.0.1 (`cert.pem`, `key.pem`).
fn certificates(directory: &Path) -> Result<(), Error> {
    let common = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let authority = "-subj /CN=authority -keyout ca-key.pem -out ca.pem";
    let server = "-subj /CN=redis -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
        -CA ca.pem -CAkey ca-key.pem -keyout key.pem -out cert.pem";
    for own in [authority, server] {
        let args = common.split(' ').chain(own.split_ascii_whitespace());
        match Command::new("openssl").args(args).current_dir(directory).output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => return Err(Missing { program: "openssl", package: "openssl" }.into()),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_is_vouched_for_is_talked_to() {
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    require!(certificates(ours.path()));
    require!(certificates(other.path()));
    let port = selfheal_test_servers::Port::reserve().unwrap();
    let file = |name: &str| ours.path().join(name).display().to_string();
    let args = [
        ("--tls-port", port.number().to_string()),
        ("--tls-cert-file", file("cert.pem")),
        ("--tls-key-file", file("key.pem")),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    let args = args.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
    let _redis = require!(Redis::start_with(&RedisOptions { args }));

    let url = format!("rediss://{}/", port.address());
    let pem = |directory: &tempfile::TempDir| {
        String::from_utf8(std::fs::read(directory.path().join("ca.pem")).unwrap())
    };
    let trusted = adapter_with(json!({ "url": url, "ca": pem(&ours).unwrap() }));
    read(&trusted, "info", json!({})).await.unwrap();
    let foreign = adapter_with(json!({ "url": url, "ca": pem(&other).unwrap() }));
    let failure = read(&foreign, "info", json!({})).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("certificate") && failure.what.contains("`ca`"), "{failure}");
}
