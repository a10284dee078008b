//! Generators: which operation comes next, and on which thread.
//!
//! A thread is a place for one client process at a time; it is bound to a node.
//! Generators know nothing of pace: the world asks when an operation is due.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use checkers::history::OpType;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Operation;

pub(crate) trait Generator {
    /// The next operation. It counts as taken when it is returned.
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next;

    /// Learns of a completed operation, also of those that complete after the
    /// last was begun. `operation` is what the generator made.
    fn completed(&mut self, thread: usize, operation: &Operation, completion: Completion<'_>) {
        let _ = (thread, operation, completion);
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion<'a> {
    /// `ok`, `fail` or `info`.
    pub kind: OpType,
    /// The completion's value.
    pub value: &'a serde_json::value::RawValue,
}

/// What a generator sees when it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// Time since the test started.
    pub now: Duration,
    /// Which threads are free.
    pub free: &'a FreeThreads,
    /// The process on each thread.
    pub processes: &'a [u64],
}

#[derive(Debug)]
pub(crate) enum Next {
    /// This operation on this thread, which has to be free.
    Invoke(usize, Operation),
    /// Nothing before an operation completes, or before this time.
    Pending(Option<Duration>),
    /// Nothing ever again.
    Exhausted,
}

/// The threads that have no operation open.
#[derive(Clone, Debug)]
pub(crate) struct FreeThreads {
    free: BTreeSet<usize>,
    /// From where on the next is looked for, so that all take turns.
    next: usize,
}

impl FreeThreads {
    pub(crate) fn all(count: usize) -> Self {
        Self { free: (0..count).collect(), next: 0 }
    }

    /// The free thread whose turn it is.
    pub(crate) fn any(&self) -> Option<usize> {
        self.free.range(self.next..).next().or_else(|| self.free.first()).copied()
    }

    /// The same among the threads of a range.
    pub(crate) fn any_in(&self, range: Range<usize>) -> Option<usize> {
        let (from, to) = (self.next.clamp(range.start, range.end), range.end);
        self.free.range(from..to).next().or_else(|| self.free.range(range).next()).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.free.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn take(&mut self, thread: usize) {
        self.free.remove(&thread);
        self.next = thread + 1;
    }

    pub(crate) fn give_back(&mut self, thread: usize) {
        self.free.insert(thread);
    }
}

/// Operations from a function, endlessly, on whichever thread is free.
pub(crate) struct Mixed<F>(F);

impl<F: FnMut(&mut StdRng) -> Operation> Mixed<F> {
    pub(crate) fn new(make: F) -> Self {
        Self(make)
    }
}

impl<F: FnMut(&mut StdRng) -> Operation> Generator for Mixed<F> {
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next {
        match context.free.any() {
            Some(thread) => Next::Invoke(thread, (self.0)(rng)),
            None => Next::Pending(None),
        }
    }
}

/// One operation on each thread, in random order.
pub(crate) struct EachThread {
    operation: Operation,
    done: BTreeSet<usize>,
}

impl EachThread {
    pub(crate) fn once(operation: Operation) -> Self {
        Self { operation, done: BTreeSet::new() }
    }
}

impl Generator for EachThread {
    fn next(&mut self, context: &Context<'_>, rng: &mut StdRng) -> Next {
        let open: Vec<usize> =
            context.free.iter().filter(|thread| !self.done.contains(thread)).collect();
        if !open.is_empty() {
            let thread = open[rng.random_range(0..open.len())];
            self.done.insert(thread);
            return Next::Invoke(thread, self.operation.clone());
        }
        if self.done.len() == context.processes.len() {
            Next::Exhausted
        } else {
            Next::Pending(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn threads_take_turns() {
        let mut free = FreeThreads::all(3);
        let mut turns = Vec::new();
        for _ in 0..5 {
            let thread = free.any().unwrap();
            free.take(thread);
            turns.push(thread);
            free.give_back(thread);
        }
        assert_eq!(turns, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn busy_threads_are_passed_over() {
        let mut free = FreeThreads::all(2);
        free.take(0);
        assert_eq!(free.any(), Some(1));
        free.take(1);
        assert_eq!(free.any(), None);
        free.give_back(0);
        assert_eq!(free.any(), Some(0));
    }

    #[test]
    fn threads_of_a_range_take_turns_among_themselves() {
        let mut free = FreeThreads::all(6);
        free.take(4);
        free.give_back(4);
        assert_eq!(free.any_in(0..3), Some(0), "it is 5's turn, the first after it comes next");
        assert_eq!(free.any_in(3..6), Some(5));
        free.take(0);
        assert_eq!(free.any_in(0..3), Some(1));
        assert_eq!(free.any_in(0..1), None);
    }

    #[test]
    fn each_thread_gets_one_operation_however_late_it_is_free() {
        let mut generator = EachThread::once(Operation::bare("read"));
        let mut rng = StdRng::seed_from_u64(0);
        let mut free = FreeThreads::all(3);
        free.take(2);
        let mut next = |free: &FreeThreads| {
            let context = Context { now: Duration::ZERO, free, processes: &[0, 1, 2] };
            generator.next(&context, &mut rng)
        };
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let Next::Invoke(thread, _) = next(&free) else { panic!("an operation is expected") };
            assert!(seen.insert(thread));
        }
        assert!(matches!(next(&free), Next::Pending(None)));
        free.give_back(2);
        assert!(matches!(next(&free), Next::Invoke(2, _)));
        assert!(matches!(next(&free), Next::Exhausted));
    }
}
