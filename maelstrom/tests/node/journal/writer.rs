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
            Event::Stalled(error) | Event::Dead(error) => panic!("{error}"),
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
        writer.append(format!("{number}").into_bytes()).unwrap();
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
    writer.append(b"a".to_vec()).unwrap();
    written(&writer, 1).await;
    let before = faulty.syncs();
    writer.append(b"b".to_vec()).unwrap();
    written(&writer, 1).await;
    assert_eq!(faulty.syncs(), before);
    sleep(Duration::from_millis(600)).await;
    assert_eq!(faulty.syncs(), before + 1);
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_tried_until_it_does() {
    let scratch = Scratch::new("writer-full");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    writer.append(b"a".to_vec()).unwrap();
    written(&writer, 1).await;
    // Of the first group, the first record fits.
    faulty.set(|faults| faults.full = Some(("", 40)));
    writer.append(b"b".to_vec()).unwrap();
    writer.append(b"c".to_vec()).unwrap();
    match writer.next().await {
        Event::Stalled(error) => assert_eq!(error.kind(), ErrorKind::StorageFull),
        event => panic!("{event:?}"),
    }
    writer.append(b"d".to_vec()).unwrap();
    let snapshot = tokio::spawn(writer.snapshot([Ok(b"a to d".to_vec())].into_iter()));
    writer.append(b"e".to_vec()).unwrap();
    assert!(timeout(Duration::from_millis(500), writer.ready()).await.is_err(), "it is told once");
    assert!(timeout(Duration::from_millis(1), writer.settled()).await.is_err());
    faulty.set(|faults| faults.full = None);
    written(&writer, 4).await;
    writer.settled().await;
    snapshot.await.unwrap().unwrap();
    assert_eq!(killed(&faulty, writer, work).await, ["piece a to d", "4 e"]);
}

#[tokio::test]
async fn a_sync_that_fails_is_the_end() {
    let scratch = Scratch::new("writer-dead");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    writer.append(b"a".to_vec()).unwrap();
    written(&writer, 1).await;
    faulty.set(|faults| faults.syncs_that_fail = 1);
    for _ in 0..20 {
        writer.append(vec![b'x'; MIB]).unwrap();
    }
    assert!(matches!(writer.next().await, Event::Dead(_)));
    timeout(Duration::from_secs(10), work).await.unwrap().unwrap();
    // Nobody waits in vain, and nothing more is told.
    writer.append(b"b".to_vec()).unwrap();
    assert!(writer.has_room());
    writer.settled().await;
    assert!(writer.snapshot(std::iter::empty()).await.is_err());
    assert!(writer.try_next().is_none());
}

#[tokio::test]
async fn who_writes_is_missed_when_it_ends() {
    let scratch = Scratch::new("writer-gone");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    tokio::task::yield_now().await;
    work.abort();
    assert!(matches!(writer.next().await, Event::Dead(_)));
}

#[tokio::test]
async fn a_record_that_is_too_long_is_refused_at_once_and_alone() {
    let scratch = Scratch::new("writer-long");
    let faulty = Faulty::new(scratch.disk());
    let (writer, _work) = start(&faulty, options());
    writer.append(b"a".to_vec()).unwrap();
    let error = writer.append(vec![b'x'; (64 << 20) + 1]).unwrap_err();
    assert!(error.to_string().contains("67108865 bytes is too long"), "{error}");
    writer.append(b"b".to_vec()).unwrap();
    written(&writer, 2).await;
}

#[tokio::test]
async fn an_interval_of_ages_is_synced_when_it_is_to_settle() {
    let scratch = Scratch::new("writer-ages");
    let faulty = Faulty::new(scratch.disk());
    for (interval, is_synced) in [(Duration::from_secs(3600), true), (Duration::MAX, false)] {
        let sync = Sync::Interval(interval);
        let (writer, work) = start(&faulty, Options { sync, ..options() });
        writer.append(b"a".to_vec()).unwrap();
        written(&writer, 1).await;
        let before = faulty.syncs();
        writer.settled().await;
        assert_eq!(faulty.syncs() > before, is_synced);
        // Also what is written only while somebody waits.
        writer.append(b"b".to_vec()).unwrap();
        let settled = timeout(Duration::from_secs(60), writer.settled());
        tokio::join!(settled, written(&writer, 1)).0.unwrap();
        killed(&faulty, writer, work).await;
    }
}

#[tokio::test]
async fn records_of_nothing_take_room_as_well() {
    let scratch = Scratch::new("writer-empty");
    let (writer, _work) = Writer::new(open(scratch.disk(), options()).unwrap().0);
    let mut count = 0;
    while writer.has_room() {
        writer.append(Vec::new()).unwrap();
        count += 1;
    }
    assert!((10_000..1_000_000).contains(&count), "{count}");
}

#[tokio::test]
async fn records_are_written_while_a_snapshot_is() {
    let scratch = Scratch::new("beside");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = start(&faulty, options());
    writer.append(b"a".to_vec()).unwrap();
    let (pieces, received) = mpsc::channel::<Vec<u8>>();
    let snapshot = tokio::spawn(writer.snapshot(received.into_iter().map(Ok)));
    pieces.send(b"all".to_vec()).unwrap();
    written(&writer, 1).await;
    for _ in 0..10 {
        writer.append(b"b".to_vec()).unwrap();
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
        writer.append(vec![b'x'; MIB]).unwrap();
        written(&writer, 1).await;
    }
    // What there is to compact is known after a restart, too.
    killed(&faulty, writer, work).await;
    let (writer, _work) = start(&faulty, options());
    assert!(writer.wants_snapshot());
    pause();
    faulty.set(|faults| faults.full = Some(("snapshot", 100)));
    for seconds in [1, 2, 4] {
        let snapshot = writer.snapshot([Ok(vec![b'x'; MIB])].into_iter());
        assert!(!writer.wants_snapshot());
        snapshot.await.unwrap_err();
        assert!(!writer.wants_snapshot());
        advance(Duration::from_secs(seconds)).await;
        assert!(writer.wants_snapshot());
    }
    faulty.set(|faults| faults.full = None);
    writer.snapshot([Ok(vec![b'x'; MIB])].into_iter()).await.unwrap();
    assert!(!writer.wants_snapshot());
}

#[tokio::test]
async fn there_is_room_again_when_some_of_what_waits_was_written() {
    let scratch = Scratch::new("room");
    let faulty = Faulty::new(scratch.disk());
    let (writer, work) = Writer::new(open(faulty.disk(), options()).unwrap().0);
    for _ in 0..8 {
        writer.room().await;
        writer.append(vec![b'x'; MIB]).unwrap();
    }
    writer.append(vec![b'x'; MIB]).unwrap();
    assert!(timeout(Duration::from_millis(50), writer.room()).await.is_err());
    tokio::spawn(work);
    timeout(Duration::from_secs(30), writer.room()).await.unwrap();
    written(&writer, 9).await;
}
