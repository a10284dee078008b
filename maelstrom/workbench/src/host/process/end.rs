//! The end of a run: processes end, and a fault is explained by what its node
//! printed and logged.

use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::Signal;
use simulator::{FaultKind, NodeFailure, Printed, RunError, RunStats};

use super::Host;
use crate::host::child::NodeProcess;
use crate::host::escaped;
use crate::host::twin::TwinProcesses;

/// How long nodes have to end after their input did, before SIGTERM, and again
/// before SIGKILL.
const GRACE: Duration = Duration::from_millis(100);
/// How long a process may take to end after SIGKILL, or after its output did.
pub(super) const DEATH: Duration = Duration::from_secs(2);

impl Host<'_> {
    /// Ends all processes: politely after a test that went through, at once after
    /// any other.
    pub(super) async fn shut_down(&mut self, politely: bool) {
        self.twins = TwinProcesses::default();
        if politely {
            self.nodes.iter_mut().flatten().for_each(NodeProcess::close_stdin);
            self.signal_remaining(Signal::SIGCONT);
            self.await_ends(GRACE, false).await;
            self.signal_remaining(Signal::SIGTERM);
            self.await_ends(GRACE, false).await;
        }
        self.signal_remaining(Signal::SIGKILL);
        // They may hold the nodes' output open, which is read to its end.
        escaped::kill_marked(self.marks.of_all());
        self.await_ends(DEATH, true).await;
    }

    fn signal_remaining(&self, signal: Signal) {
        self.nodes
            .iter()
            .flatten()
            .filter(|process| !process.ended)
            .for_each(|process| process.signal(signal));
    }

    /// Waits until all processes ended, but no longer than this. Goes on reading
    /// what they print, lest they wait for us.
    async fn await_ends(&mut self, limit: Duration, and_logs: bool) {
        let poll = std::future::poll_fn(|cx| self.poll_ends(cx, and_logs));
        let _ = tokio::time::timeout(limit, poll).await;
    }

    fn poll_ends(&mut self, cx: &mut Context<'_>, and_logs: bool) -> Poll<()> {
        while let Poll::Ready(Some(exit)) = self.exits.poll_recv(cx) {
            self.exited(exit);
        }
        for node in 0..self.nodes.len() {
            if let Some(process) = &mut self.nodes[node] {
                while process.poll_stdout(cx, &mut self.buffer).is_ready() {}
            }
            while let Poll::Ready(Ok(true)) = self.drain_stderr(node, cx) {}
        }
        let is_over = |process: &NodeProcess| process.ended && !(and_logs && process.logs());
        if self.nodes.iter().flatten().all(is_over) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn drain_stderr(&mut self, node: usize, cx: &mut Context<'_>) -> Poll<Result<bool, RunError>> {
        match self.read_stderr(node, cx) {
            Ok(false) => Poll::Pending,
            other => Poll::Ready(other),
        }
    }

    /// Passes on the rest of the trace of a run that came to this.
    pub(super) fn end_trace(&mut self, result: &Result<RunStats, RunError>) {
        let fault = match result {
            Err(RunError::Node(failure)) => Some(&failure.fault),
            _ => None,
        };
        let rest = self.world.end_trace(fault, self.began.elapsed());
        rest.iter().for_each(|lines| self.observer.trace(lines));
    }

    /// A watchdog that is let go without a farewell looks after what would not
    /// end.
    pub(super) fn dismiss_watchdog(&mut self) {
        let all_ended = self.nodes.iter().flatten().all(|process| process.ended);
        if let Some(watchdog) = self.watchdog.take().filter(|_| all_ended) {
            watchdog.farewell();
        }
    }

    /// A fault with what the node logged.
    pub(super) fn explain(&self, error: RunError) -> RunError {
        let RunError::Node(failure) = error else { return error };
        let Some(process) = &self.nodes[failure.fault.node] else { return RunError::Node(failure) };
        RunError::Node(Box::new(NodeFailure {
            hint: hint(&failure.fault.kind, process),
            reasons: process.reasons(),
            stderr: process.tail(),
            log: process.log_path().to_owned(),
            fault: failure.fault,
        }))
    }
}

/// What may be behind a fault, judging by the node's output.
fn hint(fault: &FaultKind, process: &NodeProcess) -> Option<String> {
    let rest = process.lines.rest();
    let is_end = matches!(fault, FaultKind::Exited { .. } | FaultKind::ClosedOutput);
    match fault {
        FaultKind::Silent { .. } if !rest.is_empty() => Some(format!(
            "It printed {} without an end of line. Nobody reads that: a message ends with a line \
             break.",
            Printed::quote(rest)
        )),
        FaultKind::Silent { printed: 0, .. } if process.backlog() == 0 => Some(
            "It printed nothing. If it did answer, it probably does not flush its output, which \
             its language keeps back where no terminal reads it."
                .to_owned(),
        ),
        _ if is_end && !rest.is_empty() => {
            Some(format!("The last that it printed was {}.", Printed::quote(rest)))
        }
        _ => None,
    }
}
