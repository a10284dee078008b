//! A journal that is written to off the event loop.
//!
//! What is asked of a [`Writer`] stands in a queue, which a task works off in order:
//! records that came while others were written are written and synced together. A snapshot
//! has its place in that order, but is written by a task of its own while more records are
//! appended. The calls that block are made by [`Disk::run`], so a simulation has the same
//! ones in virtual time, and a node can be killed between any two of them.
//!
//! No record is skipped: whoever has written one has acted on it, and a journal that lacks
//! it is of a state that never was. So what cannot be written is tried again, with all that
//! came later behind it, until the disk takes it or the journal has to be opened again.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::frame::{HEADER, check_length};
use super::queue::{Event, Group, MAX_WAITING, State, Work};
use super::{Journal, Log, Snapshot, Sync};
use crate::disk::Disk;

/// How many bytes of a snapshot are written at a time.
const MAX_PIECES: usize = 1 << 20;
/// A journal that is written to off the event loop. Clones write to the same one.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    disk: Disk,
    sync: Sync,
    /// Locked by calls that block, and so never by others.
    journal: Arc<Mutex<Journal>>,
    /// Locked for moments, also by whoever has the journal locked.
    state: Arc<Mutex<State>>,
    /// There is something to do.
    asked: Notify,
    /// There is an event.
    told: Notify,
    /// Who waits for room, and that there is some.
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
    /// An event was taken, or records were synced.
    settled: Notify,
}

/// What a call of the journal failed with.
struct Failure {
    error: io::Error,
    /// The journal has to be opened again.
    is_final: bool,
}

impl Writer {
    /// Takes over a journal. The future works off what it is asked for, and has to be
    /// [spawned](crate::Context::spawn); it ends when the journal is [dead](Event::Dead).
    pub fn new(journal: Journal) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let is_bloated = journal.is_bloated();
        let shared = Arc::new(Shared {
            disk: journal.disk.clone(),
            sync: journal.sync_policy(),
            journal: Arc::new(Mutex::new(journal)),
            state: Arc::new(Mutex::new(State { is_bloated, ..State::default() })),
            asked: Notify::new(),
            told: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            freed: Notify::new(),
            settled: Notify::new(),
        });
        (Self(Arc::clone(&shared)), work(shared))
    }

    /// Has a record appended. It is taken whether or not there is [room](Self::room): that
    /// is for whoever can wait. A journal that is dead takes it in vain.
    ///
    /// # Errors
    ///
    /// When the record is too long. Nothing is asked for then.
    pub fn append(&self, record: Vec<u8>) -> io::Result<()> {
        check_length(&record)?;
        self.0.state().append(record);
        self.0.asked.notify_one();
        Ok(())
    }

    /// Whether not too much is waiting to be written.
    pub fn has_room(&self) -> bool {
        self.0.state().bytes <= MAX_WAITING
    }

    /// Waits until not too much is waiting to be written. Those who wait go on in the order
    /// in which they came.
    pub async fn room(&self) {
        let _turn = self.0.turn.lock().await;
        while !self.has_room() {
            self.0.freed.notified().await;
        }
    }

    /// What has become of what was asked for, if that is not known yet.
    pub fn try_next(&self) -> Option<Event> {
        let mut state = self.0.state();
        let event = state.events.pop_front()?;
        if let Event::Written(records) = event {
            state.known += records;
        }
        self.0.settled.notify_waiters();
        Some(event)
    }

    /// Waits until there is something for [`try_next`](Self::try_next). For one caller.
    pub async fn ready(&self) {
        while self.0.state().events.is_empty() {
            self.0.told.notified().await;
        }
    }

    /// What has become of what was asked for, as soon as something has. For one caller.
    pub async fn next(&self) -> Event {
        loop {
            self.ready().await;
            if let Some(event) = self.try_next() {
                return event;
            }
        }
    }

    /// Waits until all records that were asked for until now are known to be written, and
    /// synced where that is due some time later; or until the journal is dead.
    pub async fn settled(&self) {
        let until = self.0.state().asked;
        loop {
            let settled = self.0.settled.notified();
            {
                let mut state = self.0.state();
                // Also what is written only now is synced at once.
                state.due = state.due.map(|_| Instant::now());
                if state.is_settled(until) {
                    return;
                }
            }
            self.0.asked.notify_one();
            settled.await;
        }
    }

    /// Has nothing written any more.
    pub(crate) fn fail(&self, error: io::Error) {
        self.0.die(error);
    }

    /// Whether a snapshot is worthwhile: there is none under way, the records have become
    /// [many](Journal::is_bloated), and if one has failed, some time has passed.
    pub fn wants_snapshot(&self) -> bool {
        let state = self.0.state();
        let may_retry = state.retry.is_none_or(|retry| retry <= Instant::now());
        state.is_bloated && !state.is_snapshot_under_way && may_retry
    }

    /// Has a snapshot written that stands for all records that were asked for until now,
    /// and those removed. The pieces are made on another thread, a chunk at a time. The
    /// future has to be [spawned](crate::Context::spawn); other records are written
    /// meanwhile. When it fails, as it does with a piece that is an error and while another
    /// one is under way, the journal goes on as it was.
    pub fn snapshot(
        &self,
        pieces: impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (sender, begun) = oneshot::channel();
        let is_first = self.0.state().ask_snapshot(sender);
        let under_way = is_first.then(|| UnderWay(Arc::clone(&self.0)));
        self.0.asked.notify_one();
        async move {
            let busy = || io::Error::other("another snapshot is under way");
            let under_way = under_way.ok_or_else(busy)?;
            let written = under_way.0.write_snapshot(begun, pieces).await;
            under_way.0.state().snapshot_ended(written.is_ok());
            written
        }
    }
}

