//! No child outlives the bench, even if the bench is killed.
//!
//! A process cannot do anything about its own SIGKILL, so another one watches: a
//! second process of the bench (`workbench reap`) that reads from a pipe which of
//! them is to be killed when the pipe ends without a farewell. The pipe ends
//! whenever the bench does, however it does; nobody else holds it, as Rust opens
//! every descriptor close-on-exec.
//!
//! What goes over the pipe is a line each: `=` and what all nodes are [marked](escaped) with at
//! the beginning, `+` and a process group's number when a node starts, `-` and the number
//! when it is gone, `bye` at the end.
//!
//! Between a node's start and the line that tells of it there are some
//! microseconds in which the bench could be killed unseen; most nodes end then
//! anyway, because their standard input does.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::escaped;

/// The name of the hidden subcommand: `main` has to call [`reap`] for it.
pub(crate) const SUBCOMMAND: &str = "reap";

/// The bench's end of the pipe.
///
/// Dropped without [`farewell`](Self::farewell), it has the other end kill what
/// still runs.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    pipe: ChildStdin,
}

impl Watchdog {
    /// Starts `program reap` for nodes with this mark, in a process group of its own so that Ctrl-C does
    /// not reach it.
    pub(super) fn start(program: &Path, mark: &str) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(SUBCOMMAND)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let pipe = child.stdin.take().ok_or_else(|| io::Error::other("no pipe to it"))?;
        let mut watchdog = Self { child, pipe };
        watchdog.tell(&format!("={mark}\n"))?;
        Ok(watchdog)
    }

    /// Has it kill this process group, should the bench die.
    pub(super) fn watch(&mut self, group: u32) -> io::Result<()> {
        self.tell(&format!("+{group}\n"))
    }

    /// This process group is gone. Should the watchdog be gone too there is
    /// nothing to be done about it.
    pub(super) fn forget(&mut self, group: u32) {
        let _ = self.tell(&format!("-{group}\n"));
    }

    /// There is nothing left to kill.
    pub(super) fn farewell(mut self) {
        let _ = self.tell("bye\n");
        drop(self.pipe);
        let _ = self.child.wait();
    }

    /// In a single write: a pipe takes so short a line whole or not at all.
    fn tell(&mut self, line: &str) -> io::Result<()> {
        self.pipe.write_all(line.as_bytes())
    }
}

/// Reads from the bench until it is gone, then kills what it left.
pub(crate) fn reap(input: impl BufRead) {
    let Orphans { groups, mark } = orphans(input);
    for group in groups {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    if let Some(mark) = mark {
        escaped::kill_marked(&mark);
    }
}

/// What is to be killed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Orphans {
    groups: BTreeSet<i32>,
    /// What else bears this mark.
    mark: Option<String>,
}

/// The process groups that were told of and neither forgotten nor released by a
/// farewell. Never 0 or 1: to `killpg` these would be our own group and everyone.
fn orphans(input: impl BufRead) -> Orphans {
    let mut orphans = Orphans::default();
    let groups = &mut orphans.groups;
    for line in input.lines().map_while(Result::ok) {
        if line == "bye" {
            return Orphans::default();
        }
        if let Some(mark) = line.strip_prefix('=') {
            orphans.mark = Some(mark.to_owned());
        }
        match line.split_at_checked(1).map(|(sign, group)| (sign, group.parse::<i32>())) {
            Some(("+", Ok(group))) if group > 1 => drop(groups.insert(group)),
            Some(("-", Ok(group))) => drop(groups.remove(&group)),
            _ => {}
        }
    }
    orphans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_forgotten_is_an_orphan() {
        let Orphans { groups, mark } = orphans(&b"=ab.\n+10\n+11\n-10\n+12\n"[..]);
        assert_eq!((groups, mark), (BTreeSet::from([11, 12]), Some("ab.".to_owned())));
    }

    #[test]
    fn after_a_farewell_nobody_is() {
        assert_eq!(orphans(&b"=ab.\n+10\nbye\n"[..]), Orphans::default());
    }

    #[test]
    fn a_line_cut_short_by_death_harms_nobody() {
        for input in ["+", "+1", "+0", "+-1", "x", "", "+99999999999"] {
            assert_eq!(orphans(input.as_bytes()), Orphans::default(), "{input:?}");
        }
    }
}
