//! A journal that is written to off the event loop.
//!
//! What is asked of a [`Writer`] stands in a queue, which a task works off in order:
//! records that came while others were written are written and synced together. A snapshot
//! has its place in that order, but is written by a task of its own while more records are
//! appended. The calls that block are made by [`Disk::run`], so a simulation has the same
//! ones in virtual time, and a node can be killed between any two of them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Journal, Log, Snapshot, Sync};
use crate::Backoff;
use crate::disk::Disk;

/// How many bytes of records may wait before there is no [room](Writer::room) for more.
const MAX_WAITING: usize = 8 << 20;
/// How many bytes of records are written at a time, if no single one is longer.
const MAX_GROUP: usize = 1 << 20;
/// How many bytes of a snapshot are written at a time.
const MAX_PIECES: usize = 1 << 20;
/// How long it takes until a snapshot that failed is wanted again.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// A journal that is written to off the event loop. Clones write to the same one.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

/// What became of what a [`Writer`] was told to write.
#[derive(Debug)]
pub enum Event {
    /// So many more calls of [`append`](Writer::append), in their order, are as safe as the
    /// policy says.
    Written(u64),
    /// All calls until now that were not reported as written have failed: their records may
    /// or may not be there after a restart. Those that come later are tried.
    Failed(io::Error),
}

struct Shared {
    disk: Disk,
    sync: Sync,
    /// Locked by calls that block, and so never by others.
    journal: Arc<Mutex<Journal>>,
    state: Mutex<State>,
    /// There is something to do.
    asked: Notify,
    /// There is an event.
    told: Notify,
    /// There is room.
    freed: Notify,
}

#[derive(Default)]
struct State {
    commands: VecDeque<Command>,
    /// Of the records in the queue.
    bytes: usize,
    events: VecDeque<Event>,
    /// Some failure is among them: until it is known, nothing is taken.
    has_failed: bool,
    is_bloated: bool,
    /// How many snapshots are under way.
    snapshots: u32,
    /// How many snapshots have failed since the last that did not, and when another one
    /// may be tried.
    failures: u32,
    retry: Option<Instant>,
}

enum Command {
    Append(Vec<u8>),
    Snapshot(oneshot::Sender<io::Result<Snapshot>>),
}

impl Writer {
    /// Takes over a journal. The future works off what it is asked for, and has to be
    /// [spawned](crate::Context::spawn); it does not end by itself.
    pub fn new(journal: Journal) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let is_bloated = journal.is_bloated();
        let shared = Arc::new(Shared {
            disk: journal.disk.clone(),
            sync: journal.sync_policy(),
            journal: Arc::new(Mutex::new(journal)),
            state: Mutex::new(State { is_bloated, ..State::default() }),
            asked: Notify::new(),
            told: Notify::new(),
            freed: Notify::new(),
        });
        (Self(Arc::clone(&shared)), work(shared))
    }

    /// Has a record appended. It is taken in any case; whoever can wait does so for
    /// [`room`](Self::room) before.
    pub fn append(&self, record: Vec<u8>) {
        self.0.ask(Command::Append(record));
    }

    /// Waits until not too much is waiting to be written.
    pub async fn room(&self) {
        while self.0.state().bytes > MAX_WAITING {
            self.0.freed.notified().await;
        }
        // There may be room for another one who waits.
        self.0.freed.notify_one();
    }

    /// What has become of what was asked for, as soon as something has. For one caller.
    pub async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.0.state().next_event() {
                return event;
            }
            self.0.told.notified().await;
        }
    }

    /// Whether a snapshot is worthwhile: there is none under way, the records have become
    /// [many](Journal::is_bloated), and if one has failed, some time has passed.
    pub fn wants_snapshot(&self) -> bool {
        let state = self.0.state();
        let may_retry = state.retry.is_none_or(|retry| retry <= Instant::now());
        state.is_bloated && state.snapshots == 0 && may_retry
    }

    /// Has a snapshot written that stands for all records that were asked for until now,
    /// and those removed. The pieces are made on another thread, a chunk at a time. The
    /// future has to be [spawned](crate::Context::spawn); other records are written
    /// meanwhile. When it fails, as it does while another one is under way, the journal goes
    /// on as it was.
    pub fn snapshot(
        &self,
        pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (sender, begun) = oneshot::channel();
        self.0.state().snapshots += 1;
        self.0.ask(Command::Snapshot(sender));
        let under_way = UnderWay(Arc::clone(&self.0));
        async move {
            let written = under_way.0.write_snapshot(begun, pieces).await;
            let mut state = under_way.0.state();
            state.failures = written.as_ref().map_or_else(|_| state.failures + 1, |()| 0);
            let pause = state.failures.checked_sub(1).map(|failures| RETRY.step(failures));
            state.retry = pause.map(|pause| Instant::now() + pause);
            drop(state);
            written
        }
    }
}