/// A snapshot is under way until this is dropped.
struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().is_snapshot_under_way = false;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has the journal do something that blocks.
    async fn on_journal<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Journal) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (journal, state) = (Arc::clone(&self.journal), Arc::clone(&self.state));
        let done = self.disk.run(move || {
            let mut journal = lock(&journal);
            let done = call(&mut journal);
            // What one call has found must not come after what a later one has.
            lock(&state).is_bloated = journal.is_bloated();
            (done, journal.is_dead())
        });
        // After a panic nobody knows what was done.
        let panicked = |error| Failure { error, is_final: true };
        let (done, is_final) = done.await.map_err(panicked)?;
        done.map_err(|error| Failure { error, is_final })
    }

    async fn write_snapshot(
        &self,
        begun: oneshot::Receiver<io::Result<Snapshot>>,
        mut pieces: impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    ) -> io::Result<()> {
        let lost = |_| io::Error::other("records before the snapshot could not be written");
        let mut snapshot = begun.await.map_err(lost)??;
        let mut is_last = false;
        while !is_last {
            let chunk = self.disk.run(move || match push_chunk(&mut snapshot, &mut pieces) {
                Ok(is_last) => Ok((snapshot, pieces, is_last)),
                Err(error) => {
                    snapshot.abandon();
                    Err(error)
                }
            });
            (snapshot, pieces, is_last) = chunk.await??;
        }
        let written = self.disk.run(move || snapshot.finish()).await??;
        let adopted = self.on_journal(|journal| journal.adopt(written)).await;
        let garbage = adopted.map_err(|failure| failure.error)?;
        self.disk.run(move || garbage.remove()).await
    }

    /// Does one thing; what it fails with is the end.
    async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        match work {
            Work::Write { group, attempts } => self.write(group, attempts).await,
            Work::Sync => {
                self.on_journal(Journal::sync).await?;
                self.state().due = None;
                self.settled.notify_waiters();
                Ok(())
            }
            Work::Snapshot(begun) => {
                let snapshot = match self.on_journal(Journal::begin_snapshot).await {
                    Err(failure) if failure.is_final => return Err(failure),
                    begun => begun.map_err(|failure| failure.error),
                };
                // Nobody may be waiting for it any more.
                if let Err(Ok(snapshot)) = begun.send(snapshot) {
                    let abandon = self.disk.run(move || snapshot.abandon());
                    return abandon.await.map_err(|error| Failure { error, is_final: true });
                }
                Ok(())
            }
        }
    }

    async fn write(&self, group: Group, attempts: u32) -> Result<(), Failure> {
        let records = Arc::clone(&group);
        let append = move |journal: &mut Journal| {
            journal.append(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        match self.on_journal(append).await {
            Err(Failure { error, is_final: false }) => {
                self.state().stall(group, attempts, error);
                self.told.notify_one();
                return Ok(());
            }
            done => done?,
        }
        if self.sync == Sync::EveryGroup {
            self.on_journal(Journal::sync).await?;
        }
        self.state().written(group.len() as u64, self.sync);
        self.told.notify_one();
        Ok(())
    }

    fn die(&self, error: io::Error) {
        self.state().die(error);
        self.asked.notify_one();
        self.told.notify_one();
        self.freed.notify_one();
        self.settled.notify_waiters();
    }

    /// Waits until there may be something to do.
    async fn wait(&self) {
        let until = self.state().wakes_at();
        let asked = self.asked.notified();
        match until {
            Some(until) => drop(timeout_at(until, asked).await),
            None => asked.await,
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes some pieces. Returns whether there are no more.
fn push_chunk(
    snapshot: &mut Snapshot,
    pieces: &mut impl Iterator<Item = io::Result<Vec<u8>>>,
) -> io::Result<bool> {
    let mut bytes = 0;
    for piece in pieces {
        let piece = piece?;
        snapshot.push(&piece)?;
        bytes += piece.len() + HEADER;
        if bytes >= MAX_PIECES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whoever writes has ended: whatever ended it, nobody may wait for more.
struct Worker(Arc<Shared>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.die(io::Error::other("whoever writes the journal has ended"));
    }
}

/// Works off what is asked for.
async fn work(shared: Arc<Shared>) {
    let Worker(shared) = &Worker(shared);
    while !shared.state().is_dead {
        let next = shared.state().next();
        match next {
            None => shared.wait().await,
            Some(work) => {
                shared.freed.notify_one();
                if let Err(failure) = shared.carry_out(work).await {
                    shared.die(failure.error);
                }
            }
        }
    }
}
