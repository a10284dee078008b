//! The node as a state machine.
//!
//! All chance comes from the generator that it was made with, and nothing iterates in hash
//! order, so the same inputs bring the same messages.
//!
//! How values spread is decided by a [`Strategy`]: `tree` or, with a period of zero,
//! `direct`.

use std::convert::Infallible;
use std::time::Duration;

use maelstrom::machine::{Input, Machine, Outputs, Time};
use rand::rngs::StdRng;

use crate::config::Config;
use crate::core::Core;
use crate::direct::Direct;
use crate::injected_bugs::Bug;
use crate::strategy::Strategy;
use crate::tree::Tree;
use crate::wire::{Message, Rank, Value};

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
    /// Values that were acknowledged too early, and when they are stored: only where that
    /// bug was put in.
    withheld: Vec<(Time, Value)>,
}

impl Broadcaster {
    /// The node of rank `me` among `nodes`, with nothing in memory.
    pub fn new(me: Rank, nodes: usize, config: &Config, rng: StdRng) -> Self {
        let core = Core::new(me, nodes, config, rng);
        let strategy: Box<dyn Strategy> = if config.period.is_zero() {
            Box::new(Direct::new(core))
        } else {
            Box::new(Tree::new(core, config.fan_out))
        };
        Self { strategy, withheld: Vec::new() }
    }

    /// The values in the order in which they became sure to be passed on, from one position
    /// on. A value can be there twice.
    pub fn arrived(&self, since: usize) -> impl Iterator<Item = &Value> {
        self.strategy.core().store.arrived(since)
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

    fn receive(&mut self, now: Time, from: Rank, message: Message) {
        let core = self.strategy.core_mut();
        if let Err(error) = message.check(core.me, from, core.nodes) {
            tracing::warn!(from, %error, "refused a message");
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
    type Record = Infallible;

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
            Input::Request(client, request) => out.reply(client, self.answer(now, request)),
            Input::Message(from, message) => self.receive(now, from, message),
            Input::Wake => self.strategy.run_due(now),
            Input::GiveUp(_) | Input::Returned(..) | Input::Written(_) | Input::WriteFailed(_) => {}
        }
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
