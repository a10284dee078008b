//! A second process of a node in the same directory, where nodes are processes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::task::{Context, Poll};
use std::time::Duration;

use simulator::{FaultKind, NodeFault, serves};

use super::child::NodeProcess;

/// How long it may take to answer, having to start first.
const PATIENCE: Duration = Duration::from_secs(5);

/// The second processes where nodes are processes, with the time by which each has to
/// answer.
#[derive(Default)]
pub(super) struct TwinProcesses(BTreeMap<usize, (NodeProcess, Duration)>);

impl TwinProcesses {
    pub(super) fn has(&self, node: usize) -> bool {
        self.0.contains_key(&node)
    }

    pub(super) fn add(&mut self, node: usize, process: NodeProcess, now: Duration) {
        self.0.insert(node, (process, now + PATIENCE));
    }

    pub(super) fn kill(&mut self, node: usize) {
        self.0.remove(&node);
    }

    /// Reads and writes what can be read and written now; whether there was any.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Duration,
        buffer: &mut [u8],
    ) -> Result<bool, NodeFault> {
        let (mut busy, mut ended) = (false, Vec::new());
        for (&node, (process, until)) in &mut self.0 {
            process.poll_write(cx);
            while let Poll::Ready(Ok(())) = process.poll_stderr(cx, buffer, |_| {}) {}
            let mut answer = None;
            if let Poll::Ready(mut chunk) = process.poll_stdout(cx, buffer) {
                busy = true;
                let look = |line: &[u8]| {
                    answer = answer.or_else(|| serves(line));
                    ControlFlow::<Infallible>::Continue(())
                };
                let ControlFlow::Continue(()) = process.lines.feed(&mut chunk, look);
            }
            match answer {
                Some(true) => return Err(FaultKind::TwoProcesses.of(node)),
                None if process.is_open() && now < *until => {}
                _ => ended.push(node),
            }
        }
        ended.into_iter().for_each(|node| self.kill(node));
        Ok(busy)
    }
}
