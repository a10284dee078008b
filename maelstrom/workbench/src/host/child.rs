//! One node's process and its pipes.
//!
//! Nothing here blocks or waits: what is for the node is kept until the pipe
//! takes it, in as few writes as the pipe allows. A node whose backlog grows past
//! [`MAX_BACKLOG`] does not read, which is a fault of its own.
//!
//! A process leads a process group, and the group is killed when this is dropped.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use maelstrom::protocol::Lines;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use simulator::Message;
use tokio::io::{AsyncRead, AsyncWrite as _, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use super::escaped;
use super::log::Log;
use super::reasons::Excerpt;

/// How many bytes may wait for a node.
pub(super) const MAX_BACKLOG: usize = 128 << 20;

/// How to start a node's process.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) args: &'a [OsString],
    /// Where the process is to find itself.
    pub(super) directory: &'a Path,
    /// Where its standard error goes.
    pub(super) log: PathBuf,
    /// What its environment is marked with: see [`escaped`](super::escaped).
    pub(super) mark: String,
    /// Whether the log goes on where an earlier process left off.
    pub(super) is_restart: bool,
}

#[derive(Debug)]
pub(super) struct NodeProcess {
    group: u32,
    started: Instant,
    stdin: Option<ChildStdin>,
    /// How long after its start it was seen to have closed its standard input, if it has.
    pub(super) deaf_after: Option<Duration>,
    backlog: Vec<u8>,
    written: usize,
    stdout: Option<ChildStdout>,
    pub(super) lines: Lines,
    stderr: Option<ChildStderr>,
    log: Log,
    /// Whether the process ended. Its group may have members yet.
    pub(super) ended: bool,
    /// How it ended, if that is known.
    pub(super) status: Option<ExitStatus>,
    /// Whether the process was killed, so that its end is no surprise.
    pub(super) is_killed: bool,
}

