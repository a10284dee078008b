//! The simulated network: unordered, with latency, partitions and counts.
//!
//! Every receiver has one queue, ordered by the time at which messages are due.
//! It takes the head as soon as it has nothing in hand, then holds it until it is
//! due. So a message with latency, once taken, holds back whatever comes after
//! it, a client's request included, and a partition that begins meanwhile does
//! not stop it: partitions are checked when a message is taken. This is the
//! original's behaviour, and nodes are tuned against it.
//!
//! Messages to and from clients have no latency. Clients do not queue here: they
//! are handed their messages at once (see `crate::world`).

mod address;
mod conditions;
mod counts;
mod edge;
mod happening;
mod latency;
mod line;
mod link_faults;
mod message;

use std::time::Duration;

use rand::rngs::StdRng;
use serde_json::value::RawValue;

pub use address::{Address, ServiceName};
pub use conditions::Conditions;
pub(crate) use conditions::Grudge;
pub use counts::{Counts, NetCounts};
pub use edge::Edge;
pub(crate) use happening::Happening;
pub use happening::{Cause, What};
pub use latency::{Latency, LatencyDist};
pub(crate) use line::{Line, LineError, is_integer};
use link_faults::LinkFaults;
pub(crate) use link_faults::{SHARE, is_slow};
pub use message::Message;

use crate::links::Neighbours;
use crate::queue::Queue;
use latency::LatencyModel;
pub(crate) use message::Text;

#[derive(Debug)]
pub(crate) struct Network<B = Box<RawValue>> {
    latency: LatencyModel,
    node_count: usize,
    /// Nodes, then services.
    receivers: Vec<Receiver<B>>,
    /// What receivers have in hand, soonest first.
    in_hand: Queue<usize>,
    /// Messages that come late: when they join their receiver's queue.
    late: Queue<Message<B>>,
    /// `None` when every node hears every other.
    links: Option<Neighbours>,
    conditions: Conditions,
    chance: StdRng,
    elsewhere: Elsewhere,
    next_id: u64,
    counts: NetCounts,
    watch: Watch,
    traffic: Vec<Traffic<B>>,
    /// What becomes of messages, if that is traced.
    happenings: Option<Vec<Happening<B>>>,
}

/// Which messages others carry. They are counted here, and go no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// None.
    Nothing,
    /// Those from node to node.
    Nodes,
    /// Those to services and from them as well.
    NodesAndServices,
}

/// Which traffic is to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Messages as they are sent.
    pub send: bool,
    /// Messages as they are received.
    pub recv: bool,
}

/// A message's departure or arrival.
#[derive(Clone, Debug)]
pub struct Traffic<B = Box<RawValue>> {
    /// When, on the clock that `now` is of.
    pub time: Duration,
    /// Which of both.
    pub event: TrafficEvent,
    /// The message.
    pub message: Message<B>,
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficEvent {
    /// It was sent.
    Send,
    /// It was received.
    Recv,
}

#[derive(Debug)]
struct Receiver<B> {
    is_down: bool,
    in_hand: Option<Message<B>>,
    queue: Queue<Message<B>>,
}

impl<B> Receiver<B> {
    fn new(is_down: bool) -> Self {
        Self { is_down, in_hand: None, queue: Queue::default() }
    }
}

impl<B: Clone> Network<B> {
    /// A network of `node_count` nodes and all services; `rng` draws latencies,
    /// `chance` what becomes of messages where there is [`LinkFaults`].
    pub(crate) fn new(node_count: usize, latency: Latency, rng: StdRng, chance: StdRng) -> Self {
        let receivers = node_count + ServiceName::ALL.len();
        Self {
            latency: LatencyModel::new(latency, rng),
            node_count,
            receivers: (0..receivers).map(|_| Receiver::new(false)).collect(),
            in_hand: Queue::default(),
            late: Queue::default(),
            links: None,
            conditions: Conditions::default(),
            chance,
            elsewhere: Elsewhere::Nothing,
            next_id: 0,
            counts: NetCounts::default(),
            watch: Watch::default(),
            traffic: Vec::new(),
            happenings: None,
        }
    }

