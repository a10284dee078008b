use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::CheckBudget;

/// An operation of a made-up history: invoked at `start`, returned at
/// `end`; in doubt without an end.
#[derive(Clone, Copy, Debug)]
struct Call {
    action: Action,
    start: usize,
    end: Option<usize>,
}

fn plenty() -> Budget {
    Budget::new(CheckBudget::default())
}

/// What the search says, fed in order of time.
fn search(calls: &[Call], followed: usize) -> bool {
    let (mut search, mut budget) = (Search::following(followed), plenty());
    let mut slots = vec![None; calls.len()];
    for time in 0..2 * calls.len() {
        for (slot, call) in slots.iter_mut().zip(calls) {
            match call.end {
                Some(end) if call.start == time => {
                    *slot = Some(search.invoke(call.action, end as u64, &mut budget).unwrap());
                }
                None if call.start == time => search.doubt(call.action, &mut budget).unwrap(),
                Some(end) if end == time => match search.complete(slot.unwrap(), &mut budget) {
                    Ok(()) => {}
                    Err(Stop::Impossible(_)) => return false,
                    Err(stop) => panic!("{stop:?}"),
                },
                _ => {}
            }
        }
    }
    true
}

/// The value afterwards; `None` if this cannot happen at `value`.
fn apply(action: Action, value: ValueId) -> Option<ValueId> {
    match action {
        Action::Read(seen) => (seen == value).then_some(value),
        Action::Differs(other) => (other != value).then_some(value),
        Action::Write(new) => Some(new),
        Action::Cas(from, to) => (from == value).then_some(to),
    }
}

/// The definition: some order of all that returned, and some of the
/// others, in which nobody comes before one that had returned by then.
fn by_definition(calls: &[Call]) -> bool {
    let (mut seen, mut stack) = (HashSet::new(), vec![(0, 0_u32)]);
    while let Some((value, done)) = stack.pop() {
        let left = || (0..calls.len()).filter(move |call| done & (1 << call) == 0);
        let Some(first_end) = left().filter_map(|call| calls[call].end).min() else { return true };
        for next in left().filter(|&call| calls[call].start < first_end) {
            if let Some(value) = apply(calls[next].action, value)
                && seen.insert((value, done | (1 << next)))
            {
                stack.push((value, done | (1 << next)));
            }
        }
    }
    false
}

/// How a random history is made.
#[derive(Clone, Copy)]
struct Kind {
    calls: usize,
    values: u32,
    /// How far apart a call's beginning and end may be.
    overlap: usize,
    /// One in so many is in doubt.
    doubt: u32,
}

const KINDS: [Kind; 4] = [
    Kind { calls: 8, values: 3, overlap: 3, doubt: 5 },
    Kind { calls: 12, values: 3, overlap: 8, doubt: 6 },
    Kind { calls: 14, values: 4, overlap: 14, doubt: 3 },
    Kind { calls: 13, values: 2, overlap: 6, doubt: 8 },
];

fn random_action(values: u32, rng: &mut StdRng) -> Action {
    let mut value = || rng.random_range(0..values);
    let (a, b) = (value(), value());
    match rng.random_range(0..7) {
        0 | 1 => Action::Read(a),
        2 => Action::Differs(a),
        3 | 4 => Action::Write(a),
        _ => Action::Cas(a, b),
    }
}

fn random_calls(kind: Kind, rng: &mut StdRng) -> Vec<Call> {
    let count = rng.random_range(1..kind.calls);
    let mut times: Vec<usize> = (0..2 * count).collect();
    (0..count)
        .map(|_| {
            let start = times.remove(0);
            let end = times.remove(rng.random_range(0..kind.overlap).min(times.len() - 1));
            let end = (rng.random_range(0..kind.doubt) > 0).then_some(end);
            Call { action: random_action(kind.values, rng), start, end }
        })
        .collect()
}

/// Compares so many histories of each kind; how many had either verdict.
fn compare(histories: u64, followed: usize) -> [u64; 2] {
    let mut verdicts = [0, 0];
    for seed in 0..histories {
        for kind in KINDS {
            let calls = random_calls(kind, &mut StdRng::seed_from_u64(seed));
            let expected = by_definition(&calls);
            assert_eq!(search(&calls, followed), expected, "seed {seed}: {calls:#?}");
            verdicts[usize::from(expected)] += 1;
        }
    }
    verdicts
}

#[test]
fn the_search_agrees_with_the_definition_on_random_histories() {
    let verdicts = compare(10_000, FOLLOWED);
    // Neither verdict is rare, or the comparison would say little.
    assert!(verdicts.iter().all(|count| *count > 5_000), "{verdicts:?}");
}

#[test]
fn it_does_so_when_it_follows_one_configuration_at_a_time() {
    for followed in [1, 3] {
        compare(5_000, followed);
    }
}

/// A register on which every other operation stays in doubt, and one of
/// those in two takes effect.
fn doubtful_register(rounds: usize, budget: &mut Budget) -> Result<Search, Stop> {
    let mut search = Search::new();
    let mut rng = StdRng::seed_from_u64(1);
    let mut value = 0;
    for round in 0..rounds {
        let action = match rng.random_range(0..2) {
            0 => Action::Write(rng.random_range(1..6)),
            _ => Action::Cas(rng.random_range(1..6), rng.random_range(1..6)),
        };
        search.doubt(action, budget)?;
        if rng.random() {
            value = apply(action, value).unwrap_or(value);
        }
        let slot = search.invoke(Action::Read(value), round as u64, budget)?;
        search.complete(slot, budget)?;
    }
    Ok(search)
}

#[test]
fn what_is_used_up_is_said() {
    let limits = CheckBudget { time: Duration::from_micros(1), memory_mib: 1024 };
    let stop = doubtful_register(2_000, &mut Budget::new(limits)).err();
    assert_eq!(stop, Some(Stop::Exhausted(Exhausted::Time(limits.time))));
    let limits = CheckBudget { memory_mib: 0, ..CheckBudget::default() };
    let stop = doubtful_register(2_000, &mut Budget::new(limits)).err();
    assert_eq!(stop, Some(Stop::Exhausted(Exhausted::Memory(0))));
}

#[test]
fn a_history_that_is_nothing_but_doubt_is_followed_and_what_it_held_is_given_back() {
    let mut budget = plenty();
    let before = budget.held();
    let mut search = doubtful_register(500, &mut budget).unwrap();
    assert!(budget.held() > before);
    search.abandon(&mut budget);
    assert_eq!(budget.held(), before);
}

#[test]
fn more_operations_at_a_time_than_have_a_place_are_not_followed() {
    let (mut search, mut budget) = (Search::new(), plenty());
    for value in 0..128 {
        search.invoke(Action::Write(value), 1_000, &mut budget).unwrap();
    }
    let one_more = search.invoke(Action::Write(1), 1_000, &mut budget);
    assert_eq!(one_more, Err(Stop::TooManyOpen));
}

#[test]
fn any_number_of_writes_at_a_time_that_nobody_sees_are_easy() {
    let (mut search, mut budget) = (Search::new(), plenty());
    let slots: Vec<_> = (1..100)
        .map(|value| search.invoke(Action::Write(value), value.into(), &mut budget).unwrap())
        .collect();
    for slot in slots {
        search.complete(slot, &mut budget).unwrap();
    }
    assert!(search.followed.len() < 100, "{}", search.followed.len());
}
