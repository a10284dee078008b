//! The tree's remedies, one at a time.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::config::Config;
use crate::injected_bugs::Bugs;
use crate::store::Store;
use crate::wire::{Answer, LogId, Run, Value};

const MS: Duration = Duration::from_millis(1);

/// The core of one of three nodes.
fn core(me: Rank) -> Core {
    let config = Config { period: 340 * MS, ..Config::default() };
    Core::new(Store::new(me, 3, 7), &config, StdRng::seed_from_u64(1))
}

fn down(epoch: u64, print: Option<u64>) -> Spread {
    let down = Down { epoch, since: 0, upto: 0, next: 8000, due: None, ack: None, print };
    Spread { down: Some(down), path: vec![0], ..Spread::default() }
}

/// The parent's answer to a question to join.
fn confirmation(nonce: u64, path: Vec<Rank>) -> Message {
    let answer = Some(Answer { nonce, ..Answer::default() });
    Message::Spread(Spread { answer, path, ..down(nonce, None) })
}

/// The question that a node has been sent.
fn question(sent: &[(Rank, Message)], asked: Rank) -> Option<&Digest> {
    sent.iter().find_map(|(to, message)| match message {
        Message::Digest(digest) if *to == asked => Some(digest),
        _ => None,
    })
}

/// Node 1 of 3 whose parent, node 0, has confirmed it; and the epoch.
fn child() -> (Tree, u64) {
    let mut tree = Tree::new(core(1), 32);
    tree.start(MS);
    let Some((0, Message::Digest(digest))) = tree.core.outbox.pop() else {
        panic!("a node begins by joining its parent")
    };
    assert_eq!(digest.join, Some(0));
    let nonce = digest.nonce;
    tree.receive(11 * MS, 0, confirmation(nonce, vec![0]));
    assert!(tree.core.outbox.is_empty());
    (tree, nonce)
}

/// Whether the only message is one that joins node 0 once more.
fn joins_again(tree: &mut Tree) -> bool {
    let sent = std::mem::take(&mut tree.core.outbox);
    matches!(&sent[..], [(0, Message::Digest(digest))] if digest.join.is_some())
}

#[test]
fn a_parent_with_another_fingerprint_is_joined_once_more() {
    let (mut tree, epoch) = child();
    let own = tree.core.store.fingerprint();
    tree.receive(20 * MS, 0, Message::Spread(down(epoch, Some(own))));
    assert!(tree.core.outbox.is_empty());
    tree.receive(30 * MS, 0, Message::Spread(down(epoch, Some(own + 1))));
    assert!(joins_again(&mut tree));
}

#[test]
fn a_parent_that_has_lost_its_memory_is_joined_once_more() {
    let (mut tree, _) = child();
    tree.receive(20 * MS, 0, Message::Spread(down(0, None)));
    assert!(joins_again(&mut tree));
}

#[test]
fn a_gap_is_asked_for_once_it_had_time_to_close() {
    let (mut tree, epoch) = child();
    let mut spread = down(epoch, None);
    spread.down.as_mut().unwrap().since = 5;
    tree.receive(20 * MS, 0, Message::Spread(spread));
    assert!(tree.core.outbox.is_empty());
    let wake = tree.deadline().unwrap();
    assert!(wake > 20 * MS && wake < 100 * MS, "{wake:?}");
    tree.run_due(wake);
    assert!(joins_again(&mut tree));
}

#[test]
fn a_parent_whose_path_leads_through_the_child_is_left() {
    let (mut tree, epoch) = child();
    let spread = Spread { path: vec![1, 2, 0], ..down(epoch, None) };
    tree.receive(20 * MS, 0, Message::Spread(spread));
    assert!(matches!(tree.role, Role::Searching(_)));
}

#[test]
fn a_node_makes_sure_of_its_root_before_it_tempts_another_one_away() {
    let (mut tree, _) = child();
    let adrift = Digest { nonce: 7, path: vec![2], ..Digest::default() };
    tree.receive(5000 * MS, 2, Message::Digest(adrift));
    let sent = std::mem::take(&mut tree.core.outbox);
    let offers = sent.iter().filter_map(|(to, message)| match message {
        Message::Spread(spread) if *to == 2 => Some(spread.path.clone()),
        _ => None,
    });
    assert_eq!(offers.collect::<Vec<_>>(), [[1]]);
    let join = question(&sent, 0).filter(|digest| digest.join.is_some());
    let nonce = join.expect("the parent is asked").nonce;
    tree.receive(5010 * MS, 0, confirmation(nonce, vec![0]));
    let sent = std::mem::take(&mut tree.core.outbox);
    assert!(matches!(&sent[..], [(2, Message::Spread(spread))] if spread.path == [0, 1]));
}