impl NodeProcess {
    /// Starts a process. The child is for whoever waits for its end.
    pub(super) fn start(program: Program<'_>) -> io::Result<(Self, Child)> {
        let log = Log::open(program.log, program.is_restart)?;
        let mut child = Command::new(program.path)
            .args(program.args)
            .current_dir(program.directory)
            .env("NODE_DIRECTORY", std::path::absolute(program.directory)?)
            .env(escaped::VARIABLE, program.mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        let process = Self {
            group,
            started: Instant::now(),
            stdin: child.stdin.take(),
            deaf_after: None,
            backlog: Vec::new(),
            written: 0,
            stdout: child.stdout.take(),
            lines: Lines::default(),
            stderr: child.stderr.take(),
            log,
            ended: false,
            status: None,
            is_killed: false,
        };
        Ok((process, child))
    }

    /// The number of its process group, which is its leader's process id.
    pub(super) fn group(&self) -> u32 {
        self.group
    }

    pub(super) fn is_open(&self) -> bool {
        self.stdout.is_some()
    }

    /// Puts a message into the backlog.
    pub(super) fn enqueue(&mut self, message: &Message) {
        if self.stdin.is_some() {
            message.write_line(&mut self.backlog);
        }
    }

    /// Puts a line into the backlog, without its line break.
    pub(super) fn enqueue_line(&mut self, line: &[u8]) {
        if self.stdin.is_some() {
            self.backlog.extend_from_slice(line);
            self.backlog.push(b'\n');
        }
    }

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
                Poll::Ready(_) => self.deafen(),
            }
        }
        self.backlog.clear();
        self.written = 0;
    }

    /// Looks whether it closed its standard input, which nothing tells otherwise while
    /// there is nothing to be written.
    pub(super) fn look_at_input(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        let mut pipe = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
        let is_closed = poll(&mut pipe, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        if is_closed {
            self.deafen();
        }
    }

    fn deafen(&mut self) {
        self.stdin = None;
        self.deaf_after = Some(self.started.elapsed());
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
        if chunk.is_empty() {
            self.log.end(&mut each);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn logs(&self) -> bool {
        self.stderr.is_some()
    }

    pub(super) fn kill(&mut self) {
        self.is_killed = true;
        self.signal(Signal::SIGKILL);
    }

    /// Blocks until the process that was killed is gone, and with it what it held:
    /// the locks on its files.
    #[cfg(target_os = "linux")]
    pub(super) fn await_death(&self) {
        use nix::errno::Errno;
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        let Ok(id) = i32::try_from(self.group) else { return };
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        // An error says that it is gone: tokio has waited for it.
        while waitid(Id::Pid(Pid::from_raw(id)), flags) == Err(Errno::EINTR) {}
    }

    /// There is no way to wait for a process here without taking its end away from
    /// tokio.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn await_death(&self) {}

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal to its process group, if anybody is left there.
    pub(super) fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.group) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }

    /// What is shown of what it logged.
    pub(super) fn excerpt(&self) -> &Excerpt {
        self.log.excerpt()
    }

    /// How many bytes it was given that it has not read, as far as the system tells.
    pub(super) fn unread(&self) -> u64 {
        let in_pipe = self.stdin.as_ref().and_then(|stdin| rustix::io::ioctl_fionread(stdin).ok());
        in_pipe.unwrap_or(0) + self.backlog() as u64
    }

    /// Where all lines are that it logged.
    pub(super) fn log_path(&self) -> &Path {
        self.log.path()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::value::RawValue;
    use simulator::Address;

    use super::*;
    use crate::host::log::LONGEST_LOG_LINE;

    fn start(command: &str) -> (NodeProcess, Child) {
        let log = tempfile("log");
        let args = ["-c", command].map(OsString::from);
        let directory = std::env::temp_dir();
        let path = Path::new("/bin/sh");
        NodeProcess::start(Program {
            path,
            args: &args,
            directory: &directory,
            log,
            mark: String::new(),
            is_restart: false,
        })
        .unwrap()
    }

    /// What comes of it before patience ends.
    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
    }

    fn tempfile(name: &str) -> PathBuf {
        let thread = format!("{:?}", std::thread::current().id());
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        std::env::temp_dir().join(format!("workbench-{}-{number}.{name}", std::process::id()))
    }

    fn message(length: usize) -> Message {
        let body = format!(r#"{{"type":"x","x":"{}"}}"#, "x".repeat(length));
        let body = RawValue::from_string(body).unwrap();
        Message { id: 0, src: Address::Client(0), dest: Address::Node(0), body }
    }

    /// Reads until the node closes its output.
    async fn output(process: &mut NodeProcess) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while process.is_open() {
            let read = std::future::poll_fn(|cx| {
                process.poll_write(cx);
                process.poll_stdout(cx, &mut buffer).map(<[u8]>::to_vec)
            });
            all.extend(soon(read).await);
        }
        all
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_killed_process_has_let_go_of_its_files_when_its_death_was_awaited() {
        for _ in 0..20 {
            let (mut process, _child) = start("exec sleep 20");
            process.kill();
            process.await_death();
            let stat = format!("/proc/{}/stat", process.group());
            let stat = std::fs::read_to_string(stat).unwrap_or_default();
            assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
            process.await_death();
        }
    }

    #[tokio::test]
    async fn a_log_line_without_end_is_passed_on_in_parts() {
        let (mut process, _child) = start("head -c 5000000 /dev/zero >&2");
        let (mut parts, mut buffer) = (Vec::new(), [0; 4096]);
        while process.logs() {
            let read = std::future::poll_fn(|cx| {
                process.poll_stderr(cx, &mut buffer, |line| parts.push(line.len()))
            });
            soon(read).await.unwrap();
        }
        assert_eq!(parts.iter().sum::<usize>(), 5_000_000);
        assert!(parts.iter().all(|&part| part <= LONGEST_LOG_LINE + buffer.len()), "{parts:?}");
        std::fs::remove_file(process.log_path()).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_a_process_has_not_read_is_known() {
        let (mut process, mut child) = start("read line; echo; exec sleep 20");
        for _ in 0..2 {
            process.enqueue(&message(100));
        }
        let length = process.backlog();
        let mut buffer = [0; 64];
        let read = std::future::poll_fn(|cx| {
            process.poll_write(cx);
            process.poll_stdout(cx, &mut buffer).map(<[u8]>::len)
        });
        assert_eq!(soon(read).await, 1);
        assert_eq!(process.unread(), length as u64 / 2);
        process.kill();
        child.wait().await.unwrap();
        std::fs::remove_file(process.log_path()).unwrap();
    }

    #[tokio::test]
    async fn what_a_pipe_does_not_take_waits_until_it_does() {
        let (mut process, mut child) = start("read line; cat");
        for _ in 0..20 {
            process.enqueue(&message(100_000));
        }
        let length = process.backlog();
        let some_written = std::future::poll_fn(|cx| {
            process.poll_write(cx);
            if process.backlog() < length { Poll::Ready(()) } else { Poll::Pending }
        });
        soon(some_written).await;
        assert!(process.backlog() > 0, "a pipe takes some but not all");
        let first_line = length / 20;
        let drain = async {
            let mut read = 0;
            let mut buffer = [0; 4096];
            while read < length - first_line {
                read += std::future::poll_fn(|cx| {
                    process.poll_write(cx);
                    process.poll_stdout(cx, &mut buffer).map(<[u8]>::len)
                })
                .await;
            }
            read
        };
        let read = soon(drain).await;
        assert_eq!((read, process.backlog()), (length - first_line, 0));
        process.close_stdin();
        assert!(output(&mut process).await.is_empty());
        assert!(child.wait().await.unwrap().success());
        std::fs::remove_file(process.log_path()).unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_long_log_is_kept() {
        let (mut process, mut child) =
            start("i=0; while [ $i -lt 100 ]; do echo $i >&2; i=$((i+1)); done");
        let mut buffer = [0; 64];
        let mut lines = 0;
        while process.logs() {
            let read =
                std::future::poll_fn(|cx| process.poll_stderr(cx, &mut buffer, |_| lines += 1));
            soon(read).await.unwrap();
        }
        child.wait().await.unwrap();
        assert_eq!(lines, 100);
        let (shown, is_reason) = process.excerpt().shown();
        assert_eq!((shown.last().map(String::as_str), is_reason), (Some("99"), false));
        assert_eq!(std::fs::read_to_string(process.log_path()).unwrap().lines().count(), 100);
        std::fs::remove_file(process.log_path()).unwrap();
    }

    #[tokio::test]
    async fn a_process_that_is_dropped_is_killed_with_its_group() {
        let (mut process, mut child) = start("sleep 1000 & echo $!; wait");
        let mut buffer = [0; 64];
        let read =
            std::future::poll_fn(|cx| process.poll_stdout(cx, &mut buffer).map(<[u8]>::to_vec));
        let line = soon(read).await;
        assert!(!line.is_empty());
        let log = process.log_path().to_owned();
        let group = Pid::from_raw(i32::try_from(process.group()).unwrap());
        drop(process);
        assert!(!child.wait().await.unwrap().success());
        for _ in 0..2000 {
            if killpg(group, None).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(killpg(group, None).is_err(), "somebody is left in the group");
        std::fs::remove_file(log).unwrap();
    }
}
