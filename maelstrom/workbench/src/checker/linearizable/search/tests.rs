use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// An operation of a made-up history: invoked at `start`, returned at
/// `end`; in doubt without an end.
#[derive(Clone, Copy, Debug)]
struct Call {
    action: Action,
    start: usize,
    end: Option<usize>,
}

/// What the search says, fed in order of time.
fn search(calls: &[Call]) -> bool {
    let mut search = Search::new();
    let mut slots = vec![None; calls.len()];
    for time in 0..2 * calls.len() {
        for (slot, call) in slots.iter_mut().zip(calls) {
            if call.start == time && call.end.is_some() {
                *slot = Some(search.invoke(call.action).unwrap());
            } else if call.start == time {
                search.doubt(call.action).unwrap();
            } else if call.end == Some(time)
                && let Some(slot) = slot
                && search.complete(*slot).is_err()
            {
                return false;
            }
        }
    }
    true
}

/// The definition: some order of all that returned, and some of the
/// others, in which nobody comes before one that had returned by then.
fn by_definition(value: ValueId, left: &[Call]) -> bool {
    if left.iter().all(|call| call.end.is_none()) {
        return true;
    }
    let first_end = left.iter().filter_map(|call| call.end).min();
    (0..left.len()).any(|next| {
        let call = left[next];
        let is_early = first_end.is_none_or(|end| call.start < end);
        let mut others = left.to_vec();
        others.remove(next);
        is_early && call.action.apply(value).is_some_and(|value| by_definition(value, &others))
    })
}

fn random_action(rng: &mut StdRng) -> Action {
    let mut value = || rng.random_range(0..3);
    let (a, b) = (value(), value());
    match rng.random_range(0..3) {
        0 => Action::Read(a),
        1 => Action::Write(a),
        _ => Action::Cas(a, b),
    }
}

fn random_calls(rng: &mut StdRng) -> Vec<Call> {
    let count = rng.random_range(1..8);
    let mut times: Vec<usize> = (0..2 * count).collect();
    (0..count)
        .map(|_| {
            let a = times.remove(rng.random_range(0..times.len()));
            // Near each other, lest everything be concurrent.
            let near = times.iter().position(|time| *time > a).unwrap_or(0);
            let b = times.remove((near + rng.random_range(0..3)).min(times.len() - 1));
            let end = (rng.random_range(0..5) > 0).then_some(a.max(b));
            Call { action: random_action(rng), start: a.min(b), end }
        })
        .collect()
}

#[test]
fn the_search_agrees_with_the_definition_on_random_histories() {
    let mut verdicts = [0, 0];
    for seed in 0..20_000 {
        let calls = random_calls(&mut StdRng::seed_from_u64(seed));
        let expected = by_definition(0, &calls);
        assert_eq!(search(&calls), expected, "seed {seed}: {calls:#?}");
        verdicts[usize::from(expected)] += 1;
    }
    // Neither verdict is rare, or the comparison would say little.
    assert!(verdicts.iter().all(|count| *count > 2_000), "{verdicts:?}");
}

/// A register on which every other operation stays in doubt, and one of
/// those in two takes effect.
fn doubtful_register(search: &mut Search, rounds: usize) -> Result<(), Stop> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut value = 0;
    for _ in 0..rounds {
        let action = match rng.random_range(0..2) {
            0 => Action::Write(rng.random_range(1..6)),
            _ => Action::Cas(rng.random_range(1..6), rng.random_range(1..6)),
        };
        search.doubt(action)?;
        if rng.random() {
            value = action.apply(value).unwrap_or(value);
        }
        let slot = search.invoke(Action::Read(value))?;
        search.complete(slot)?;
    }
    Ok(())
}

/// The workload lets 20 processes work on a key, so no more than that many
/// of its operations can stay in doubt.
#[test]
fn as_many_operations_in_doubt_as_a_key_can_have_are_followed() {
    let mut search = Search::new();
    doubtful_register(&mut search, 20).unwrap();
    assert!(search.configurations.count < 1_000, "{}", search.configurations.count);
}

#[test]
fn a_history_that_is_nothing_but_doubt_is_given_up() {
    assert_eq!(doubtful_register(&mut Search::new(), 10_000), Err(Stop::TooMany));
}

#[test]
fn more_operations_at_a_time_than_have_a_place_are_not_followed() {
    let mut search = Search::new();
    for value in 0..128 {
        search.invoke(Action::Write(value)).unwrap();
    }
    assert_eq!(search.invoke(Action::Write(1)), Err(Stop::TooMany));
}

#[test]
fn an_explosion_is_given_up() {
    let mut search = Search::new();
    let slots: Vec<_> = (1..40).map(|value| search.invoke(Action::Write(value)).unwrap()).collect();
    let outcome = slots.into_iter().try_for_each(|slot| search.complete(slot));
    assert_eq!(outcome, Err(Stop::TooMany));
}
