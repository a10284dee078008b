//! What a node started and what left its process group.
//!
//! A process that makes a session or a group of its own (`setsid`) is not reached by a
//! signal to the node's group, and once its parent has ended it is nobody's child. What it
//! keeps is the environment: every node gets a variable with a token that is drawn anew for
//! each run, so whoever has it descends from a node of that run. Such processes are looked
//! for in `/proc`, which is Linux's. One that has cleared its environment, too, is not found.

use std::io;

use rand::TryRng as _;
use rand::rngs::SysRng;

/// The variable in the environment of nodes.
pub(super) const VARIABLE: &str = "WORKBENCH_NODE";

/// What the nodes of a run are marked with. When it is dropped, whatever bears the mark is
/// killed.
#[derive(Debug)]
pub(super) struct Marks {
    /// What all of them begin with.
    run: String,
}

impl Marks {
    /// Marks that nobody has yet.
    pub(super) fn new() -> io::Result<Self> {
        let token = SysRng.try_next_u64().map_err(io::Error::other)?;
        Ok(Self { run: format!("{token:016x}.") })
    }

    /// What the marks of all nodes begin with.
    pub(super) fn of_all(&self) -> &str {
        &self.run
    }

    /// A node's.
    pub(super) fn of(&self, node: usize) -> String {
        format!("{}n{node}.", self.run)
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        kill_marked(&self.run);
    }
}

/// Kills every process whose mark begins like this.
#[cfg(target_os = "linux")]
pub(super) fn kill_marked(beginning: &str) {
    use std::collections::BTreeSet;

    /// A process may start another one before it is killed; one that does so without end has
    /// the last word.
    const ROUNDS: usize = 100;

    if beginning.is_empty() {
        return;
    }
    let mut killed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = pids.filter(|&pid| !killed.contains(&pid) && kill_if_marked(pid, beginning));
        let found: Vec<i32> = found.collect();
        if found.is_empty() {
            break;
        }
        killed.extend(found);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kill_marked(_: &str) {}

/// Kills a process if it is marked like this. It is looked at again once there is a handle to
/// it, lest its number be that of another one by then.
#[cfg(target_os = "linux")]
fn kill_if_marked(pid: i32, beginning: &str) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let is_marked = || {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| bears(variable, beginning))
    };
    let Some(known) = Pid::from_raw(pid).filter(|_| is_marked()) else { return false };
    let Ok(handle) = pidfd_open(known, PidfdFlags::empty()) else { return false };
    is_marked() && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}

#[cfg(target_os = "linux")]
fn bears(variable: &[u8], beginning: &str) -> bool {
    let value = variable.strip_prefix(VARIABLE.as_bytes());
    let mark = value.and_then(|value| value.strip_prefix(b"="));
    mark.is_some_and(|mark| mark.starts_with(beginning.as_bytes()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process with this mark, once its environment is there to be seen.
    fn start(mark: Option<String>) -> Child {
        let mut command = Command::new("sleep");
        command.arg("20").env_remove(VARIABLE).envs(mark.map(|mark| (VARIABLE, mark)));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let environment = format!("/proc/{}/environ", child.id());
        while std::fs::read(&environment).unwrap().is_empty() {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn what_bears_the_mark_is_killed_and_nothing_else() {
        let (marks, others) = (Marks::new().unwrap(), Marks::new().unwrap());
        let (mut first, mut tenth) = (start(Some(marks.of(1))), start(Some(marks.of(10))));
        let (other, stranger) = (start(Some(others.of(1))), start(None));
        kill_marked(&marks.of(1));
        assert!(!first.wait().unwrap().success());
        assert!(tenth.try_wait().unwrap().is_none());
        drop(marks);
        assert!(!tenth.wait().unwrap().success());
        kill_marked("");
        for mut process in [other, stranger] {
            assert!(process.try_wait().unwrap().is_none());
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}
