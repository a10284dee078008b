//! Nodes that are broken on purpose: a swarm has to find each within 500 seeds.
//!
//! One file a kind of broken node. Each test names the number of seeds in which
//! the bug is found, and what is found.

mod disk;
mod intruder;
mod links;
mod panics;
mod settling;

use simulator::swarm::{Failure, Subject, Swarm};

/// The most seeds that any bug may need.
const MOST: u64 = 500;

/// The first failure of a subject among so many seeds.
#[track_caller]
fn found(subject: &Subject, seeds: u64) -> Box<Failure> {
    assert!(seeds <= MOST, "{seeds} seeds are too many");
    let failure = Swarm::new(subject).seeds(0..seeds).run();
    failure.unwrap_or_else(|| panic!("{}: nothing is found in {seeds} seeds", subject.name))
}

/// That the same node without the bug passes as many seeds.
#[track_caller]
fn passes(subject: &Subject, seeds: u64) {
    if let Some(failure) = Swarm::new(subject).seeds(0..seeds).run() {
        panic!("{failure}");
    }
}
