//! Being interrupted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) struct Interrupts {
    signals: [(&'static str, i32, Signal); 3],
}

impl Interrupts {
    pub(crate) fn new() -> io::Result<Self> {
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
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(&'static str, i32)> {
        for (name, number, signal) in &mut self.signals {
            if let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                return Poll::Ready((name, *number));
            }
        }
        Poll::Pending
    }
}

/// While this is held, a signal that asks the bench to stop ends this process.
///
/// Whoever listens to a signal through tokio takes it from the operating system
/// for good, so after a run Ctrl-C would do nothing any more, however long the
/// checkers take. To be let go before the next run, whose host listens itself and
/// has nodes to take care of.
#[derive(Debug)]
#[must_use = "signals are ignored again once this is dropped"]
pub struct ExitOnInterrupt(Arc<AtomicBool>);

impl ExitOnInterrupt {
    /// Listens, from now on. The exit code is the shell's for a process that died
    /// of the signal.
    ///
    /// # Errors
    ///
    /// When the system has no means left to listen with.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut interrupts = {
            let _context = runtime.enter();
            Interrupts::new()?
        };
        let armed = Arc::new(AtomicBool::new(true));
        let still_armed = armed.clone();
        std::thread::spawn(move || {
            let signal = std::future::poll_fn(|cx| interrupts.poll(cx));
            let (_, number) = runtime.block_on(signal);
            if still_armed.load(Ordering::Relaxed) {
                std::process::exit(128 + number);
            }
        });
        Ok(Self(armed))
    }
}

impl Drop for ExitOnInterrupt {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
