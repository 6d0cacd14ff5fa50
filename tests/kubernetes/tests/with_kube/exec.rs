//! Commands in pods.

use super::*;
use kube::api::{AttachParams, AttachedProcess};
use selfheal_test_kubernetes::ExecAnswer;
use tokio::io::AsyncReadExt;

/// Output, exit status as the Status says it, and whether there was a Status.
async fn outcome(mut process: AttachedProcess) -> (String, String, Option<String>) {
    let (mut out, mut err) = (String::new(), String::new());
    let status = process.take_status().unwrap();
    let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
    let read = async {
        tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)).unwrap();
        Ok(())
    };
    // When the connection is lost, kube ends the status but never the output.
    let status = tokio::try_join!(read, async { status.await.ok_or(()) }).map(|((), status)| status).ok();
    let status = status.map(|status| {
        let causes = status.details.into_iter().flat_map(|details| details.causes.unwrap_or_default());
        causes
            .map(|cause| cause.message.unwrap_or_default())
            .next()
            .unwrap_or(status.status.unwrap_or_default())
    });
    (out, err, status)
}

#[tokio::test]
async fn commands_answer_as_scripted_and_are_counted() {
    let double = ApiDouble::start().await;
    double.create(pod("a"));
    let api = pods(&double).await;
    let long = "x".repeat(200_000);
    let answer = |stdout: &str, exit_code| ExecAnswer {
        stdout: stdout.to_owned(),
        exit_code,
        ..ExecAnswer::default()
    };
    double.answer_exec("find /var/log", answer(&long, 0));
    double.answer_exec("df", ExecAnswer { stderr: "no".to_owned(), ..answer("some", 2) });
    double.answer_exec("lost", ExecAnswer { connection_lost: true, ..answer("half", 0) });
    for (command, expected) in [
        (vec!["find", "/var/log", "-delete"], (long.as_str(), "", Some("Success"))),
        (vec!["df", "-h"], ("some", "no", Some("2"))),
        (vec!["lost"], ("", "", None)),
        (vec!["nothing"], ("", "", Some("Failure"))),
    ] {
        let params =
            AttachParams::default().container("main").stdout(true).stderr(true).max_stdout_buf_size(300_000);
        let process = api.exec("a", command.clone(), &params).await.unwrap();
        let (out, err, status) = outcome(process).await;
        assert_eq!((out.as_str(), err.as_str(), status.as_deref()), expected, "{command:?}");
        assert_eq!(double.exec_runs().last().unwrap().command, command);
    }
    assert_eq!(double.exec_runs().len(), 4);
    assert!(api.exec("none", ["df"], &AttachParams::default()).await.is_err());
    assert!(api.exec("a", ["df"], &AttachParams::default().container("none")).await.is_err());
    let mut unscheduled = pod("b");
    unscheduled["spec"].as_object_mut().unwrap().remove("nodeName");
    double.create(unscheduled);
    let refusal = api.exec("b", ["df"], &AttachParams::default().container("main")).await;
    assert_eq!(refused(refusal.map(drop)), (400, "BadRequest".to_owned()), "no node runs it");
    assert_eq!(double.exec_runs().len(), 4);
}