/// The path in all messages to that node.
fn path_told(tree: &mut Tree, to: Rank) -> Vec<Rank> {
    let sent = std::mem::take(&mut tree.core.outbox);
    let told = sent.into_iter().filter(|(rank, _)| *rank == to).map(|(_, message)| match message {
        Message::Spread(spread) => spread.path,
        Message::Digest(digest) => digest.path,
    });
    let mut told: Vec<_> = told.collect();
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    told.concat()
}

#[test]
fn a_parent_in_doubt_says_so_to_its_child_and_tells_it_when_it_is_sure() {
    let (mut tree, _) = child();
    let joins = |nonce| Digest { nonce, path: vec![2], join: Some(0), ..Digest::default() };
    tree.receive(20 * MS, 2, Message::Digest(joins(1)));
    assert_eq!(path_told(&mut tree, 2), [0, 1]);
    let Role::Child(link) = &mut tree.role else { panic!("a child") };
    link.doubt();
    tree.receive(30 * MS, 2, Message::Digest(joins(2)));
    assert!(path_told(&mut tree, 2).is_empty());
    tree.join_again(40 * MS);
    let nonce = question(&tree.core.outbox, 0).expect("a question").nonce;
    tree.core.outbox.clear();
    tree.receive(50 * MS, 0, confirmation(nonce, vec![0]));
    assert_eq!(path_told(&mut tree, 2), [0, 1]);
}

/// Also where its own rank is lower than the parent's, which then would be no root for it.
#[test]
fn a_child_keeps_its_path_and_offers_none_while_its_parent_is_in_doubt() {
    let (mut tree, _) = child();
    tree.attach(20 * MS, 2, vec![0, 2]);
    let Some((2, Message::Digest(digest))) = tree.core.outbox.pop() else { panic!("it joins") };
    let nonce = digest.nonce;
    tree.receive(30 * MS, 2, confirmation(nonce, Vec::new()));
    assert_eq!((tree.path(), tree.offer()), (vec![0, 2, 1], vec![1]));
    tree.receive(40 * MS, 2, Message::Spread(Spread { path: vec![0, 2], ..Spread::default() }));
    assert_eq!(tree.offer(), [0, 2, 1]);
}

#[test]
fn a_node_that_has_just_started_offers_no_path_that_nobody_confirmed() {
    for (bug, offered) in [(None, vec![1]), (Some(Bug::UnconfirmedPath), vec![0, 1])] {
        let mut tree = Tree::new(core(1), 32);
        tree.core.bugs = bug.map(Bugs::only).unwrap_or_default();
        tree.start(MS);
        tree.core.outbox.clear();
        let question = Digest { nonce: 7, path: vec![2], ..Digest::default() };
        tree.receive(5 * MS, 2, Message::Digest(question));
        assert_eq!(path_told(&mut tree, 2), offered);
    }
}

#[test]
fn a_silent_parent_is_replaced_and_asked_whether_it_is_back() {
    let (mut tree, _) = child();
    while !tree.is_root() {
        let wake = tree.deadline().expect("something to wait for");
        assert!(wake < Duration::from_secs(20));
        tree.run_due(wake);
    }
    tree.core.outbox.clear();
    let begin = tree.deadline().unwrap();
    while let Some(wake) = tree.deadline().filter(|&wake| wake < begin + 1000 * MS) {
        tree.run_due(wake);
    }
    let asks_home = |(to, message): &(Rank, Message)| {
        *to == 0 && matches!(message, Message::Digest(digest) if digest.join.is_some())
    };
    assert!(tree.core.outbox.iter().any(asks_home));
}

fn value(text: &str) -> Value {
    serde_json::value::RawValue::from_string(text.to_owned()).unwrap().into()
}

#[test]
fn whoever_loses_its_parent_tells_of_churn_and_who_passes_it_on_tells_of_less() {
    let (mut tree, _) = child();
    tree.detach(1000 * MS);
    tree.run_due(1000 * MS);
    assert_eq!(tree.churn(1000 * MS), 12_000);
    let (mut other, _) = child();
    let spread = Spread { churn: 12_000, ..Spread::default() };
    other.receive(1100 * MS, 2, Message::Spread(spread));
    other.broadcast(5100 * MS, value("1"));
    let left = other.churn(5100 * MS);
    assert!(left > 6_000 && left < 7_000, "{left}");
}

/// [`child`], whose parent is silent from 1 s on; and its question to that parent.
fn child_of_a_silent_parent() -> (Tree, u64) {
    let (mut tree, _) = child();
    tree.give_up_on_parent(1000 * MS);
    tree.run_due(1000 * MS);
    let nonce = question(&tree.core.outbox, 0).expect("the parent is asked, too").nonce;
    (tree, nonce)
}