/// A snapshot is under way until this is dropped.
struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().snapshots -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, command: Command) {
        self.state().ask(command);
        self.asked.notify_one();
    }

    /// Has the journal do something that blocks.
    async fn on_journal<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Journal) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let journal = Arc::clone(&self.journal);
        let done = self.disk.run(move || {
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            let done = call(&mut journal);
            (done, journal.is_bloated())
        });
        let (done, is_bloated) = done.await?;
        self.state().is_bloated = is_bloated;
        done
    }

    async fn write_snapshot(
        &self,
        begun: oneshot::Receiver<io::Result<Snapshot>>,
        mut pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> io::Result<()> {
        let lost = |_| io::Error::other("records before the snapshot could not be written");
        let mut snapshot = begun.await.map_err(lost)??;
        let mut is_last = false;
        while !is_last {
            let chunk = self.disk.run(move || {
                let is_last = push_chunk(&mut snapshot, &mut pieces)?;
                Ok::<_, io::Error>((snapshot, pieces, is_last))
            });
            (snapshot, pieces, is_last) = chunk.await??;
        }
        let written = self.disk.run(move || snapshot.finish()).await??;
        let garbage = self.on_journal(|journal| journal.adopt(written)).await?;
        self.disk.run(move || garbage.remove()).await
    }

    async fn carry_out(&self, batch: Batch) -> io::Result<()> {
        let calls = match batch {
            Batch::Append(records) => {
                let calls = records.len() as u64;
                let append = move |journal: &mut Journal| {
                    journal.append(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())
                };
                self.on_journal(append).await?;
                if self.sync == Sync::EveryGroup {
                    self.on_journal(Journal::sync).await?;
                }
                calls
            }
            Batch::Snapshot(begun) => {
                let snapshot = self.on_journal(Journal::begin_snapshot).await;
                // Nobody may be waiting for it any more.
                let _ = begun.send(snapshot);
                return Ok(());
            }
        };
        self.state().tell_written(calls);
        self.told.notify_one();
        Ok(())
    }

    /// Gives up everything that is asked for.
    fn fail(&self, error: io::Error) {
        let mut state = self.state();
        state.commands.clear();
        state.bytes = 0;
        state.has_failed = true;
        state.events.push_back(Event::Failed(error));
        self.told.notify_one();
        self.freed.notify_one();
    }

    async fn wait(&self, due: Option<Instant>) {
        let asked = self.asked.notified();
        match due {
            Some(due) => drop(timeout_at(due, asked).await),
            None => asked.await,
        }
    }
}

impl State {
    fn ask(&mut self, command: Command) {
        if self.has_failed {
            return;
        }
        if let Command::Append(record) = &command {
            self.bytes += record.len();
        }
        self.commands.push_back(command);
    }

    /// What is done next: as many records as make up a group, or something else.
    fn next_batch(&mut self) -> Option<Batch> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < MAX_GROUP {
            match self.commands.pop_front() {
                Some(Command::Append(record)) => {
                    bytes += record.len();
                    records.push(record);
                }
                Some(other) if !records.is_empty() => {
                    self.commands.push_front(other);
                    break;
                }
                Some(Command::Snapshot(begun)) => return Some(Batch::Snapshot(begun)),
                None => break,
            }
        }
        self.bytes -= bytes;
        (!records.is_empty()).then_some(Batch::Append(records))
    }

    fn tell_written(&mut self, calls: u64) {
        match self.events.back_mut() {
            Some(Event::Written(before)) => *before += calls,
            _ => self.events.push_back(Event::Written(calls)),
        }
    }

    fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event, Event::Failed(_)) {
            self.has_failed = false;
        }
        Some(event)
    }
}

/// What is done at a time.
enum Batch {
    Append(Vec<Vec<u8>>),
    Snapshot(oneshot::Sender<io::Result<Snapshot>>),
}

/// Writes some pieces. Returns whether there are no more.
fn push_chunk(
    snapshot: &mut Snapshot,
    pieces: &mut impl Iterator<Item = Vec<u8>>,
) -> io::Result<bool> {
    let mut bytes = 0;
    for piece in pieces {
        snapshot.push(&piece)?;
        bytes += piece.len();
        if bytes >= MAX_PIECES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Works off what is asked for.
async fn work(shared: Arc<Shared>) {
    // When what was written has to be synced, if after some time.
    let mut due: Option<Instant> = None;
    loop {
        let is_due = due.is_some_and(|due| due <= Instant::now());
        let batch = if is_due { None } else { shared.state().next_batch() };
        let done = match (batch, shared.sync) {
            _ if is_due => {
                due = None;
                shared.on_journal(Journal::sync).await
            }
            (None, _) => {
                shared.wait(due).await;
                Ok(())
            }
            (Some(batch), sync) => {
                shared.freed.notify_one();
                let done = shared.carry_out(batch).await;
                if let Sync::Interval(interval) = sync {
                    due.get_or_insert_with(|| Instant::now() + interval);
                }
                done
            }
        };
        if let Err(error) = done {
            shared.fail(error);
        }
    }
}