    /// Says which traffic [`traffic`](Self::traffic) is to have. Without this it
    /// has none, and messages leave nothing behind.
    pub(crate) fn watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    pub(crate) fn traffic(&mut self) -> std::vec::Drain<'_, Traffic<B>> {
        self.traffic.drain(..)
    }

    /// Has everything noted that becomes of messages, for [`happenings`](Self::happenings).
    pub(crate) fn trace(&mut self) {
        self.happenings.get_or_insert_default();
    }

    /// What became of messages since the last call, in order.
    pub(crate) fn happenings(&mut self) -> impl Iterator<Item = Happening<B>> + '_ {
        self.happenings.iter_mut().flat_map(|all| all.drain(..))
    }

    /// Whether a node of this number, or a service, is there to receive.
    pub(crate) fn has(&self, address: Address) -> bool {
        self.receiver(address).is_some()
    }

    /// Gives a message its id and counts it as sent. It does not travel yet.
    pub(crate) fn register(
        &mut self,
        src: Address,
        dest: Address,
        body: B,
        now: Duration,
    ) -> Message<B> {
        self.register_request(src, dest, body, None, now)
    }

    /// The same of a client's request, for the operation with this index.
    pub(crate) fn register_request(
        &mut self,
        src: Address,
        dest: Address,
        body: B,
        op: Option<u64>,
        now: Duration,
    ) -> Message<B> {
        let message = Message { id: self.next_id, src, dest, body };
        self.next_id += 1;
        self.counts.sent(&message);
        if self.watch.send {
            self.note(TrafficEvent::Send, &message, now);
        }
        if let Some(happenings) = &mut self.happenings {
            happenings.push(Happening { time: now, what: What::Sent(message.clone(), op) });
        }
        message
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// A node goes down: what is under way to it is lost, and what is sent to it
    /// from now on.
    pub(crate) fn disconnect(&mut self, node: usize, now: Duration) {
        let old = std::mem::replace(&mut self.receivers[node], Receiver::new(true));
        let late = self.late.extract(|message| message.dest == Address::Node(node));
        let lost = old.in_hand.into_iter().chain(old.queue.into_values()).chain(late);
        let mut lost: Vec<u64> = lost.map(|message| message.id).collect();
        lost.sort_unstable();
        lost.into_iter().for_each(|id| self.happened(now, What::Dropped(id, Cause::Kill)));
        self.in_hand.extract(|&receiver| receiver == node);
    }

    pub(crate) fn connect(&mut self, node: usize) {
        self.receivers[node].is_down = false;
    }

    /// Puts a registered message on its way to a node or a service.
    pub(crate) fn post(&mut self, message: Message<B>, now: Duration) {
        if self.is_left(message.src, message.dest) {
            return;
        }
        let receiver = self.receiver(message.dest).expect("a node or a service");
        let latency = if message.involves_client() { Duration::ZERO } else { self.latency.draw() };
        if self.receivers[receiver].is_down {
            return self.happened(now, What::Dropped(message.id, Cause::Kill));
        }
        let fate = self.conditions.faults.draw(&message, latency, &mut self.chance);
        if let Some(delay) = fate.second {
            self.happened(now, What::Duplicated(message.id, now + latency + delay));
            self.late.push(now + latency + delay, message.id, message.clone());
        }
        match fate.first {
            None => self.happened(now, What::Dropped(message.id, Cause::Loss)),
            Some(Duration::ZERO) => self.queue(receiver, now + latency, message, now),
            Some(delay) => {
                self.happened(now, What::Delayed(message.id, fate.cause, now + latency + delay));
                self.late.push(now + latency + delay, message.id, message);
            }
        }
    }

    fn queue(&mut self, receiver: usize, due: Duration, message: Message<B>, now: Duration) {
        if !self.receivers[receiver].is_down {
            self.receivers[receiver].queue.push(due, message.id, message);
            self.take(receiver, now);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.in_hand.next().into_iter().chain(self.late.next()).min()
    }

    /// The next message, received, if one is due by `now`.
    pub(crate) fn receive(&mut self, now: Duration) -> Option<Message<B>> {
        while self.late.next().is_some_and(|due| due <= now) {
            let (due, message) = self.late.pop()?;
            let receiver = self.receiver(message.dest)?;
            self.queue(receiver, due, message, now);
        }
        self.in_hand.next().filter(|&due| due <= now)?;
        let (_, receiver) = self.in_hand.pop()?;
        let message = self.receivers[receiver].in_hand.take()?;
        self.received(&message, now);
        self.take(receiver, now);
        Some(message)
    }

    /// Counts a message as received. Of those to clients, which do not queue
    /// here, the network has to be told.
    pub(crate) fn received(&mut self, message: &Message<B>, now: Duration) {
        self.counts.received(message);
        if self.watch.recv {
            self.note(TrafficEvent::Recv, message, now);
        }
        self.happened(now, What::Received(message.id));
    }

    fn happened(&mut self, time: Duration, what: What<B>) {
        if let Some(happenings) = &mut self.happenings {
            happenings.push(Happening { time, what });
        }
    }

    fn note(&mut self, event: TrafficEvent, message: &Message<B>, time: Duration) {
        self.traffic.push(Traffic { time, event, message: message.clone() });
    }

    /// Lets nodes hear those alone that they have a link to, for as long as the network
    /// lasts, beside any partition. `None` is everybody.
    pub(crate) fn restrict(&mut self, links: Option<Neighbours>) {
        self.links = links;
    }

    /// Cuts the network; an empty grudge ends that.
    pub(crate) fn cut(&mut self, grudge: Grudge) {
        self.conditions.grudge = grudge;
    }

    /// Likewise in one direction.
    pub(crate) fn cut_one_way(&mut self, grudge: Grudge) {
        self.conditions.one_way = grudge;
    }

    pub(crate) fn faults(&mut self) -> &mut LinkFaults {
        &mut self.conditions.faults
    }

    pub(crate) fn heal(&mut self) {
        self.conditions = Conditions::default();
    }

    pub(crate) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub(crate) fn impose(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Leaves messages to others, who say what [became](Self::became) of them.
    pub(crate) fn leave(&mut self, elsewhere: Elsewhere) {
        self.elsewhere = elsewhere;
    }

    /// Whether others carry what one sends to the other.
    pub(crate) fn is_left(&self, src: Address, dest: Address) -> bool {
        let is_service = |address| matches!(address, Address::Service(_));
        match self.elsewhere {
            Elsewhere::Nothing => false,
            _ if src.is_client() || dest.is_client() => false,
            Elsewhere::Nodes => !is_service(src) && !is_service(dest),
            Elsewhere::NodesAndServices => true,
        }
    }

    /// What became of a message between nodes or services that others carry.
    pub(crate) fn became(&mut self, what: What<B>, now: Duration) {
        if let What::Received(_) = what {
            self.counts.received_elsewhere();
        }
        self.happened(now, what);
    }

    pub(crate) fn counts(&self) -> NetCounts {
        self.counts
    }

    fn receiver(&self, address: Address) -> Option<usize> {
        match address {
            Address::Node(node) => (node < self.node_count).then_some(node),
            Address::Service(service) => {
                let position = ServiceName::ALL.iter().position(|&name| name == service)?;
                Some(self.node_count + position)
            }
            Address::Client(_) => None,
        }
    }

    /// Lets a receiver that has nothing in hand take the head of its queue.
    fn take(&mut self, receiver: usize, now: Duration) {
        while self.receivers[receiver].in_hand.is_none() {
            let Some((due, message)) = self.receivers[receiver].queue.pop() else { return };
            if let Some(cause) = self.is_kept_from(receiver, message.src) {
                self.happened(now, What::Dropped(message.id, cause));
                continue;
            }
            self.in_hand.push(due, message.id, receiver);
            self.receivers[receiver].in_hand = Some(message);
        }
    }

    /// Why a receiver does not hear a sender, if it does not.
    fn is_kept_from(&self, receiver: usize, src: Address) -> Option<Cause> {
        let is_unlinked = |links: &Neighbours| !is_linked(links, receiver, src);
        let unlinked = || self.links.as_ref().is_some_and(is_unlinked).then_some(Cause::Links);
        self.conditions.cut(receiver, src).or_else(unlinked)
    }
}

/// Whether messages reach a receiver; they always do within a node.
fn is_linked(links: &Neighbours, receiver: usize, src: Address) -> bool {
    match (src, links.get(receiver)) {
        (Address::Node(src), Some(near)) => src == receiver || near.contains(&src),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
