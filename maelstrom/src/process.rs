//! A node as a process: standard input and output, logs, signals, exit code.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncWrite, BufReader};
use tokio::net::unix::pipe;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::node::{Host, Node};
use crate::run::RunError;

/// As much as a pipe holds on Linux.
const INPUT_BUFFER: usize = 64 * 1024;

/// Runs a node on standard input and output until the input ends or SIGTERM
/// comes: what a node's `main` consists of.
///
/// Logs go to standard error, with the node's id; the environment variable
/// `RUST_LOG` says what is logged (`info` when it is not set).
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
        Err(RunError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            tracing::info!("nobody reads the output any more");
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
    // Opened again, the pipe has flags of its own: making it non-blocking does
    // not change it for other processes that share it.
    let pipe = pipe::OpenOptions::new()
        .open_receiver("/proc/self/fd/0")
        .or_else(|_| pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?));
    match pipe {
        Ok(pipe) => Box::pin(BufReader::with_capacity(INPUT_BUFFER, pipe)),
        Err(_not_a_pipe) => Box::pin(BufReader::with_capacity(INPUT_BUFFER, tokio::io::stdin())),
    }
}

/// Standard output, likewise.
fn output() -> Pin<Box<dyn AsyncWrite>> {
    let pipe = pipe::OpenOptions::new()
        .open_sender("/proc/self/fd/1")
        .or_else(|_| pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?));
    match pipe {
        Ok(pipe) => Box::pin(pipe),
        Err(_not_a_pipe) => Box::pin(tokio::io::stdout()),
    }
}
