//! The operations of the test proper.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::settings::{Settings, Workload};
use crate::workload::Next;
use crate::workload::kafka::generator::SendsAndPolls;
use crate::workload::kafka::offsets::Highest;
use crate::workload::txn::Accesses;

fn generator() -> (SendsAndPolls, Rc<RefCell<Highest>>) {
    let highest = Rc::default();
    let accesses = Accesses::of(&Settings::new(Workload::Kafka));
    (SendsAndPolls::new(accesses, 2, Rc::clone(&highest)), highest)
}

/// So many operations, a hundredth of a second apart.
fn draw(generator: &mut SendsAndPolls, count: u64, rng: &mut StdRng) -> Vec<Operation> {
    let free = FreeThreads::all(2);
    let draw = |number| match generator.next(&at(Duration::from_millis(10 * number), &free), rng) {
        Next::Invoke(_, operation) => operation,
        next => panic!("an operation is expected, not {next:?}"),
    };
    (0..count).map(draw).collect()
}

#[test]
fn half_are_sends_half_polls_and_one_in_64_is_an_assign() {
    let (mut generator, _) = generator();
    let mut counts = BTreeMap::<&str, u64>::new();
    for operation in draw(&mut generator, 64_000, &mut StdRng::seed_from_u64(1)) {
        *counts.entry(operation.f).or_default() += 1;
    }
    // A write that finds its key full is drawn again: one in 17 of them.
    let sends = counts["send"] as f64 / (counts["send"] + counts["poll"]) as f64;
    assert!((0.475..0.495).contains(&sends), "{counts:?}");
    assert!((870..1130).contains(&counts["assign"]), "{counts:?}");
    // 640 s at one crash each 30 s for each of two processes.
    assert!((25..65).contains(&counts["crash"]), "{counts:?}");
}

#[test]
fn a_crash_is_due_at_the_beginning() {
    for seed in 0..50 {
        let (mut generator, _) = generator();
        let first = draw(&mut generator, 12, &mut StdRng::seed_from_u64(seed));
        assert!(first.iter().any(|operation| operation.f == "crash"), "seed {seed}");
    }
}

#[test]
fn an_assign_names_the_key_that_is_next_and_does_not_use_it_up() {
    let (mut generator, _) = generator();
    let drawn = draw(&mut generator, 20_000, &mut StdRng::seed_from_u64(3));
    let mut before_sends = 0;
    for pair in drawn.windows(2) {
        if pair[0].f == "assign" && pair[1].f == "send" {
            assert_eq!(value(&pair[0])[0], value(&pair[1])[0][1]);
            before_sends += 1;
        }
        assert!(pair[0].unseen.is_none() && !pair[0].seek_to_beginning);
    }
    assert!(before_sends > 50, "{before_sends}");
}

#[test]
fn a_third_of_the_assigns_name_what_was_sent_but_not_polled() {
    let (mut generator, _) = generator();
    ok(&mut generator, 0, "send", r#"[["send","70",[5,1]]]"#);
    ok(&mut generator, 0, "send", r#"[["send","71",[3,1]]]"#);
    ok(&mut generator, 0, "send", r#"[["send","9",[7,1]]]"#);
    ok(&mut generator, 1, "poll", r#"[["poll",{"70":[[4,"m"],[2,"m"]],"71":[[3,"m"]]}]]"#);
    let mut rng = StdRng::seed_from_u64(4);
    let drawn = draw(&mut generator, 40_000, &mut rng);
    let assigns: Vec<&Operation> = drawn.iter().filter(|op| op.f == "assign").collect();
    let (more, one): (Vec<&Operation>, _) = assigns.iter().partition(|op| op.unseen.is_some());
    let share = more.len() as f64 / assigns.len() as f64;
    assert!((0.26..0.40).contains(&share), "{share}");
    assert!(one.iter().all(|assign| assigned(assign).len() == 1));
    for assign in more {
        let unseen = assign.unseen.as_ref().unwrap().get();
        assert_eq!(unseen, r#"{"9":{"polled":-1,"sent":7},"70":{"polled":4,"sent":5}}"#);
        let keys = assigned(assign);
        assert_eq!(keys[..2], ["9", "70"], "those that are behind");
        assert!(keys.len() <= 3 && !keys[2..].contains(&"9".to_owned()), "{keys:?}");
    }
    ok(&mut generator, 1, "poll", r#"[["poll",{"70":[[5,"m"]],"9":[[7,"m"],[8,"m"]]}]]"#);
    let late = draw(&mut generator, 5000, &mut rng);
    assert!(late.iter().all(|operation| operation.unseen.is_none()), "all is caught up with");
}

#[test]
fn the_highest_offsets_are_those_of_sends_and_polls_that_went_well() {
    let (mut generator, highest) = generator();
    ok(&mut generator, 0, "send", r#"[["send","1",[5,1]]]"#);
    ok(&mut generator, 0, "send", r#"[["send","1",[4,2]]]"#);
    ok(&mut generator, 0, "poll", r#"[["poll",{"2":[[8,1],[9,2]],"3":[],"oddity":[[1,1]]}]]"#);
    for kind in [OpType::Info, OpType::Fail] {
        ended(&mut generator, 0, "send", kind, r#"[["send","4",7]]"#);
        ended(&mut generator, 0, "poll", kind, r#"[["poll"]]"#);
    }
    ok(&mut generator, 0, "assign", r#"["5"]"#);
    assert_eq!(*highest.borrow(), Highest::from([(1, 5), (2, 9)]));
}

#[test]
fn nothing_is_drawn_while_everybody_is_busy() {
    let (mut generator, _) = generator();
    let mut rng = StdRng::seed_from_u64(5);
    let mut free = FreeThreads::all(2);
    free.take(0);
    free.take(1);
    for _ in 0..100 {
        assert!(matches!(
            generator.next(&at(Duration::ZERO, &free), &mut rng),
            Next::Pending(None)
        ));
    }
    let (mut other, _) = self::generator();
    let mut same = StdRng::seed_from_u64(5);
    let first = |generator: &mut SendsAndPolls, rng: &mut StdRng| {
        draw(generator, 50, rng).iter().map(value).collect::<Vec<_>>()
    };
    assert_eq!(first(&mut generator, &mut rng), first(&mut other, &mut same));
}
