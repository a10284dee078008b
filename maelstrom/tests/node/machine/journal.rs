//! The driver of a machine whose records go to a journal.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::Node;
use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Journal, Options, Sync};
use maelstrom::machine::Driver;
use tokio::time::sleep;
use tracing::subscriber::{DefaultGuard, set_default};

use super::{Clerk, Events, MS, Wish, done, failed, fulfil, wish};
use crate::common::{INIT, INIT_OK, Peer, serve};
use crate::faulty::Faulty;

const MIB: u64 = 1 << 20;

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("machine-{name}-{}", std::process::id());
        let scratch = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = fs::remove_dir_all(&scratch.0);
        scratch
    }

    fn disk(&self) -> Faulty {
        Faulty::new(Disk::in_directory(&self.0))
    }

    /// What the journal has: the text of each piece, the length of each record. A node that has
    /// ended may have a last call under way, on a disk that is slow.
    async fn found(&self) -> Vec<String> {
        for _ in 0..6000 {
            if self.disk().disk().lock().is_ok() {
                break;
            }
            sleep(10 * MS).await;
        }
        open(self.disk().disk(), Sync::EveryGroup).1
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(disk: Disk, sync: Sync) -> (Journal, Vec<String>) {
    let options = Options { sync, ..Options::new("n0", 1) };
    let opened = Journal::open(disk, options, Vec::new, |found, entry| {
        found.push(match entry {
            Entry::Piece(piece) => String::from_utf8_lossy(piece).into_owned(),
            Entry::Record(_, record) => record.len().to_string(),
        });
        Ok(())
    });
    opened.unwrap()
}

/// What is logged on this thread, from when it is made until it is dropped.
struct Log {
    path: PathBuf,
    _guard: DefaultGuard,
}

impl Log {
    fn new(scratch: &Scratch) -> Self {
        let path = scratch.0.with_extension("log");
        let file = Arc::new(File::create(&path).unwrap());
        let lines = tracing_subscriber::fmt().with_writer(file).with_ansi(false).finish();
        Self { path, _guard: set_default(lines) }
    }

    /// The level of each line about the journal, and what it says.
    fn of_journal(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap();
        let lines = text.lines().filter_map(|line| {
            let level = line.split_whitespace().nth(1)?;
            Some(format!("{level} {}", &line[line.find("the journal")?..]))
        });
        lines.collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A node that keeps its notes on this disk, and what it handled.
fn node(disk: &Faulty, sync: Sync) -> (Node<Driver<Clerk>>, Events) {
    let events = Events::default();
    let (disk, handled) = (disk.clone(), Events::clone(&events));
    let make = move |_: &_, _| Ok((Clerk::new(&handled), Some(open(disk.disk(), sync).0)));
    (Driver::node_with_journal(make).handle(fulfil), events)
}

/// What its machine heard of its records.
fn heard(events: &Events) -> Vec<String> {
    let events = events.lock().unwrap();
    let inputs = events.iter().filter_map(|event| event.split_once(' '));
    let heard = ["Written", "Stalled", "WriteFailed", "Compact"];
    let inputs = inputs.filter(|(_, input)| heard.iter().any(|name| input.starts_with(name)));
    inputs.map(|(_, input)| input.to_owned()).collect()
}

#[tokio::test]
async fn what_is_written_together_is_made_safe_together_and_replied_to_after_that() {
    let scratch = Scratch::new("together");
    let disk = scratch.disk();
    let (node, events) = node(&disk, Sync::EveryGroup);
    let mut peer = Peer::start(node).await;
    let syncs = disk.syncs();
    // All that comes while the first is written is written together.
    peer.send(&[2, 3, 4, 5].map(|id| wish(id, Wish::Note(id))).join("\n")).await;
    for id in [2, 3, 4, 5] {
        assert_eq!(peer.line().await, done(id, "noted"));
    }
    assert!(disk.syncs() <= syncs + 3, "a segment, and two groups at most");
    assert!(heard(&events).len() <= 2, "{:?}", heard(&events));
    drop(peer);
    sleep(50 * MS).await;
    assert_eq!(scratch.found().await, ["2", "3", "4", "5"]);
}

#[tokio::test]
async fn what_is_written_at_the_end_of_input_is_made_safe_and_replied_to() {
    let scratch = Scratch::new("end");
    for sync in [Sync::EveryGroup, Sync::Never, Sync::Interval(Duration::from_secs(3600))] {
        let lines = [INIT.to_owned(), wish(2, Wish::Note(2)), wish(3, Wish::Note(3))];
        let disk = scratch.disk();
        let (output, _) = serve(node(&disk, sync).0, (lines.join("\n") + "\n").as_bytes()).await;
        let expected = [INIT_OK.to_owned(), done(2, "noted"), done(3, "noted"), String::new()];
        assert_eq!(output, expected.join("\n"));
    }
    assert_eq!(scratch.found().await, ["2", "3"].repeat(3));
}

#[tokio::test]
async fn a_full_disk_delays_replies_until_there_is_room() {
    let scratch = Scratch::new("full");
    let log = Log::new(&scratch);
    let disk = scratch.disk();
    let (node, events) = node(&disk, Sync::EveryGroup);
    let mut peer = Peer::start(node).await;
    disk.set(|faults| faults.full = Some(("", 0)));
    peer.send(&wish(2, Wish::Note(2))).await;
    sleep(500 * MS).await;
    assert_eq!(heard(&events).len(), 1, "it is told once, however often it is tried");
    assert!(heard(&events)[0].contains("StorageFull"), "{:?}", heard(&events));
    let logged = log.of_journal();
    let said = "WARN the journal cannot be written now, and is tried again: ";
    assert!(logged.len() == 1 && logged[0].starts_with(said), "{logged:?}");
    peer.send(&wish(3, Wish::Note(3))).await;
    disk.set(|faults| faults.full = None);
    assert_eq!(peer.line().await, done(2, "noted"));
    assert_eq!(peer.line().await, done(3, "noted"));
    drop(peer);
    sleep(50 * MS).await;
    assert_eq!(scratch.found().await, ["2", "3"], "in order, and each once");
}

#[tokio::test]
async fn a_sync_that_fails_is_the_end() {
    let scratch = Scratch::new("sync");
    let log = Log::new(&scratch);
    let disk = scratch.disk();
    let (node, events) = node(&disk, Sync::EveryGroup);
    let mut peer = Peer::start(node).await;
    peer.send(&wish(2, Wish::Note(2))).await;
    assert_eq!(peer.line().await, done(2, "noted"));
    disk.set(|faults| faults.syncs_that_fail = 1);
    peer.send(&wish(3, Wish::Note(3))).await;
    assert_eq!(peer.line().await, failed(3, 13, "broken"));
    // Its machine was told; nothing more is heard of what it writes all the same.
    peer.send(&[wish(4, Wish::Note(4)), wish(5, Wish::Now)].join("\n")).await;
    assert_eq!(peer.line().await, done(5, "Now"));
    sleep(50 * MS).await;
    assert_eq!(heard(&events).len(), 2, "{:?}", heard(&events));
    let said = "ERROR the journal cannot be written; restart this node: broken";
    assert_eq!(log.of_journal(), [said]);
}

#[tokio::test]
async fn a_record_without_a_place_in_the_journal_is_the_last() {
    // The other one is so long that it panics.
    for (number, text) in [(65 * MIB, "68157440 bytes is too long"), (u64::MAX, "overflow")] {
        let scratch = Scratch::new("long");
        let (node, _) = node(&scratch.disk(), Sync::EveryGroup);
        let mut peer = Peer::start(node).await;
        peer.send(&wish(2, Wish::Note(number))).await;
        let line = peer.line().await;
        assert!(line.contains(r#""code":13"#) && line.contains(text), "{line}");
    }
}

#[tokio::test]
async fn requests_wait_for_room_and_messages_get_lost_without_it() {
    let scratch = Scratch::new("room");
    let disk = scratch.disk();
    let (node, events) = node(&disk, Sync::EveryGroup);
    let mut peer = Peer::start(node).await;
    disk.set(|faults| faults.full = Some(("", 0)));
    peer.send(&(2..14).map(|id| wish(id, Wish::Note(MIB))).collect::<Vec<_>>().join("\n")).await;
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"pong"}}"#).await;
    // Nothing was asked for when this one's patience ends.
    peer.send(&wish(14, Wish::Never)).await;
    assert_eq!(peer.line().await, failed(14, 11, "too much is waiting to be written here"));
    let handled = |kind: &str| events.lock().unwrap().iter().filter(|e| e.contains(kind)).count();
    assert!((9..=10).contains(&handled("Request")), "{}", handled("Request"));
    assert_eq!(handled("Message"), 0);
    disk.set(|faults| faults.full = None);
    let mut lines = Vec::new();
    for _ in 2..14 {
        lines.push(peer.line().await);
    }
    let expected: Vec<String> = (2..14).map(|id| done(id, "noted")).collect();
    assert_eq!(lines, expected);
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"pong"}}"#).await;
    peer.send(&wish(15, Wish::Now)).await;
    assert_eq!(peer.line().await, done(15, "Now"));
    assert_eq!(handled("Message"), 1);
}

#[tokio::test]
async fn many_records_are_replaced_by_a_snapshot() {
    let scratch = Scratch::new("compact");
    let disk = scratch.disk();
    let (node, events) = node(&disk, Sync::Never);
    let mut peer = Peer::start(node).await;
    for id in 2..19 {
        peer.send(&wish(id, Wish::Note(MIB))).await;
        assert_eq!(peer.line().await, done(id, "noted"));
    }
    assert_eq!(heard(&events).iter().filter(|input| *input == "Compact").count(), 1);
    sleep(100 * MS).await;
    peer.send(&wish(19, Wish::Note(19))).await;
    assert_eq!(peer.line().await, done(19, "noted"));
    drop(peer);
    sleep(50 * MS).await;
    let found = scratch.found().await;
    assert_eq!((&*found[0], found.last().map(String::as_str)), ("all of it", Some("19")));
    assert!(found.len() <= 3, "{found:?}");
}
