//! The guard around a process: what it pauses, ends and leaves behind.

use rustix::process::{Pid, test_kill_process};
use selfheal_test_servers::{Child, ChildOptions, wait_until};
use std::{fs, path::Path, process::Command, time::Duration};

const LIMIT: Duration = Duration::from_secs(20);

fn shell(script: &str, directory: &Path, options: ChildOptions) -> Child {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).current_dir(directory);
    Child::spawn("shell", command, &directory.join("log"), options).expect("/bin/sh starts")
}

/// Waits for a number that the script writes to a file.
fn number(path: &Path) -> u32 {
    let mut number = None;
    wait_until("the script has written a number", LIMIT, || {
        number = fs::read_to_string(path)
            .ok()
            .filter(|text| text.ends_with('\n'))
            .and_then(|t| t.trim().parse().ok());
        number.is_some()
    });
    number.expect("the wait is over")
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has a positive number");
    // A zombie takes signals too, but does nothing any more.
    test_kill_process(pid).is_ok() && !stat.contains(") Z ")
}

/// Starts a grandchild in a session of its own, which a signal to the group does not reach.
const GRANDCHILD: &str = "setsid sh -c 'echo $$ > pid; n=0; while :; do n=$((n+1)); echo $n > count.new; \
    mv count.new count; done' & wait";

#[test]
fn a_grandchild_in_its_own_session_is_paused_resumed_and_killed() {
    let directory = tempfile::tempdir().unwrap();
    let count = directory.path().join("count");
    let mut child = shell(GRANDCHILD, directory.path(), ChildOptions::default());
    let grandchild = number(&directory.path().join("pid"));
    number(&count);

    child.pause();
    let before = number(&count);
    let state = fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap();
    // One that waits for its child to become another program is stopped as soon as that goes on, which it does not.
    assert!(state.contains(") T ") || state.contains(") D "), "{state}");
    // A child of the grandchild may finish its move no more either.
    assert_eq!(number(&count), before);

    child.resume();
    wait_until("the grandchild counts on", LIMIT, || number(&count) > before);

    drop(child);
    wait_until("the grandchild is gone", LIMIT, || !is_alive(grandchild));
}

#[test]
fn stop_asks_first_and_kills_when_asked_in_vain() {
    for (script, expected) in [
        ("trap 'exit 7' TERM; echo 1 > pid; while :; do sleep 0.01; done", Some(7)),
        ("trap '' TERM; echo 1 > pid; while :; do sleep 0.01; done", None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = shell(script, directory.path(), ChildOptions::default());
        number(&directory.path().join("pid"));
        let patience = if expected.is_some() { LIMIT } else { Duration::from_millis(50) };
        assert_eq!(child.stop(patience).code(), expected);
        assert!(child.exit_status().is_some());
    }
}

#[test]
fn output_is_captured_and_its_end_shown() {
    let directory = tempfile::tempdir().unwrap();
    let script = "i=1; while [ $i -le 100 ]; do echo line $i; i=$((i+1)); done; echo error >&2; exit 3";
    let mut child = shell(script, directory.path(), ChildOptions::default());
    assert_eq!(child.wait(LIMIT).and_then(|status| status.code()), Some(3));
    assert_eq!(child.log().lines().count(), 101);
    assert_eq!(child.log_tail().lines().count(), 40);
    assert!(child.log_tail().ends_with("line 100\nerror"));
}

/// Run by the next test in a process of its own, which is killed while it waits.
#[test]
#[ignore = "helper of the_warden_ends_what_a_killed_test_leaves"]
fn a_test_that_is_killed() {
    let Some(home) = std::env::var_os("SELFHEAL_WARDEN_TEST") else { return };
    let home = Path::new(&home);
    let directory = home.join("server");
    fs::create_dir(&directory).unwrap();
    let options = ChildOptions { directory: Some(directory.clone()), ..ChildOptions::default() };
    let mut child = shell("sleep 600", &directory, options);
    fs::write(home.join("server-pid"), format!("{}\n", child.pid())).unwrap();
    child.wait(Duration::from_secs(600));
}

#[test]
fn the_warden_ends_what_a_killed_test_leaves() {
    let home = tempfile::tempdir().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_test_that_is_killed"])
        .env("SELFHEAL_WARDEN_TEST", home.path())
        .spawn()
        .unwrap();
    let server = number(&home.path().join("server-pid"));
    assert!(is_alive(server));
    test.kill().unwrap();
    test.wait().unwrap();
    wait_until("the server is gone", LIMIT, || !is_alive(server));
    wait_until("its directory is gone", LIMIT, || !home.path().join("server").exists());
}