#[test]
fn a_parent_that_was_only_slow_leaves_no_churn_mode() {
    let (mut tree, nonce) = child_of_a_silent_parent();
    assert!(tree.churn.is_at(1000 * MS));
    let answer = Answer { nonce, ..Answer::default() };
    let spread = Spread { answer: Some(answer), path: vec![0], ..Spread::default() };
    tree.receive(2100 * MS, 0, Message::Spread(spread));
    assert!(!tree.churn.is_at(2100 * MS));
    assert_eq!(tree.churn(2100 * MS), 0);
}

#[test]
fn a_parent_that_stays_silent_is_told_of_after_some_timeouts() {
    let (mut tree, _) = child_of_a_silent_parent();
    assert_eq!(tree.churn(1000 * MS), 0);
    tree.core.outbox.clear();
    tree.broadcast(2300 * MS, value("1"));
    tree.deny(2);
    tree.run_due(2300 * MS);
    assert_eq!(tree.churn(2300 * MS), 10_700);
}

#[test]
fn a_node_that_never_had_a_parent_takes_the_network_for_steady() {
    let mut tree = Tree::new(core(1), 32);
    tree.start(MS);
    tree.detach(4000 * MS);
    tree.run_due(4000 * MS);
    assert_eq!(tree.churn(4000 * MS), 0);
}

#[test]
fn in_churn_mode_a_root_has_fast_rounds_until_it_is_over() {
    let mut root = Tree::new(core(0), 32);
    root.start(MS);
    root.broadcast(1000 * MS, value("1"));
    let spread = Spread { churn: 3_300, ..Spread::default() };
    root.receive(1010 * MS, 2, Message::Spread(spread));
    root.broadcast(1020 * MS, value("2"));
    assert_eq!(root.round_at(), Some(1136 * MS));
    root.run_due(3100 * MS);
    root.broadcast(3110 * MS, value("3"));
    assert_eq!(root.round_at(), Some(3440 * MS));
}

#[test]
fn in_churn_mode_a_child_sends_at_once_and_searches_when_in_doubt() {
    let (mut tree, epoch) = child();
    let mut spread = down(epoch, None);
    spread.down.as_mut().unwrap().due = Some(300);
    tree.receive(20 * MS, 0, Message::Spread(spread.clone()));
    tree.broadcast(30 * MS, value("1"));
    assert!(tree.core.outbox.is_empty());
    tree.receive(40 * MS, 0, Message::Spread(Spread { churn: 9_000, ..spread }));
    let sent = std::mem::take(&mut tree.core.outbox);
    assert!(matches!(&sent[..], [(0, Message::Spread(spread))] if spread.up.is_some()));
    while matches!(tree.role, Role::Child(_)) {
        let wake = tree.deadline().expect("a message up that is not confirmed");
        assert!(wake < 1500 * MS);
        tree.run_due(wake);
    }
    let asked: Vec<Rank> = tree.core.outbox.iter().map(|(to, _)| *to).collect();
    assert_eq!(asked, [0, 2]);
}

/// A child's former value went down with its root's former incarnation, and the child dies
/// before it can be asked for that.
#[test]
fn a_value_behind_a_hole_that_nobody_fills_is_passed_on_within_a_second() {
    let mut root = Tree::new(core(0), 32);
    root.start(MS);
    let joins = Digest { nonce: 7, path: vec![0, 2], join: Some(0), ..Digest::default() };
    root.receive(10 * MS, 2, Message::Digest(joins));
    let log = LogId { origin: 1, incarnation: 5 };
    let runs = vec![Run { log, first: 1, values: vec![value("2")] }];
    root.receive(20 * MS, 1, Message::Spread(Spread { runs, ..Spread::default() }));
    let passes_on = |(to, message): &(Rank, Message)| {
        *to == 2 && matches!(message, Message::Spread(spread) if !spread.runs.is_empty())
    };
    while !root.core.outbox.iter().any(passes_on) {
        let wake = root.deadline().expect("a value that waits");
        assert!(wake < 1000 * MS, "{wake:?}");
        root.run_due(wake);
    }
}

#[test]
fn a_farewell_that_comes_after_the_next_question_to_join_ends_nothing() {
    for bug in [None, Some(Bug::AnyFarewell)] {
        let (mut tree, _) = child();
        tree.core.bugs = bug.map(Bugs::only).unwrap_or_default();
        for nonce in [5, 6] {
            let joins = Digest { nonce, path: vec![2], join: Some(0), ..Digest::default() };
            tree.receive(20 * MS, 2, Message::Digest(joins));
        }
        tree.receive(30 * MS, 2, Message::Spread(Spread { leave: 5, ..Spread::default() }));
        assert_eq!(tree.children.has_joined(2), bug.is_none());
    }
}
