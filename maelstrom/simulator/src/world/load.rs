//! When operations are due: a generator and its pace.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::workload::{Completion, Context, Generator, Next, Operation};

/// A generator under way.
///
/// Gaps between operations are uniform between 0 and twice their mean. An
/// operation that nobody is free to perform waits, and those after it are put
/// off; one that was only started late, because the host's clock is coarse, puts
/// off nothing.
pub(super) struct Load {
    generator: Option<Box<dyn Generator>>,
    /// Whether more operations may come. Afterwards the generator still learns
    /// how those end that were open.
    running: bool,
    rng: StdRng,
    /// Nanoseconds; 0 for one operation after the other without a pause.
    longest_gap: u64,
    end: Option<Duration>,
    due: Due,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The next operation is due then.
    At(Duration),
    /// It was due, but has to wait: for a completion or for this time.
    Pending(Option<Duration>),
}

impl Load {
    pub(super) fn none(rng: StdRng) -> Self {
        Self {
            generator: None,
            running: false,
            rng,
            longest_gap: 0,
            end: None,
            due: Due::Pending(None),
        }
    }

    /// Operations at a mean rate for a time. A rate of 0 means none, for that
    /// time.
    pub(super) fn start(
        &mut self,
        generator: Box<dyn Generator>,
        rate: f64,
        now: Duration,
        limit: Duration,
    ) {
        let end = now + limit;
        self.generator = Some(generator);
        self.running = true;
        self.end = Some(end);
        self.longest_gap = if rate > 0.0 { (2e9 / rate) as u64 } else { 0 };
        self.due = Due::At(if rate > 0.0 { now } else { end });
    }

    /// Operations as soon as they can be had, until there are no more.
    pub(super) fn start_unpaced(&mut self, generator: Box<dyn Generator>, now: Duration) {
        self.generator = Some(generator);
        self.running = true;
        self.end = None;
        self.longest_gap = 0;
        self.due = Due::At(now);
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn end(&self) -> Option<Duration> {
        self.end
    }

    /// When to call [`next`](Self::next).
    pub(super) fn due(&self) -> Option<Duration> {
        match self.due {
            _ if !self.running => None,
            Due::At(time) => Some(time),
            Due::Pending(until) => until,
        }
    }

    /// There is no point in waiting for an operation that would be due after the
    /// end.
    fn end_if_due_too_late(&mut self) {
        if let (Due::At(due), Some(end)) = (self.due, self.end)
            && due >= end
        {
            self.running = false;
        }
    }

    /// The operation that is due, if it can be performed.
    pub(super) fn next(&mut self, context: &Context<'_>) -> Option<(usize, Operation)> {
        let due = match self.due {
            Due::At(time) => time,
            Due::Pending(_) => context.now,
        };
        if self.end.is_some_and(|end| due >= end) {
            self.running = false;
        }
        let generator = self.generator.as_mut().filter(|_| self.running)?;
        match generator.next(context, &mut self.rng) {
            Next::Invoke(thread, operation) => {
                let gap = self.draw_gap();
                self.due = Due::At(due + gap);
                self.end_if_due_too_late();
                Some((thread, operation))
            }
            Next::Pending(until) => {
                let soon = context.now + Duration::from_nanos(1);
                self.due = Due::Pending(until.map(|until| until.max(soon)));
                None
            }
            Next::Exhausted => {
                self.running = false;
                None
            }
        }
    }

    pub(super) fn completed(
        &mut self,
        thread: usize,
        operation: &Operation,
        completion: Completion<'_>,
        now: Duration,
    ) {
        if let Some(generator) = &mut self.generator {
            generator.completed(thread, operation, completion);
        }
        if let Due::Pending(_) = self.due {
            self.due = Due::At(now);
        }
    }

    fn draw_gap(&mut self) -> Duration {
        let gap =
            if self.longest_gap == 0 { 0 } else { self.rng.random_range(0..self.longest_gap) };
        Duration::from_nanos(gap)
    }
}
