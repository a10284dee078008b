//! Being interrupted.

use std::io;
use std::task::{Context, Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for signals that ask the bench to stop.
pub(super) struct Interrupts {
    signals: [(&'static str, i32, Signal); 3],
}

impl Interrupts {
    pub(super) fn new() -> io::Result<Self> {
        let listen = |name, kind: SignalKind| -> io::Result<_> {
            Ok((name, kind.as_raw_value(), signal(kind)?))
        };
        Ok(Self {
            signals: [
                listen("SIGINT", SignalKind::interrupt())?,
                listen("SIGTERM", SignalKind::terminate())?,
                listen("SIGHUP", SignalKind::hangup())?,
            ],
        })
    }

    /// Ready with the name and number of a signal that came.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(&'static str, i32)> {
        for (name, number, signal) in &mut self.signals {
            if let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                return Poll::Ready((name, *number));
            }
        }
        Poll::Pending
    }
}

/// Ends this process from now on when it is interrupted.
///
/// Whoever listens to a signal through tokio takes it from the operating system
/// for good, so after a run, with no nodes left to take care of, Ctrl-C would do
/// nothing. The exit code is the shell's for a process that died of the signal.
pub fn exit_when_interrupted() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            if let Ok(mut interrupts) = Interrupts::new() {
                let (_, number) = std::future::poll_fn(|cx| interrupts.poll(cx)).await;
                std::process::exit(128 + number);
            }
        });
    });
}
