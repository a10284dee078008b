//! Logs, arrivals, and what is told of them.

use serde_json::value::RawValue;

use super::arrivals::PAGE;
use super::*;

const NOW: Duration = Duration::ZERO;

fn value(text: &str) -> Value {
    RawValue::from_string(text.to_owned()).unwrap().into()
}

fn run(origin: Rank, first: u64, texts: &[&str]) -> Run {
    let values = texts.iter().map(|text| value(text)).collect();
    Run { log: LogId { origin, incarnation: 7 }, first, values }
}

/// A prefix of a node's log.
fn count(origin: Rank, count: u64) -> Count {
    Count { log: LogId { origin, incarnation: 7 }, count }
}

#[test]
fn a_value_shows_once_whoever_sends_it_and_however_often() {
    let mut store = Store::new(0, 25, 7);
    assert!(store.accept(value(r#"{"a":1,"b":2}"#)));
    assert!(!store.accept(value(r#"{"b":2,"a":1}"#)));
    store.merge(run(1, 0, &["1", r#"{ "b": 2, "a": 1 }"#, "1.0"]), 1, NOW);
    assert_eq!(store.read().get(), r#"[{"a":1,"b":2},1,1.0]"#);
}

#[test]
fn overlaps_are_skipped_and_a_hole_is_noticed_and_filled() {
    let mut store = Store::new(0, 25, 7);
    assert!(store.merge(run(1, 0, &["10", "11"]), 1, NOW).news);
    let merged = store.merge(run(1, 3, &["13"]), 1, NOW);
    assert!(!merged.news);
    assert_eq!(merged.hole, Some(count(1, 4)));
    assert_eq!(store.summary().have, [count(1, 2)]);
    assert_eq!(store.read().get(), "[10,11,13]");
    let merged = store.merge(run(1, 1, &["11", "12"]), 1, NOW);
    assert!(merged.news && merged.hole.is_none());
    assert_eq!(store.summary().have, [count(1, 4)]);
    assert_eq!(store.read().get(), "[10,11,13,12]");
}

#[test]
fn nobody_is_told_what_came_from_itself() {
    let mut store = Store::new(0, 25, 7);
    store.merge(run(1, 0, &["10"]), 1, NOW);
    store.merge(run(2, 0, &["20"]), 2, NOW);
    assert!(store.has_news(0, 1) && !store.has_news(1, 2));
    let page = store.page(0, 1);
    assert_eq!(page.upto, 2);
    assert_eq!(page.runs.len(), 1);
    assert_eq!(page.runs[0].log.origin, 2);
}

#[test]
fn who_fills_a_hole_is_told_what_waited_behind_it() {
    let mut store = Store::new(0, 25, 7);
    store.merge(run(1, 1, &["11"]), 1, NOW);
    store.merge(run(1, 0, &["10"]), 2, NOW);
    let page = store.page(0, 2);
    assert_eq!((page.runs[0].first, page.runs[0].values.len()), (1, 1));
}

#[test]
fn the_difference_of_two_nodes_is_what_brings_one_up_to_the_other() {
    let (mut a, mut b) = (Store::new(0, 25, 7), Store::new(1, 25, 7));
    a.accept(value("1"));
    a.merge(run(2, 0, &["20", "21"]), 2, NOW);
    b.merge(run(2, 0, &["20"]), 2, NOW);
    assert_eq!(b.lacking(a.summary().have), [count(0, 1), count(2, 2)]);
    let (runs, more) = a.delta(&b.summary(), None);
    assert!(!more);
    for run in runs {
        b.merge(run, 0, NOW);
    }
    assert!(b.lacking(a.summary().have).is_empty());
}

#[test]
fn a_fingerprint_tells_whether_two_nodes_know_the_same() {
    let (mut a, mut b) = (Store::new(0, 25, 7), Store::new(9, 25, 7));
    a.merge(run(1, 0, &["10", "11"]), 1, NOW);
    a.merge(run(2, 0, &["20"]), 2, NOW);
    b.merge(run(2, 0, &["20"]), 2, NOW);
    b.merge(run(1, 0, &["10"]), 2, NOW);
    assert_ne!(a.fingerprint(), b.fingerprint());
    b.merge(run(1, 0, &["10", "11"]), 2, NOW);
    assert_eq!(a.fingerprint(), b.fingerprint());
}

#[test]
fn a_transfer_is_cut_into_pages() {
    let (mut a, mut b) = (Store::new(0, 25, 7), Store::new(1, 25, 7));
    let long = format!("\"{}\"", "x".repeat(PAGE / 3));
    for i in 0..10 {
        a.accept(value(&format!("[{i},{long}]")));
    }
    let mut pages = 0;
    loop {
        let (runs, more) = a.delta(&b.summary(), None);
        let bytes: usize = runs.iter().flat_map(|run| &run.values).map(|v| v.get().len()).sum();
        assert!(bytes <= PAGE);
        for run in runs {
            b.merge(run, 0, NOW);
        }
        pages += 1;
        if !more {
            break;
        }
    }
    assert_eq!(pages, 5);
    assert!(b.lacking(a.summary().have).is_empty());
}

#[test]
fn what_waits_in_vain_is_passed_on_as_this_nodes_own() {
    let mut store = Store::new(0, 25, 7);
    let second = Duration::from_secs(1);
    store.merge(run(1, 3, &["13"]), 1, second);
    assert_eq!(store.waiting(), Some(second));
    assert!(!store.adopt_orphans(second / 2));
    assert!(store.adopt_orphans(second));
    assert_eq!(store.summary().have, [count(0, 1)]);
    assert_eq!(store.read().get(), "[13]");
    assert_eq!(store.waiting(), None);
}
