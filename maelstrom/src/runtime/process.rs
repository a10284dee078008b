//! A node as a process: standard input and output, logs, signals, exit code.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture;
use tokio::io::{AsyncBufRead, AsyncWrite, BufReader, Interest};
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Sleep, sleep};
use tracing_subscriber::EnvFilter;

use crate::runtime::host::Host;
use crate::runtime::node::Node;
use crate::runtime::run::{GRACE, RunError};

/// As much as a pipe holds on Linux.
const INPUT_BUFFER: usize = 64 * 1024;

/// Runs a node on standard input and output until the input ends or SIGTERM
/// comes: what a node's `main` consists of.
///
/// Standard output is the protocol, and the node's alone: what the program prints there
/// itself, with `println!` for example, goes to standard error from now on. (If standard
/// output is a pipe, as it is under a test bench.)
///
/// Logs go to standard error, with the node's id; the environment variable
/// `RUST_LOG` says what is logged (`info` when it is not set).
///
/// After either, handlers and output have five seconds; what is not done or not read
/// by then is given up. While nobody reads the output, no input is read, and its end
/// does not show; a pipe whose writers are gone is given up after the same time then.
///
/// The exit code is 0 after the end of input, SIGTERM, and when nobody reads
/// the output any more; 1 when input or output fail in another way.
pub fn run<S: Send + Sync + 'static>(node: Node<S>) -> ExitCode {
    log_to_stderr();
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime
        .block_on(async { node.run_until(input(), output(), Host::process(), terminated()).await });
    // A thread that still reads standard input must not keep the process.
    runtime.shutdown_timeout(Duration::ZERO);
    match ended {
        Ok(_stats) => ExitCode::SUCCESS,
        Err(RunError::Output(error)) if is_unread(&error) => {
            tracing::info!("nobody reads the output any more: {error}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    // A program that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}

/// Completes when SIGTERM comes; never when it cannot be watched for.
async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "cannot watch for SIGTERM");
            std::future::pending::<()>().await;
        }
    }
}

/// Standard input. A pipe, the normal case, is read without a thread in
/// between, which makes a lone message's round trip several times shorter.
fn input() -> Pin<Box<dyn AsyncBufRead>> {
    match input_pipe() {
        Ok(pipe) => Box::pin(BufReader::with_capacity(INPUT_BUFFER, pipe)),
        Err(_not_a_pipe) => Box::pin(BufReader::with_capacity(INPUT_BUFFER, tokio::io::stdin())),
    }
}

/// Opened again, the pipe has flags of its own: making it non-blocking does not change
/// it for other processes that share it.
fn input_pipe() -> io::Result<pipe::Receiver> {
    pipe::OpenOptions::new()
        .open_receiver("/proc/self/fd/0")
        .or_else(|_| pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?))
}

fn is_unread(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::TimedOut)
}

/// Standard output.
fn output() -> impl AsyncWrite {
    Output { inner: unguarded_output(), hung_up: Box::pin(hung_up().fuse()), grace: None }
}

/// Completes when nobody can write to standard input any more, whatever it still
/// holds; never if it is no pipe.
async fn hung_up() {
    // Asked for nothing but what is urgent, of which a pipe has none, the system
    // still tells of the end.
    match input_pipe() {
        Ok(input) => drop(input.ready(Interest::PRIORITY).await),
        Err(_not_a_pipe) => std::future::pending().await,
    }
}

/// An output that fails when it has taken nothing for some seconds after the end of
/// standard input: the node, which does not read on before it has written, would never
/// learn of that end.
struct Output {
    inner: Pin<Box<dyn AsyncWrite>>,
    hung_up: Pin<Box<dyn FusedFuture<Output = ()>>>,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Output {
    /// Ready when the output has been stuck for too long.
    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.hung_up.is_terminated() {
            ready!(self.hung_up.as_mut().poll(cx));
        }
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        ready!(grace.as_mut().poll(cx));
        let text = "it was full, and the input has ended";
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = self.inner.as_mut().poll_write(cx, bytes) {
            self.grace = None;
            return Poll::Ready(result);
        }
        self.poll_stuck(cx).map(Err)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(cx)
    }
}

/// Standard output, a pipe likewise without a thread in between.
fn unguarded_output() -> Pin<Box<dyn AsyncWrite>> {
    let pipe = pipe::OpenOptions::new()
        .open_sender("/proc/self/fd/1")
        .or_else(|_| pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?));
    match pipe {
        Ok(pipe) => {
            // The node has the pipe by another descriptor, so nobody else can write to it.
            if let Err(error) = rustix::stdio::dup2_stdout(io::stderr()) {
                tracing::warn!(%error, "standard output is left to whoever prints");
            }
            Box::pin(pipe)
        }
        Err(_not_a_pipe) => Box::pin(tokio::io::stdout()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_output_that_nobody_reads_fails_within_six_seconds_of_the_end_of_input() {
        let (_unread, inner) = tokio::io::duplex(64);
        let hung_up = Box::pin(sleep(Duration::from_secs(60)).fuse());
        let mut output = Output { inner: Box::pin(inner), hung_up, grace: None };
        let begun = Instant::now();
        let error = output.write_all(&[b'x'; 65]).await.unwrap_err();
        assert!(is_unread(&error), "{error}");
        let took = begun.elapsed() - Duration::from_secs(60);
        assert!((4..6).contains(&took.as_secs()), "{took:?}");
    }
}
