//! A journal that is written to off the event loop.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use maelstrom::journal::{Event, Options, Sync, Writer};
use tokio::task::JoinHandle;
use tokio::time::{advance, pause, sleep, timeout};

use super::{Scratch, Texts, open, options};
use crate::faulty::Faulty;

const MIB: usize = 1 << 20;

/// A writer at work.
fn start(faulty: &Faulty, options: Options) -> (Writer, JoinHandle<()>) {
    let (writer, work) = Writer::new(open(faulty.disk(), options).unwrap().0);
    (writer, tokio::spawn(work))
}

/// Waits until so many calls are reported as written.
async fn written(writer: &Writer, calls: u64) {
    let mut count = 0;
    while count < calls {
        match writer.next().await {
            Event::Written(more) => count += more,
            Event::Failed(error) => panic!("{error}"),
        }
    }
    assert_eq!(count, calls);
}

/// What the journal has after its process was killed.
async fn killed(faulty: &Faulty, writer: Writer, work: JoinHandle<()>) -> Texts {
    work.abort();
    let _ = work.await;
    drop(writer);
    open(faulty.disk(), options()).unwrap().1
}

#[tokio::test]
async fn records_are_written_in_order_and_synced_together() {
    let scratch = Scratch::new("group");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    for number in 0..1000 {
        writer.append(format!("{number}").into_bytes());
    }
    written(&writer, 1000).await;
    let syncs = faulty.syncs();
    assert!((1..10).contains(&syncs), "{syncs}");
    let texts = killed(&faulty, writer, work).await;
    let expected: Texts = (0..1000).map(|number| format!("{number} {number}")).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn what_is_synced_by_interval_is_reported_before() {
    let scratch = Scratch::new("interval");
    let faulty = Faulty::new(scratch.disk());
    let sync = Sync::Interval(Duration::from_millis(300));
    let (writer, _work) = start(&faulty, Options { sync, ..options() });
    writer.append(b"a".to_vec());
    written(&writer, 1).await;
    let before = faulty.syncs();
    writer.append(b"b".to_vec());
    written(&writer, 1).await;
    assert_eq!(faulty.syncs(), before);
    sleep(Duration::from_millis(600)).await;
    assert_eq!(faulty.syncs(), before + 1);
}

#[tokio::test]
async fn a_full_disk_fails_what_was_asked_for_and_later_records_are_written() {
    let scratch = Scratch::new("writer-full");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    writer.append(b"a".to_vec());
    written(&writer, 1).await;
    faulty.set(|faults| faults.full = Some(("", 0)));
    writer.append(b"b".to_vec());
    let snapshot = writer.snapshot(std::iter::empty());
    let failed = async {
        sleep(Duration::from_millis(100)).await;
        writer.append(b"before the failure is known".to_vec());
        writer.next().await
    };
    match failed.await {
        Event::Failed(error) => assert_eq!(error.kind(), ErrorKind::StorageFull),
        Event::Written(calls) => panic!("{calls} written"),
    }
    assert!(snapshot.await.is_err());
    faulty.set(|faults| faults.full = None);
    writer.append(b"c".to_vec());
    written(&writer, 1).await;
    assert_eq!(killed(&faulty, writer, work).await, ["0 a", "1 c"]);
}

#[tokio::test]
async fn records_are_written_while_a_snapshot_is() {
    let scratch = Scratch::new("beside");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    writer.append(b"a".to_vec());
    let (pieces, received) = mpsc::channel::<Vec<u8>>();
    let snapshot = tokio::spawn(writer.snapshot(received.into_iter()));
    pieces.send(b"all".to_vec()).unwrap();
    written(&writer, 1).await;
    for _ in 0..10 {
        writer.append(b"b".to_vec());
        written(&writer, 1).await;
    }
    // It is not touched by another one.
    assert!(writer.snapshot(std::iter::empty()).await.is_err());
    assert!(!snapshot.is_finished());
    drop(pieces);
    snapshot.await.unwrap().unwrap();
    let texts = killed(&faulty, writer, work).await;
    assert_eq!((&*texts[0], &*texts[1], texts.len()), ("piece all", "1 b", 11));
}

#[tokio::test]
async fn a_failed_snapshot_is_wanted_again_after_some_time() {
    let scratch = Scratch::new("retry");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    for count in 0..16 {
        assert!(!writer.wants_snapshot(), "{count}");
        writer.append(vec![b'x'; MIB]);
        written(&writer, 1).await;
    }
    // What there is to compact is known after a restart, too.
    killed(&faulty, writer, work).await;
    let (writer, _work) = start(&faulty, options());
    assert!(writer.wants_snapshot());
    pause();
    faulty.set(|faults| faults.full = Some(("snapshot", 100)));
    for seconds in [1, 2, 4] {
        let snapshot = writer.snapshot([vec![b'x'; MIB]].into_iter());
        assert!(!writer.wants_snapshot());
        snapshot.await.unwrap_err();
        assert!(!writer.wants_snapshot());
        advance(Duration::from_secs(seconds)).await;
        assert!(writer.wants_snapshot());
    }
    faulty.set(|faults| faults.full = None);
    writer.snapshot([vec![b'x'; MIB]].into_iter()).await.unwrap();
    assert!(!writer.wants_snapshot());
}

#[tokio::test]
async fn there_is_room_again_when_some_of_what_waits_was_written() {
    let scratch = Scratch::new("room");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = Writer::new(open(faulty.disk(), options()).unwrap().0);
    for _ in 0..8 {
        writer.append(vec![b'x'; MIB]);
        writer.room().await;
    }
    writer.append(vec![b'x'; MIB]);
    assert!(timeout(Duration::from_millis(50), writer.room()).await.is_err());
    tokio::spawn(work);
    timeout(Duration::from_secs(30), writer.room()).await.unwrap();
    written(&writer, 9).await;
}
