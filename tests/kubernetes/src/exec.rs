//! Commands in pods: the answers that a test has written, over the WebSocket protocols v5 and v4.
//!
//! Nothing is run. Standard input and the size of a terminal are read and dropped.

use crate::refusal::Refusal;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Standard output goes out in pieces of at most this.
const FRAME_BYTES_MAX: usize = 32 * 1024;

/// What a command does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecAnswer {
    /// What it writes.
    pub stdout: String,
    /// What it complains.
    pub stderr: String,
    /// Its exit status; 0 for success.
    pub exit_code: u8,
    /// It ran and wrote, then the connection is lost: no status.
    pub connection_lost: bool,
    /// It does not end while the connection lasts.
    pub hangs: bool,
}

/// A command that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRun {
    /// Of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The command with its arguments.
    pub command: Vec<String>,
}

/// The script of a test, and what was run.
#[derive(Debug, Default)]
pub(crate) struct Exec {
    /// The beginning of the command, joined by spaces, and its answer; the last that fits wins.
    pub(crate) answers: Vec<(String, ExecAnswer)>,
    pub(crate) runs: Vec<ExecRun>,
}

impl Exec {
    /// Notes the run and says what it does; `None` for a program that the test has not named.
    pub(crate) fn run(&mut self, run: ExecRun) -> Option<ExecAnswer> {
        let command = run.command.join(" ");
        self.runs.push(run);
        let fitting = self.answers.iter().rev().find(|(start, _)| command.starts_with(start.as_str()));
        fitting.map(|(_, answer)| answer.clone())
    }
}

/// The container that is meant.
///
/// # Errors
///
/// 400 for one that the pod does not have, or when the pod has several and none is named; and for a pod that has ended, or
/// that no node runs.
pub(crate) fn container(pod: &Value, asked: Option<&str>) -> Result<String, Refusal> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let spec = &pod["spec"];
    let lists = [&spec["containers"], &spec["initContainers"], &spec["ephemeralContainers"]];
    let names =
        || lists.into_iter().filter_map(Value::as_array).flatten().filter_map(|one| one["name"].as_str());
    if pod["status"]["phase"].as_str().is_some_and(|phase| matches!(phase, "Succeeded" | "Failed")) {
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        let message = format!("cannot exec into a container in a completed pod; current phase is {phase}");
        return Err(Refusal::bad_request(message));
    }
    if spec["nodeName"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::bad_request(format!("pod {name} does not have a host assigned")));
    }
    match asked {
        Some(asked) if names().any(|one| one == asked) => Ok(asked.to_owned()),
        Some(asked) => Err(Refusal::bad_request(format!("container {asked} is not valid for pod {name}"))),
        None => names()
            .next()
            .map(str::to_owned)
            .ok_or_else(|| Refusal::bad_request(format!("pod {name} has no containers"))),
    }
}

/// The protocol to speak, of those that the client offers.
pub(crate) fn protocol(offered: &str) -> Option<&'static str> {
    let has = |protocol: &str| offered.split(',').any(|one| one.trim() == protocol);
    ["v5.channel.k8s.io", "v4.channel.k8s.io"].into_iter().find(|protocol| has(protocol))
}

/// Says the answer on the connection that was upgraded.
pub(crate) async fn speak(upgrade: OnUpgrade, command: String, answer: Option<ExecAnswer>) {
    let Ok(connection) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(connection), Role::Server, None).await;
    let status = match &answer {
        None => {
            json!({ "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500, "message": format!(
            "Internal error occurred: error executing command in container: exec: {:?}: executable file not found in $PATH",
            command.split(' ').next().unwrap_or_default()
        ) })
        }
        Some(answer) if answer.exit_code == 0 => json!({ "metadata": {}, "status": "Success" }),
        Some(ExecAnswer { exit_code, .. }) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: command terminated with exit code {exit_code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": exit_code.to_string() }] },
        }),
    };
    let answer = answer.unwrap_or_default();
    for (channel, text) in [(STDOUT, &answer.stdout), (STDERR, &answer.stderr)] {
        for piece in text.as_bytes().chunks(FRAME_BYTES_MAX) {
            if socket.send(frame(channel, piece)).await.is_err() {
                return;
            }
        }
    }
    if answer.connection_lost {
        return;
    }
    if !answer.hangs {
        // A client that has gone needs no status.
        let _ = socket.send(frame(STATUS, status.to_string().as_bytes())).await;
        let _ = socket.close(None).await;
    }
    while let Some(Ok(_)) = socket.next().await {}
}

fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(bytes.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    Message::binary(frame)
}
