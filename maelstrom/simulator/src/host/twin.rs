//! A second process of a node in the same directory.
//!
//! A node that keeps files has to notice that it is not alone and refuse its
//! `init`, or end; one that answers `init_ok` would write over what the other
//! writes. The second process is not on the network: nothing reaches it but its
//! `init`, and it is gone as soon as it answered, or did not in time.

use std::time::Duration;

use super::task::Task;
use crate::net::Line;
use crate::world::{FaultKind, NodeFault};
use maelstrom::protocol::{ERROR, INIT, LooseHeader, is_reply_to};

const PATIENCE: Duration = Duration::from_secs(1);

/// The second processes in a simulation. That of node `n` has the number `count + n`
/// among all tasks.
pub(super) struct Twins {
    tasks: Vec<Option<(Task, Duration)>>,
    printed: Vec<u8>,
}

impl Twins {
    pub(super) fn new(count: usize) -> Self {
        Self { tasks: std::iter::repeat_with(|| None).take(count).collect(), printed: Vec::new() }
    }

    /// Starts a process in a node's directory, unless there is one yet.
    pub(super) fn start(&mut self, node: usize, start: impl FnOnce(usize) -> (Task, Duration)) {
        if self.tasks[node].is_none() {
            let (task, now) = start(self.tasks.len() + node);
            self.tasks[node] = Some((task, now + PATIENCE));
        }
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.tasks[node] = None;
    }

    /// Ends those that had long enough to answer.
    pub(super) fn end(&mut self, now: Duration) {
        for twin in &mut self.tasks {
            twin.take_if(|(_, until)| *until <= now);
        }
    }

    pub(super) fn next_end(&self) -> Option<Duration> {
        self.tasks.iter().flatten().map(|(_, until)| *until).min()
    }

    /// Lets the task of this number do what it can do.
    pub(super) fn poll(&mut self, number: usize) -> Result<(), NodeFault> {
        let node = number - self.tasks.len();
        let Some((task, _)) = &mut self.tasks[node] else { return Ok(()) };
        self.printed.clear();
        let ended = task.poll(&mut self.printed);
        let answer = self.printed.split(|&byte| byte == b'\n').find_map(serves);
        if ended.is_err() || answer.is_some() {
            self.kill(node);
        }
        if answer == Some(true) { Err(FaultKind::TwoProcesses.of(node)) } else { Ok(()) }
    }
}

/// Whether a line says that the process that printed it is initialised, or that it
/// is not; nothing if it says neither.
pub fn serves(line: &[u8]) -> Option<bool> {
    let line = Line::parse(std::str::from_utf8(line).ok()?).ok()?;
    let header = LooseHeader::read(line.body.get()).ok()?;
    match &*header.kind() {
        kind if is_reply_to(kind, INIT) => Some(true),
        ERROR if header.in_reply_to.is_some() => Some(false),
        _ => None,
    }
}
