//! A timer finer than a millisecond.
//!
//! Tokio's timers tick once a millisecond. At a thousand operations a second and
//! more that would turn evenly spread load into bursts, and it would add up to a
//! millisecond to every latency. On Linux this is a timerfd instead; elsewhere it
//! is tokio's timer.

pub(super) use implementation::Alarm;

#[cfg(target_os = "linux")]
mod implementation {
    use std::io;
    use std::os::fd::AsFd as _;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::net::unix::pipe;

    /// Rings once, some time from now.
    pub(in crate::host) struct Alarm {
        timer: TimerFd,
        /// The same timer to read from. To tokio it is a pipe: of what it can wait
        /// for without unsafe code, that is what asks nothing more of a descriptor
        /// than that it can be read.
        rings: pipe::Receiver,
    }

    impl Alarm {
        /// An alarm that is not set. Needs tokio's runtime.
        pub(in crate::host) fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let same = timer.as_fd().try_clone_to_owned()?;
            Ok(Self { timer, rings: pipe::Receiver::from_owned_fd_unchecked(same)? })
        }

        /// Sets it, instead of what it was set to.
        pub(in crate::host) fn set(&mut self, after: Duration) -> io::Result<()> {
            // Zero would switch it off.
            let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
            Ok(self.timer.set(Expiration::OneShot(after), TimerSetTimeFlags::empty())?)
        }

        /// Ready once it rang.
        pub(in crate::host) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            loop {
                ready!(self.rings.poll_read_ready(cx))?;
                // How often it rang, of no interest: it has to be read to ring again.
                match self.rings.try_read(&mut [0; 8]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result.map(drop)),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod implementation {
    use std::future::Future as _;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::time::{Instant, Sleep, sleep};

    /// Rings once, some time from now.
    pub(in crate::host) struct Alarm {
        sleep: Pin<Box<Sleep>>,
    }

    impl Alarm {
        /// An alarm that is not set. Needs tokio's runtime.
        pub(in crate::host) fn new() -> io::Result<Self> {
            Ok(Self { sleep: Box::pin(sleep(Duration::MAX)) })
        }

        /// Sets it, instead of what it was set to.
        pub(in crate::host) fn set(&mut self, after: Duration) -> io::Result<()> {
            self.sleep.as_mut().reset(Instant::now() + after);
            Ok(())
        }

        /// Ready once it rang.
        pub(in crate::host) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.sleep.as_mut().poll(cx).map(Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Alarm;

    #[tokio::test]
    async fn it_rings_when_it_is_set_to_and_not_before() {
        let mut alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            let began = Instant::now();
            alarm.set(Duration::from_secs(3600)).unwrap();
            alarm.set(Duration::from_millis(3)).unwrap();
            std::future::poll_fn(|cx| alarm.poll(cx)).await.unwrap();
            assert!(began.elapsed() >= Duration::from_millis(3));
        }
    }
}
