//! Running one command in one container, with its output bounded and its end awaited.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client};
use selfheal_cluster::Cluster;
use selfheal_contract::Failure;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Bytes of output that are kept of one pod, of each stream.
pub(super) const OUTPUT_BYTES_MAX: usize = 4 << 10;

/// How a command ended.
pub(super) struct Ended {
    /// Its exit code; 0 is success.
    pub(super) code: i64,
    /// What it printed, at most 4 KiB of each stream.
    pub(super) output: String,
}

/// Where a command runs.
pub(super) struct Spot<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
}

/// Runs a command; it is started at most once.
///
/// # Errors
/// `Refused` when the server would not start it, `Indeterminate` when it was started, or perhaps so, and its end is not
/// known.
pub(super) async fn run(
    client: Client,
    &Spot { cluster, namespace, pod, container }: &Spot<'_>,
    argv: &[String],
    within: Duration,
) -> Result<Ended, Failure> {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let params = AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
    let where_ = format!("container {container} of pod {namespace}/{pod}");
    let lost = |words: &str| {
        Failure::indeterminate(format!(
            "the command was started in {where_}, and {words}; look whether it ran"
        ))
    };
    let starting = timeout(cluster.answer_within(), pods.exec(pod, argv, &params));
    let mut process = match starting.await {
        Ok(Ok(process)) => process,
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            return Err(Failure::refused(format!(
                "{cluster} forbids selfheal to create pods/exec ({where_}): {}; grant it: `selfheal rbac` prints the role \
                 that the rules need",
                status.message
            )));
        }
        Ok(Err(kube::Error::Api(status))) => {
            return Err(Failure::refused(format!(
                "{cluster} would not run it in {where_}: {}",
                status.message
            )));
        }
        Ok(Err(fault)) => return Err(lost(&format!("the connection broke ({fault})"))),
        Err(_) => return Err(lost("there was no answer")),
    };
    let streams = (process.stdout(), process.stderr(), process.take_status());
    let (Some(stdout), Some(stderr), Some(status)) = streams else {
        return Err(lost("its streams could not be had"));
    };
    let ending = async { tokio::join!(keep(stdout), keep(stderr), status) };
    let Ok((stdout, stderr, status)) = timeout(within, ending).await else {
        process.abort();
        return Err(lost(&format!("it did not end within {} s", within.as_secs())));
    };
    let Some(status) = status else { return Err(lost("its end was not told")) };
    let output = [stdout, stderr].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
    match status.status.as_deref() {
        Some("Success") => Ok(Ended { code: 0, output }),
        _ => {
            let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
            let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
            let code = code.and_then(|cause| cause.message.as_deref()?.parse().ok());
            let words = status.message.unwrap_or_default();
            match code {
                Some(code) => Ok(Ended { code, output }),
                None if never_began(&words) => {
                    Err(Failure::refused(format!("it could not be started in {where_}: {words}")))
                }
                None => Err(lost(&format!("how it ended is not known ({words})"))),
            }
        }
    }
}

/// Whether the container runtime says that there was no program to start, or that it could not be: containerd and CRI-O in
/// the words of runc and crun.
fn never_began(words: &str) -> bool {
    [
        "executable file not found",
        "no such file or directory",
        "OCI runtime exec failed",
        "unable to start container process",
    ]
    .iter()
    .any(|said| words.contains(said))
}

/// Reads a stream to its end and keeps its beginning.
async fn keep(mut stream: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut piece = [0_u8; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).trim_end().to_owned()
}
