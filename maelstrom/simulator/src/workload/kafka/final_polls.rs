//! The operations after the recovery phase: everybody reads everything.
//!
//! Each thread crashes its client, so that no old state is in the way, assigns
//! all keys to the new one, rewound to their beginning, and polls until it has
//! seen the highest offset of every key. That may never happen (a message may be
//! lost), so all of it ends after [`TIME_LIMIT`].

use std::time::Duration;

use checkers::history::OpType;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::generator::poll;
use super::offsets::{Highest, Seen};
use crate::workload::{Completion, Context, Generator, Next, Operation};

/// For how long operations are generated.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The longest pause between two polls of a thread; on average it is half of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// What the original's polls say of themselves.
const POLL_MS: u64 = 1000;

#[derive(Debug)]
pub(super) struct FinalPolls {
    assign: Operation,
    threads: Vec<Thread>,
    deadline: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Thread {
    /// Keys of which it has not seen this offset yet.
    waiting_for: Highest,
    stage: Stage,
}

/// What a thread does next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Crash,
    Assign,
    /// At this time or later.
    Poll(Duration),
}

impl FinalPolls {
    pub(super) fn new(targets: &Highest, concurrency: usize) -> Self {
        let keys: Vec<String> = targets.keys().map(ToString::to_string).collect();
        let assign = Operation { seek_to_beginning: true, ..Operation::new("assign", &keys) };
        let thread = Thread { waiting_for: targets.clone(), stage: Stage::Crash };
        Self { assign, threads: vec![thread; concurrency], deadline: None }
    }

    /// The earliest time at which a free thread has something to do, and the
    /// threads that have it then.
    fn earliest(&self, context: &Context<'_>) -> Option<(Duration, Vec<usize>)> {
        let due = |thread: usize| self.threads[thread].due().map(|due| due.max(context.now));
        let earliest = context.free.iter().filter_map(due).min()?;
        Some((
            earliest,
            context.free.iter().filter(|&thread| due(thread) == Some(earliest)).collect(),
        ))
    }

    fn step(&mut self, thread: usize, now: Duration, rng: &mut StdRng) -> Operation {
        let stage = &mut self.threads[thread].stage;
        match *stage {
            Stage::Crash => {
                *stage = Stage::Assign;
                Operation::bare("crash")
            }
            Stage::Assign => {
                *stage = Stage::Poll(now);
                self.assign.clone()
            }
            Stage::Poll(_) => {
                *stage = Stage::Poll(now + LONGEST_PAUSE.mul_f64(rng.random()));
                Operation { poll_ms: Some(POLL_MS), ..poll() }
            }
        }
    }
}

impl Thread {
    /// When it has something to do; nothing once it has seen everything.
    fn due(&self) -> Option<Duration> {
        match self.stage {
            _ if self.waiting_for.is_empty() => None,
            Stage::Crash | Stage::Assign => Some(Duration::ZERO),
            Stage::Poll(due) => Some(due),
        }
    }
}

impl Generator for FinalPolls {
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next {
        let deadline = *self.deadline.get_or_insert(context.now + TIME_LIMIT);
        match self.earliest(context) {
            None if context.free.len() == self.threads.len() => Next::Exhausted,
            None => Next::Pending(None),
            Some((due, _)) if due >= deadline => Next::Exhausted,
            Some((due, _)) if due > context.now => Next::Pending(Some(due)),
            Some((_, threads)) => match threads.choose(rng) {
                Some(&thread) => Next::Invoke(thread, self.step(thread, context.now, rng)),
                None => Next::Pending(None),
            },
        }
    }

    fn completed(&mut self, thread: usize, operation: &Operation, completion: Completion<'_>) {
        if completion.kind != OpType::Ok || operation.f != "poll" {
            return;
        }
        let seen = Seen::of("poll", completion.value).polled;
        self.threads[thread]
            .waiting_for
            .retain(|key, target| seen.get(key).is_none_or(|offset| offset < target));
    }
}
