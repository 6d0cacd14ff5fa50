//! A process and all its descendants, by `/proc`.
//!
//! A process group is not enough: each of PostgreSQL's backends is a session of its own, which neither a group's SIGSTOP
//! nor its SIGKILL reaches.

use crate::wait::poll;
use rustix::process::{Pid, Signal, kill_process};
use std::{collections::HashMap, fs, time::Duration};

/// How long a signal may take until the kernel has acted on it.
const SETTLE: Duration = Duration::from_secs(5);

/// Stops the process and its descendants, and returns when all are stopped.
pub(super) fn pause(leader: Pid) -> Vec<Pid> {
    let mut stopped = vec![leader];
    send(leader, Signal::STOP);
    settle(&stopped);
    // A stopped process forks no more, so this ends as soon as a look finds nobody new.
    loop {
        let new: Vec<Pid> = descendants(leader).into_iter().filter(|pid| !stopped.contains(pid)).collect();
        if new.is_empty() {
            return stopped;
        }
        new.iter().for_each(|pid| send(*pid, Signal::STOP));
        settle(&new);
        stopped.extend(new);
    }
}

/// Lets the process and its descendants go on.
pub(super) fn resume(leader: Pid) {
    descendants(leader).into_iter().chain([leader]).for_each(|pid| send(pid, Signal::CONT));
}

/// Kills the process and its descendants. They are stopped first, so that none escapes by forking.
pub(super) fn kill(leader: Pid) {
    pause(leader).into_iter().for_each(|pid| send(pid, Signal::KILL));
}

/// Sends a signal to one process. One that is gone needs none.
pub(super) fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

fn settle(pids: &[Pid]) {
    let all_stopped = || pids.iter().all(|pid| stat(*pid).is_none_or(|(state, _)| "TtZX".contains(state)));
    // A process in an uninterruptible wait stops when that ends; it does nothing until then either.
    let _ = poll(SETTLE, || all_stopped().then_some(()));
}

fn descendants(leader: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<Pid>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Some((_, parent)) = stat(pid)
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![leader];
    while let Some(pid) = open.pop() {
        let of_this = children.remove(&pid.as_raw_nonzero().get()).unwrap_or_default();
        open.extend(&of_this);
        found.extend(of_this);
    }
    found
}

/// The state's letter and the parent of a process, or `None` when it is gone.
fn stat(pid: Pid) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse_stat(&text)
}

/// `pid (name) state parent ...`, where the name may hold spaces and brackets.
fn parse_stat(text: &str) -> Option<(char, i32)> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_any_name() {
        for (text, expected) in [
            ("7 (redis-server) S 1 7 7 0", Some(('S', 1))),
            ("8 (a) R 9) T 12 8 8", Some(('T', 12))),
            ("9 (x) Z", None),
            ("", None),
        ] {
            assert_eq!(parse_stat(text), expected, "{text}");
        }
    }
}
