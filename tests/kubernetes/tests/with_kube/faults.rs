//! Faults on demand: what the client sees, and whether the change was made.

use super::*;
use kube::api::{Patch, PatchParams};
use selfheal_test_kubernetes::Fault;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[tokio::test]
async fn faults_happen_as_ordered_and_then_no_more() {
    for (fault, code, applied) in [
        (Fault::Conflict, Some(409), false),
        (Fault::InternalError, Some(500), false),
        (Fault::Unauthorized, Some(401), false),
        (Fault::Gone, Some(410), false),
        (Fault::Reset, None, false),
        (Fault::AppliedThenReset, None, true),
    ] {
        let double = ApiDouble::start().await;
        double.create(deployment("web"));
        let api = deployments(&double).await;
        double.faults().order("PATCH", "*/deployments/web", 1, fault.clone());
        let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
        let error = api.patch("web", &PatchParams::default(), &patch).await.unwrap_err();
        let seen = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
        assert_eq!(seen, code, "{fault:?}: {error}");
        assert_eq!(double.changes().by_requests().len(), usize::from(applied), "{fault:?}");
        api.patch("web", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!((double.changes().by_requests().len(), double.faults().happened()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_hangs_or_is_late() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let api = deployments(&double).await;
    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    let pp = PatchParams::default();
    for (fault, applied) in [(Fault::Hang, 0), (Fault::AppliedThenHang, 1)] {
        double.faults().order("*", "*", 1, fault.clone());
        let answer = tokio::time::timeout(Duration::from_millis(200), api.patch("web", &pp, &patch)).await;
        assert!(answer.is_err(), "{fault:?}");
        assert_eq!(double.changes().by_requests().len(), applied, "{fault:?}");
    }
    let delay = Duration::from_millis(50);
    double.faults().order("*", "*", 1, Fault::Delay(delay));
    let started = Instant::now();
    api.get("web").await.unwrap();
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_again() {
    let double = ApiDouble::start().await;
    double.faults().order("GET", "/api/v1/*", 1, Fault::TooManyRequests { retry_after_seconds: 1 });
    // Without kube, which waits and tries again by itself.
    let mut connection = TcpStream::connect(double.address()).unwrap();
    connection.write_all(b"GET /api/v1/pods HTTP/1.1\r\nhost: double\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
}
