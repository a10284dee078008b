//! The end of a run: processes end, and a fault is explained by what its node
//! printed and logged.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::task::{Context, Poll};
use std::time::Duration;

use maelstrom::protocol::INIT;
use nix::sys::signal::Signal;
use simulator::{FaultKind, NodeFailure, Printed, RunError};

use super::Processes;
use crate::host::child::NodeProcess;
use crate::host::escaped;
use crate::host::run::Output;
use crate::host::start::not_found;
use crate::host::twin::TwinProcesses;

/// How long nodes have to end after their input did, before SIGTERM, and again
/// before SIGKILL.
const GRACE: Duration = Duration::from_millis(100);
/// How long a process may take to end after SIGKILL, or after its output did.
pub(super) const DEATH: Duration = Duration::from_secs(2);

impl Processes {
    /// Ends all processes: politely after a test that went through, at once after
    /// any other.
    pub async fn end(&mut self, politely: bool, output: &mut dyn Output) {
        self.twins = TwinProcesses::default();
        if politely {
            self.nodes.iter_mut().flatten().for_each(NodeProcess::close_stdin);
            self.signal_remaining(Signal::SIGCONT);
            self.await_ends(GRACE, false, output).await;
            self.signal_remaining(Signal::SIGTERM);
            self.await_ends(GRACE, false, output).await;
        }
        self.signal_remaining(Signal::SIGKILL);
        // They may hold the nodes' output open, which is read to its end.
        escaped::kill_marked(self.marks.of_all());
        self.await_ends(DEATH, true, output).await;
        self.dismiss_watchdog();
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
    async fn await_ends(&mut self, limit: Duration, and_logs: bool, output: &mut dyn Output) {
        let poll = std::future::poll_fn(|cx| self.poll_ends(cx, and_logs, output));
        let _ = tokio::time::timeout(limit, poll).await;
    }

    fn poll_ends(
        &mut self,
        cx: &mut Context<'_>,
        and_logs: bool,
        output: &mut dyn Output,
    ) -> Poll<()> {
        while let Poll::Ready(Some(exit)) = self.exits.poll_recv(cx) {
            self.exited(exit);
        }
        for node in 0..self.nodes.len() {
            if let Some(process) = &mut self.nodes[node] {
                while process.poll_stdout(cx, &mut self.buffer).is_ready() {}
            }
            while let Poll::Ready(Ok(true)) = self.drain_stderr(node, cx, output) {}
        }
        let is_over = |process: &NodeProcess| process.ended && !(and_logs && process.logs());
        if self.nodes.iter().flatten().all(is_over) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn drain_stderr(
        &mut self,
        node: usize,
        cx: &mut Context<'_>,
        output: &mut dyn Output,
    ) -> Poll<Result<bool, RunError>> {
        match self.read_stderr(node, cx, output) {
            Ok(false) => Poll::Pending,
            other => Poll::Ready(other),
        }
    }

    /// A watchdog that is let go without a farewell looks after what would not
    /// end.
    fn dismiss_watchdog(&mut self) {
        let all_ended = self.nodes.iter().flatten().all(|process| process.ended);
        if let Some(watchdog) = self.watchdog.take().filter(|_| all_ended) {
            watchdog.farewell();
        }
    }

    /// A fault with what the node logged.
    pub fn with_reason(&self, error: RunError) -> RunError {
        let RunError::Node(failure) = error else { return error };
        let Some(process) = &self.nodes[failure.fault.node] else { return RunError::Node(failure) };
        let (stderr, is_reason) = process.excerpt().shown();
        RunError::Node(Box::new(NodeFailure {
            hint: hint(&failure.fault.kind, process, &self.program),
            stderr,
            is_reason,
            log: process.log_path().to_owned(),
            fault: failure.fault,
        }))
    }
}

/// What may be behind a fault, judging by what the node did and left undone.
fn hint(fault: &FaultKind, process: &NodeProcess, program: &Path) -> Option<String> {
    let rest = process.lines.rest();
    match fault {
        FaultKind::Silent { request, printed, instead: None, .. } => {
            Some(silence(process, request, *printed))
        }
        FaultKind::Exited { .. } | FaultKind::ClosedOutput if !rest.is_empty() => {
            Some(format!("The last that it printed was {}.", Printed::quote(rest)))
        }
        FaultKind::Exited { .. } => {
            let meaning = process.status.and_then(meaning);
            let lacking = process.excerpt().lacks_a_file().then(|| not_found(program));
            let both: Vec<String> = meaning.map(str::to_owned).into_iter().chain(lacking).collect();
            (!both.is_empty()).then(|| both.join(" "))
        }
        _ => None,
    }
}

/// Why a request was not answered.
fn silence(process: &NodeProcess, request: &str, printed: u64) -> String {
    let (rest, unread) = (process.lines.rest(), process.unread());
    if rest.contains(&b'\r') {
        return format!(
            "It printed {}. A carriage return is no end of line: a message ends with a line feed.",
            Printed::quote(rest)
        );
    }
    if !rest.is_empty() {
        return format!(
            "It printed {} without an end of line. Nobody reads that: a message ends with a line \
             break.",
            Printed::quote(rest)
        );
    }
    if let Some(after) = process.deaf_after {
        return format!("It {}.", FaultKind::ClosedInput { after });
    }
    if unread > 0 {
        let time = match request {
            INIT => " If it takes longer to start, --init-timeout gives it more time.",
            _ => "",
        };
        return format!(
            "It has not read the request: {unread} bytes wait on its standard input.{time}"
        );
    }
    match printed {
        0 => "It has read the request and printed nothing since. If it did answer, it does not flush its \
              output: most languages keep it back where no terminal reads it."
            .to_owned(),
        1 => "The line that it printed since was no answer to it.".to_owned(),
        _ => format!("None of the {printed} lines that it printed since was an answer to it."),
    }
}

/// What an exit status says beyond its number.
fn meaning(status: ExitStatus) -> Option<&'static str> {
    let signal = status.signal().or_else(|| status.code().map(|code| code - OF_SIGNALS));
    let signal = signal.and_then(|number| Signal::try_from(number).ok());
    match (status.code(), signal) {
        (Some(0), _) => Some(
            "It ended as if all was done: a node goes on until its standard input ends. A process \
             that goes on in the background is none to the bench.",
        ),
        (Some(126), _) => Some(
            "By this status a shell or env says that a program may not be executed, or is none.",
        ),
        (Some(127), _) => Some(
            "By this status a shell, env or the loader says that a program, or a library that it \
             needs, is not there.",
        ),
        (_, Some(Signal::SIGSEGV | Signal::SIGBUS)) => Some(
            "It used memory that is not its own: through a pointer to nothing, or on a stack that \
             was full.",
        ),
        (_, Some(Signal::SIGABRT)) => Some(
            "It gave itself up (abort): after a failed assertion, an exception that nobody caught, \
             or because its memory was corrupt.",
        ),
        (_, Some(Signal::SIGKILL)) => {
            Some("Somebody killed it. The system does so when memory runs out.")
        }
        (_, Some(Signal::SIGPIPE)) => Some("It wrote to a pipe that nobody reads."),
        (_, Some(Signal::SIGFPE)) => Some("It divided by zero, or the like."),
        (_, Some(Signal::SIGILL | Signal::SIGTRAP)) => Some(
            "It came to an instruction that ends it: some languages fail so, others were built for \
             another processor.",
        ),
        _ => None,
    }
}

/// A shell adds this to the number of the signal that ended its command.
const OF_SIGNALS: i32 = 128;
