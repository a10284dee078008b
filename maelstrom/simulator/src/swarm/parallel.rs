//! The same for many seeds, on all cores.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// What `run` makes of each seed, handed to `each` in the order of seeds until that
/// asks to stop. Workers take seeds in order; each run knows nothing of the others.
pub fn each<T: Send>(
    seeds: Range<u64>,
    run: impl Fn(u64) -> T + Sync,
    mut each: impl FnMut(T) -> ControlFlow<()>,
) {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let work = |results: mpsc::Sender<(u64, T)>| {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || results.send((seed, run(seed))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        // What was done before it was its turn.
        let (mut early, mut turn) = (BTreeMap::new(), seeds.start);
        for (seed, result) in results {
            early.insert(seed, result);
            while let Some(result) = early.remove(&turn) {
                turn += 1;
                if each(result).is_break() {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

/// What `run` makes of each seed, in the order of seeds.
pub fn over<T: Send>(seeds: Range<u64>, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let mut all = Vec::new();
    each(seeds, run, |result| {
        all.push(result);
        ControlFlow::Continue(())
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_seeds() {
        assert_eq!(over(3..40, |seed| seed * seed), (3..40).map(|s| s * s).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_told_after_it_was_asked_to_stop() {
        let mut told = Vec::new();
        each(
            0..1000,
            |seed| seed,
            |seed| {
                told.push(seed);
                if seed == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(told, (0..=7).collect::<Vec<_>>());
    }
}
