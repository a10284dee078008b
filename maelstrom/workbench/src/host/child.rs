//! One node's process and its pipes.
//!
//! Nothing here blocks or waits: what is for the node is kept until the pipe
//! takes it, in as few writes as the pipe allows. A node whose backlog grows past
//! [`MAX_BACKLOG`] does not read, which is a fault of its own.
//!
//! A process leads a process group, and the group is killed when this is dropped.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWrite as _, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::lines::LineBuffer;
use crate::net::Message;

/// How many bytes may wait for a node.
pub(super) const MAX_BACKLOG: usize = 128 << 20;
/// How many lines of standard error are kept for error messages.
const TAIL: usize = 32;
/// How much of such a line is kept.
const TAIL_LINE: usize = 1000;

/// How to start a node's process.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) args: &'a [OsString],
    /// Where the process is to find itself.
    pub(super) directory: &'a Path,
    /// Where its standard error goes.
    pub(super) log: PathBuf,
}

/// A node's process.
#[derive(Debug)]
pub(super) struct NodeProcess {
    group: u32,
    stdin: Option<ChildStdin>,
    backlog: Vec<u8>,
    written: usize,
    stdout: Option<ChildStdout>,
    pub(super) lines: LineBuffer,
    stderr: Option<ChildStderr>,
    log: Log,
    /// Whether the process ended. Its group may have members yet.
    pub(super) ended: bool,
}

/// What a node logs.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    lines: LineBuffer,
    tail: VecDeque<String>,
}

impl NodeProcess {
    /// Starts a process. The child is for whoever waits for its end.
    pub(super) fn start(program: Program<'_>) -> io::Result<(Self, Child)> {
        let file = File::create(&program.log)?;
        let mut child = Command::new(program.path)
            .args(program.args)
            .current_dir(program.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        let log =
            Log { path: program.log, file, lines: LineBuffer::default(), tail: VecDeque::new() };
        let process = Self {
            group,
            stdin: child.stdin.take(),
            backlog: Vec::new(),
            written: 0,
            stdout: child.stdout.take(),
            lines: LineBuffer::default(),
            stderr: child.stderr.take(),
            log,
            ended: false,
        };
        Ok((process, child))
    }

    /// The number of its process group, which is its leader's process id.
    pub(super) fn group(&self) -> u32 {
        self.group
    }

    /// Whether it can still print.
    pub(super) fn is_open(&self) -> bool {
        self.stdout.is_some()
    }

    /// Puts a message into the backlog.
    pub(super) fn enqueue(&mut self, message: &Message) {
        if self.stdin.is_some() {
            message.write_line(&mut self.backlog);
        }
    }

    /// How many bytes wait for it.
    pub(super) fn backlog(&self) -> usize {
        self.backlog.len() - self.written
    }

    /// Writes as much of the backlog as the pipe takes. A pipe that the node
    /// closed takes nothing any more; if it did so by ending, that is noticed
    /// elsewhere.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) {
        while self.written < self.backlog.len() {
            let Some(stdin) = &mut self.stdin else { break };
            match Pin::new(stdin).poll_write(cx, &self.backlog[self.written..]) {
                Poll::Pending => return self.compact(),
                Poll::Ready(Ok(count)) if count > 0 => self.written += count,
                Poll::Ready(_) => self.stdin = None,
            }
        }
        self.backlog.clear();
        self.written = 0;
    }

    /// Gives back what was written, if it is the greater part.
    fn compact(&mut self) {
        if self.written > self.backlog.len() / 2 {
            self.backlog.drain(..self.written);
            self.written = 0;
        }
    }

    /// Reads some of what it printed; nothing once there will be no more.
    pub(super) fn poll_stdout<'b>(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &'b mut [u8],
    ) -> Poll<&'b [u8]> {
        poll_pipe(&mut self.stdout, cx, buffer)
    }

    /// Reads some of what it logged, and passes on the lines.
    pub(super) fn poll_stderr(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        mut each: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(poll_pipe(&mut self.stderr, cx, buffer));
        self.log.write(chunk, &mut each)?;
        if chunk.is_empty()
            && let Some(rest) = self.log.lines.take_rest()
        {
            self.log.keep(&rest);
            each(&rest);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether it can still log.
    pub(super) fn logs(&self) -> bool {
        self.stderr.is_some()
    }

    /// Closes its standard input.
    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal to its process group, if anybody is left there.
    pub(super) fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.group) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// The last lines that it logged.
    pub(super) fn tail(&self) -> Vec<String> {
        self.log.tail.iter().cloned().collect()
    }

    /// Where all lines are that it logged.
    pub(super) fn log_path(&self) -> &Path {
        &self.log.path
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

impl Log {
    fn write(&mut self, chunk: &[u8], each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        self.file.write_all(chunk)?;
        let mut lines = std::mem::take(&mut self.lines);
        let keep = |line: &[u8]| {
            self.keep(line);
            each(line);
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = lines.feed(chunk, keep);
        self.lines = lines;
        Ok(())
    }

    fn keep(&mut self, line: &[u8]) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        let shown = &line[..line.len().min(TAIL_LINE)];
        self.tail.push_back(String::from_utf8_lossy(shown).into_owned());
    }
}

/// Reads from a pipe; at its end, or when it fails, closes it and reads nothing.
fn poll_pipe<'b, P: AsyncRead + Unpin>(
    pipe: &mut Option<P>,
    cx: &mut Context<'_>,
    buffer: &'b mut [u8],
) -> Poll<&'b [u8]> {
    let Some(open) = pipe else { return Poll::Pending };
    let mut read = ReadBuf::new(&mut *buffer);
    let result = ready!(Pin::new(open).poll_read(cx, &mut read));
    let length = read.filled().len();
    if result.is_err() || length == 0 {
        *pipe = None;
    }
    Poll::Ready(&buffer[..length])
}
