//! The node as a state machine.
//!
//! All chance comes from the generator that it was made with, and nothing iterates in hash
//! order, so the same inputs bring the same messages.
//!
//! # With a journal
//!
//! [`Broadcaster::restored`] makes a node that writes what it has to keep, which are runs of
//! values under their positions in their logs, and nothing else.
//!
//! 1. *A position of a log has one value for ever*, also where an incarnation goes on after
//!    a restart. A value of the node's own log gets its position when it is written, and
//!    nobody sees it, neither clients nor nodes, before it is safe. A restart finds all that
//!    was safe. What was written and not safe it finds or does not find: in either case
//!    nobody had seen it, and what it finds keeps its position. Where something may be lost
//!    that was safe, the journal has another incarnation, and so the node another log.
//! 2. *What was acknowledged is not lost.* A broadcast is answered when all that was written
//!    until then is safe: the value, or the record of the node that had sent it.
//! 3. *What others sent need not be safe to be passed on, or confirmed.* It is on its
//!    origin's disk. To confirm it ends its repetition on one link and nothing else: nobody
//!    drops a value because another node has it. Links end with the process at either end,
//!    since the numbers of questions, which name them, are drawn anew at each start. The
//!    question that makes the next one says what the node has, so what a node confirmed and
//!    lost it gets again. For the same reason, nothing of links, parents and children is
//!    written.
//! 4. *What a read showed is shown again after a restart*, if it is not lost as in 1. and
//!    the disk took something: a read is answered when all that was written until then is
//!    safe. (Values that wait for others before them in their log are not written until those
//!    come, and may be shown again later.)
//!
//! How values spread is decided by a [`Strategy`]: `tree` or, with a period of zero,
//! `direct`.

use std::convert::Infallible;
use std::time::Duration;

use maelstrom::Error;
use maelstrom::machine::{
    Client, Input, Machine, Output, Outputs, Record as _, Time, draw_incarnation,
};
use rand::rngs::StdRng;

use crate::config::Config;
use crate::core::Core;
use crate::direct::Direct;
use crate::injected_bugs::Bug;
use crate::ledger::Ledger;
pub use crate::store::Contents;
use crate::store::Store;
use crate::strategy::Strategy;
use crate::tree::Tree;
use crate::wire::{Message, Rank, Record, Spread, Value};

/// A timer that comes so much too late says that this process had to wait for its turn.
const STALL: Duration = Duration::from_millis(10);

/// What clients ask.
#[derive(Debug)]
pub enum Request {
    /// To spread a value to all nodes.
    Broadcast(Value),
    /// For all values that arrived.
    Read,
    /// Nothing, but to know which nodes are near, and so that all have started. Those are
    /// asked first where few can be reached, and nothing more: a list that is wrong costs
    /// some messages.
    Topology(Vec<Rank>),
}

/// What they are answered.
#[derive(Debug)]
pub enum Reply {
    /// It is done.
    Done,
    /// All values that arrived, as one JSON array.
    Values(Value),
}

/// A broadcast node.
pub struct Broadcaster {
    strategy: Box<dyn Strategy>,
    ledger: Ledger,
    /// Values that were acknowledged too early, and when they are stored: only where that
    /// bug was put in.
    withheld: Vec<(Time, Value)>,
}

impl Broadcaster {
    /// The node of rank `me` among `nodes`, which keeps everything in memory and begins with
    /// nothing.
    pub fn new(me: Rank, nodes: usize, config: &Config, mut rng: StdRng) -> Self {
        let incarnation = draw_incarnation(&mut rng);
        Self::with(Store::new(me, nodes, incarnation), config, rng)
    }

    /// A node that begins or continues an incarnation with what its records come to, and
    /// writes more of them.
    pub fn restored(contents: Contents, incarnation: u64, config: &Config, rng: StdRng) -> Self {
        let keeps = config.bugs.has(Bug::KeepIncarnation);
        let former = contents.last_incarnation().filter(|_| keeps);
        Self::with(contents.continued_by(former.unwrap_or(incarnation)), config, rng)
    }

    fn with(store: Store, config: &Config, rng: StdRng) -> Self {
        let core = Core::new(store, config, rng);
        let strategy: Box<dyn Strategy> = if config.period.is_zero() {
            Box::new(Direct::new(core))
        } else {
            Box::new(Tree::new(core, config.fan_out))
        };
        Self { strategy, ledger: Ledger::default(), withheld: Vec::new() }
    }

    /// The values in the order in which they became sure to be passed on, from one position
    /// on. A value can be there twice.
    pub fn arrived(&self, since: usize) -> impl Iterator<Item = &Value> {
        self.strategy.core().store.arrived(since)
    }

