//! The operations of the test proper: sends and polls, assigns, crashes.
//!
//! - Half of the operations send to a key, the others poll. Keys come and go as
//!   in the transactional workloads ([`Accesses`]).
//! - One in 64 is an `assign` to the key that would have been next. A third of
//!   those also name every key of which nobody has polled what was sent, so that
//!   no message stays unread only because nobody had reason to read it.
//! - A `crash` comes every 30 s for each client process, on average.
//!
//! As `jepsen.tests.kafka/workload` has it, with `assign` for `subscribe` and no
//! transactions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use checkers::history::{OpType, raw};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::offsets::{Highest, Seen, Unseen, raise};
use crate::workload::txn::{Access, Accesses};
use crate::workload::{Completion, Context, Generator, Next, Operation};

/// Mean time between two crashes of one client process.
const CRASH_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct SendsAndPolls {
    accesses: Accesses,
    /// Drawn already, but an assign came first.
    upcoming: Option<Access>,
    next_crash: Duration,
    longest_crash_gap: Duration,
    unseen: Unseen,
    highest: Rc<RefCell<Highest>>,
}

impl SendsAndPolls {
    /// `highest` will hold the highest offset of each key that is sent or polled.
    pub(super) fn new(
        accesses: Accesses,
        concurrency: usize,
        highest: Rc<RefCell<Highest>>,
    ) -> Self {
        Self {
            accesses,
            upcoming: None,
            next_crash: Duration::ZERO,
            longest_crash_gap: (2 * CRASH_INTERVAL).div_f64(concurrency.max(1) as f64),
            unseen: Unseen::default(),
            highest,
        }
    }

    /// A crash that is due competes with what else is: each is as likely to be
    /// next.
    fn crashes(&mut self, now: Duration, rng: &mut StdRng) -> bool {
        let crashes = self.next_crash <= now && rng.random();
        if crashes {
            self.next_crash = now + self.longest_crash_gap.mul_f64(rng.random());
        }
        crashes
    }

    fn assign(&self, key: u64, rng: &mut StdRng) -> Operation {
        let key = key.to_string();
        if self.unseen.is_empty() || !rng.random_ratio(1, 3) {
            return Operation::new("assign", &[key]);
        }
        let unseen = self.unseen.keys();
        let mut keys: Vec<String> = unseen.keys().map(ToString::to_string).collect();
        if !keys.contains(&key) {
            keys.push(key);
        }
        Operation { unseen: Some(raw(&unseen)), ..Operation::new("assign", &keys) }
    }

    fn draw(&mut self, rng: &mut StdRng) -> Operation {
        let access = self.upcoming.take().unwrap_or_else(|| self.accesses.draw(rng));
        if rng.random_ratio(1, 64) {
            self.upcoming = Some(access);
            return self.assign(access.key(), rng);
        }
        match access {
            Access::Read { .. } => poll(),
            Access::Write { key, value } => {
                let message = self.accesses.value(key, value);
                Operation::new("send", &[("send", key.to_string(), message)])
            }
        }
    }
}

/// A poll of whatever the client has assigned.
pub(super) fn poll() -> Operation {
    Operation::new("poll", &[["poll"]])
}

impl Generator for SendsAndPolls {
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next {
        let Some(thread) = context.free.any() else { return Next::Pending(None) };
        let crashes = self.crashes(context.now, rng);
        Next::Invoke(thread, if crashes { Operation::bare("crash") } else { self.draw(rng) })
    }

    fn completed(&mut self, _: usize, operation: &Operation, completion: Completion<'_>) {
        if completion.kind != OpType::Ok {
            return;
        }
        let seen = Seen::of(operation.f, completion.value);
        self.unseen.observe(&seen);
        let mut highest = self.highest.borrow_mut();
        for (&key, &offset) in seen.sent.iter().chain(&seen.polled) {
            raise(&mut highest, key, offset);
        }
    }
}
