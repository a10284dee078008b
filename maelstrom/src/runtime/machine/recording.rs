//! A machine's records on their way to the journal of its node, and what it hears of them.
//!
//! Records are asked for while the machine is locked, and what became of them is taken
//! while it is locked again: so its count of records is always that of the journal. What
//! waits to be written is bounded by who brings it: requests wait for room before the
//! machine gets them, messages are dropped. Nobody waits for room with something in hand
//! that another one waits for.

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{sleep, timeout};

use super::driver::{Running, no_room};
use super::{Driver, Input, Machine, Pieces, Record as _};
use crate::journal::{Event, Journal, Writer};
use crate::protocol::Error;
use crate::runtime::context::Context;
use crate::runtime::panics::Place;
use crate::runtime::run::GRACE;

/// How long records may take to become safe after the end of input. It leaves time to
/// reply to whoever waits for them.
const LAST: Duration = GRACE.saturating_sub(Duration::from_secs(1));

impl<M: Machine> Context<Driver<M>> {
    /// Starts the tasks that write a journal.
    pub(super) fn keep(&self, journal: Journal) {
        let (writer, work) = Writer::new(journal);
        self.spawn(work);
        self.spawn(hear(self.clone(), writer.clone()));
        // It is empty: this is called once.
        let _ = self.state().writer.set(writer);
    }

    /// Whether the machine may get something that it has to write.
    pub(super) fn has_room(&self) -> bool {
        self.state().writer.get().is_none_or(Writer::has_room)
    }

    /// Waits for that. An error is definite: nothing has been asked for.
    pub(super) async fn room(&self) -> Result<(), Error> {
        let Some(writer) = self.state().writer.get() else { return Ok(()) };
        let end = async {
            self.input_ended().await;
            sleep(LAST).await;
        };
        match select(pin!(writer.room()), pin!(end)).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(no_room()),
        }
    }

    /// After the end of input: waits until what was written is safe, if that comes in time.
    pub(super) async fn settle(&self) {
        if let Some(writer) = self.state().writer.get() {
            let _ = timeout(LAST, writer.settled()).await;
        }
    }

    /// Has a record written. One that has no place in a journal is the last one: whatever
    /// comes later builds on it.
    pub(super) fn write(&self, running: &mut Running<M>, record: &M::Record) {
        let Some(writer) = self.state().writer.get() else {
            running.in_memory += 1;
            return;
        };
        let encoded = self.panics().catch(Place::Task, || record.encode());
        let encoded = encoded.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        if let Err(error) = encoded.and_then(|record| writer.append(record)) {
            writer.fail(error);
        }
    }

    /// Has a snapshot written that stands for all records until now.
    pub(super) fn write_snapshot(&self, pieces: Pieces) {
        let Some(writer) = self.state().writer.get() else { return };
        let written = writer.snapshot(pieces);
        self.spawn(async {
            if let Err(error) = written.await {
                tracing::warn!(%error, "a snapshot failed; the journal goes on without it");
            }
        });
    }

    /// Has the machine handle what became of its records; whether there was anything.
    fn take_event(&self, writer: &Writer) -> bool {
        let mut slot = self.state().lock();
        let Some(running) = &mut *slot else { return false };
        let input = match writer.try_next() {
            None => return false,
            Some(Event::Written(records)) => Input::Written(records),
            Some(Event::Stalled(error)) => {
                tracing::warn!("the journal cannot be written now, and is tried again: {error}");
                Input::Stalled(error)
            }
            Some(Event::Dead(error)) => {
                tracing::error!("the journal cannot be written; restart this node: {error}");
                Input::WriteFailed(error)
            }
        };
        self.handle(running, Some(input), None);
        if writer.wants_snapshot() {
            self.handle(running, Some(Input::Compact), None);
        }
        true
    }
}

/// Tells the machine what becomes of its records. A panic of its own ends nothing else.
async fn hear<M: Machine>(context: Context<Driver<M>>, writer: Writer) {
    loop {
        writer.ready().await;
        while context.panics().catch(Place::Task, || context.take_event(&writer)) != Ok(false) {}
    }
}