    fn request(&mut self, now: Time, client: Client, request: Request, out: &mut Outputs<Self>) {
        let is_broadcast = matches!(request, Request::Broadcast(_));
        if let Some(refusal) = self.refusal(&request) {
            return out.fail(client, refusal);
        }
        let reply = Output::Reply(client, Ok(self.answer(now, request)));
        self.write(out);
        if is_broadcast && self.strategy.core().bugs.has(Bug::UnsafeAnswer) {
            out.push(reply);
        } else {
            self.ledger.say(reply, out);
        }
    }

    /// Why a request is not to be answered, if it is not.
    fn refusal(&self, request: &Request) -> Option<Error> {
        match request {
            Request::Broadcast(value) if !self.strategy.core().store.fits(value) => {
                Some(Error::malformed("the value is longer than 32 MiB"))
            }
            Request::Broadcast(_) => self.ledger.refusal(),
            Request::Read | Request::Topology(_) => None,
        }
    }

    fn answer(&mut self, now: Time, request: Request) -> Reply {
        match request {
            Request::Read => return Reply::Values(self.strategy.core_mut().store.read()),
            Request::Topology(near) => self.strategy.core_mut().suggest(&near),
            Request::Broadcast(value) if self.strategy.core().bugs.has(Bug::EarlyAnswer) => {
                self.withheld.push((now + Duration::from_secs(5), value));
            }
            Request::Broadcast(value) => self.strategy.broadcast(now, value),
        }
        Reply::Done
    }

    /// Writes what came since it last did.
    fn write(&mut self, out: &mut Outputs<Self>) {
        for runs in self.strategy.core_mut().store.take_unwritten() {
            self.ledger.write(Record(runs), out);
        }
    }

    /// Puts everything in the place of all records until now.
    fn compact(&mut self, out: &mut Outputs<Self>) {
        self.write(out);
        let runs = self.strategy.core().store.snapshot().chain(self.ledger.runs());
        out.snapshot(runs.map(|run| Record(vec![run]).encode()));
    }

    /// So many more records are safe: those values of this node's own log that are among
    /// them may be seen.
    fn written(&mut self, now: Time, records: u64, out: &mut Outputs<Self>) {
        let since = self.strategy.core().store.position();
        for Record(runs) in self.ledger.written(records, out) {
            self.strategy.core_mut().store.make_safe(runs);
        }
        if self.strategy.core().store.position() > since {
            self.strategy.spread(now, since);
        }
    }

    fn receive(&mut self, now: Time, from: Rank, message: Message) {
        let core = self.strategy.core_mut();
        if let Err(error) = message.check(core.me, from, core.nodes) {
            tracing::warn!(from, %error, "refused a message");
            return;
        }
        if let Message::Spread(Spread { runs, .. }) = &message
            && !runs.iter().flat_map(|run| &run.values).all(|value| core.store.fits(value))
        {
            tracing::warn!(from, "refused a message: a value is longer than 32 MiB");
            return;
        }
        core.peers.hear(now, from);
        self.strategy.receive(now, from, message);
    }
}

impl Machine for Broadcaster {
    type Request = Request;
    type Reply = Reply;
    type Message = Message;
    type Call = Infallible;
    type Record = Record;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        let is_read = matches!(input, Input::Request(_, Request::Read));
        if !is_read && self.deadline().is_some_and(|planned| planned + STALL <= now) {
            self.strategy.catch_up(now);
        }
        for (_, value) in self.withheld.extract_if(.., |(at, _)| *at <= now) {
            self.strategy.broadcast(now, value);
        }
        match input {
            Input::Start => self.strategy.start(now),
            Input::Request(client, request) => self.request(now, client, request, out),
            Input::Message(from, message) => self.receive(now, from, message),
            Input::Wake => self.strategy.run_due(now),
            Input::Written(records) => self.written(now, records, out),
            Input::Compact => self.compact(out),
            Input::Stalled(error) => self.ledger.stall(&error),
            Input::WriteFailed(error) => self.ledger.fail(&error, out),
            // It waits for the disk alone, and nobody knows how that ends.
            Input::GiveUp(_) | Input::Returned(..) => {}
        }
        self.write(out);
        let churn = self.strategy.churn(now);
        for (to, message) in std::mem::take(&mut self.strategy.core_mut().outbox) {
            out.send(to, message.telling(churn));
        }
    }

    fn deadline(&self) -> Option<Time> {
        let withheld = self.withheld.first().map(|(at, _)| *at);
        [self.strategy.deadline(), withheld].into_iter().flatten().min()
    }
}
