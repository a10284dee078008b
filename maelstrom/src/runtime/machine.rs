//! Algorithms as state machines, and what runs them.
//!
//! A [`Machine`] is a node's algorithm: something happens ([`Input`]), and it says what is
//! to be done ([`Outputs`]) and when it wants to be woken. It does no I/O, has no clock
//! and starts no tasks, so a test runs a whole cluster of machines in virtual time, and
//! the same seed brings the same run.
//!
//! A [`Driver`] runs one as the state of a [`Node`](crate::Node). It owns the lock, the
//! clock, the alarm and the table of clients that wait, and turns outputs into replies,
//! messages, calls to services and writes. Handlers are registered as in any node; each
//! asks the machine with [`Context::ask`](crate::Context::ask) and makes its reply of the
//! machine's.
//!
//! # A complete node
//!
//! A register that holds the highest number that any client named. Nodes tell each other
//! once a second, so what one has heard all have heard sooner or later.
//!
//! ```
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! use maelstrom::machine::{Driver, Input, Machine, Members, Outputs, Time};
//! use maelstrom::{Context, Error, Node};
//!
//! maelstrom::message_types! {
//!     "raise": struct Raise { to: u64 } -> struct Highest { value: u64 };
//!     "gossip": struct Gossip { value: u64 };
//! }
//!
//! struct Register {
//!     members: Members,
//!     value: u64,
//!     next_round: Time,
//! }
//!
//! impl Machine for Register {
//!     type Request = Raise;
//!     type Reply = Highest;
//!     type Message = Gossip;
//!     type Call = Infallible;
//!     type Record = Infallible;
//!
//!     fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
//!         match input {
//!             Input::Request(client, Raise { to }) => {
//!                 self.value = self.value.max(to);
//!                 out.reply(client, Highest { value: self.value });
//!             }
//!             Input::Message(_from, Gossip { value }) => self.value = self.value.max(value),
//!             _ => {}
//!         }
//!         if self.next_round <= now {
//!             for node in self.members.others() {
//!                 out.send(node, Gossip { value: self.value });
//!             }
//!             self.next_round = now + Duration::from_secs(1);
//!         }
//!     }
//!
//!     fn deadline(&self) -> Option<Time> {
//!         Some(self.next_round)
//!     }
//! }
//!
//! async fn raise(context: Context<Driver<Register>>, raise: Raise) -> Result<Highest, Error> {
//!     context.ask(raise).await
//! }
//!
//! fn node() -> Node<Driver<Register>> {
//!     Driver::node(|_, members| Register { members, value: 0, next_round: Time::ZERO })
//!         .handle(raise)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let input = br#"{"src":"c1","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]}}
//! {"src":"c1","dest":"n0","body":{"type":"raise","msg_id":2,"to":7}}
//! "#;
//! let mut output = Vec::new();
//! node().run(&input[..], &mut output, maelstrom::Host::seeded(1)).await?;
//! assert_eq!(
//!     String::from_utf8(output)?,
//!     r#"{"src":"n0","dest":"c1","body":{"type":"init_ok","in_reply_to":1}}
//! {"src":"n0","dest":"n1","body":{"type":"gossip","value":0}}
//! {"src":"n0","dest":"c1","body":{"type":"raise_ok","in_reply_to":2,"value":7}}
//! "#,
//! );
//! # Ok(())
//! # }
//! ```

mod driver;
mod held;
mod members;
mod messages;
mod recording;
mod round_trip;
mod service;

use std::convert::Infallible;
use std::fmt::{self, Debug};
use std::io;
use std::time::Duration;

pub use driver::{Driver, Opened};
pub use held::Held;
pub use members::{Members, Rank, draw_incarnation};
pub use messages::Messages;
#[doc(hidden)]
pub use messages::hear;
pub use round_trip::RoundTrip;
pub use service::{Answer, Operation, Service, ServiceCall};

use crate::protocol::Error;

/// For how long a machine has been running. It never runs backwards.
pub type Time = Duration;

/// A node's algorithm: inputs in, outputs out, and when to be woken.
///
/// # The contract
///
/// - [`Input::Start`] comes once, before everything else.
/// - Each [`Input::Request`] is replied to once, with [`Outputs::reply`] or
///   [`Outputs::fail`], now or later. A reply to a client that was replied to before, or
///   gave up, is dropped.
/// - Each [`Outputs::call`] comes back as one [`Input::Returned`] with its tag, at the
///   latest when its time is over; after the end of a node's input it may not come.
/// - Each [`Outputs::write`] comes back in an [`Input::Written`], in order, until
///   [`Input::WriteFailed`] comes; after the end of a node's input it may not come. What
///   comes of clients and messages is checked for the length of its records
///   ([`MAX_RECORD_BYTES`](crate::journal::MAX_RECORD_BYTES)) before it takes effect: a
///   record that is too long ends the journal.
/// - [`Outputs::send`] may come to nothing: messages get lost, come late, twice and in
///   another order.
/// - Chance comes from a generator that the machine was made with. Whatever reaches the
///   network goes through ordered collections.
///
/// # When it is woken
///
/// [`Machine::deadline`] is asked after every input. [`Input::Wake`] comes when it has
/// passed, and later where the node is busy or was stopped; it may lie in the past. Every
/// other input can come first, so what is due is done after any input:
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use maelstrom::machine::{Input, Machine, Outputs, Time};
/// # struct Clock { ticks: u64, next: Time }
/// # impl Machine for Clock {
/// #     type Request = ();
/// #     type Reply = u64;
/// #     type Message = Infallible;
/// #     type Call = Infallible;
/// #     type Record = Infallible;
/// fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
///     // Wrong: `if matches!(input, Input::Wake) { self.ticks += 1; … }`. A request that
///     // comes just before the alarm would see a tick too few; and a Wake that comes
///     // when nothing is due any more would count one too many.
///     if self.next <= now {
///         self.ticks += 1;
///         self.next = now + Duration::from_secs(1);
///     }
///     if let Input::Request(client, ()) = input {
///         out.reply(client, self.ticks);
///     }
/// }
///
/// fn deadline(&self) -> Option<Time> {
///     // Wrong: `Some(self.now + Duration::from_secs(1))`. Every input would move it.
///     Some(self.next)
/// }
/// # }
/// # let (mut clock, mut out) = (Clock { ticks: 0, next: Time::ZERO }, Outputs::default());
/// # clock.handle(Time::from_secs(3), Input::Wake, &mut out);
/// # assert_eq!((clock.ticks, clock.deadline()), (1, Some(Time::from_secs(4))));
/// ```
///
/// A machine that cares whether it was held up compares its deadline with `now` at the
/// beginning of `handle`.
///
/// # When a client gives up
///
/// [`Input::GiveUp`] asks for a reply at once. An error with a definite code is a promise:
/// the request did not happen, *and never will*.
///
/// ```
/// # use std::{collections::VecDeque, convert::Infallible};
/// # use maelstrom::{Error, machine::{Client, Input, Machine, Outputs, Time}};
/// # #[derive(Default)]
/// # struct Queue { waiting: VecDeque<(Client, u64)>, under_way: Option<Client> }
/// # impl Queue {
/// fn give_up(&mut self, client: Client, out: &mut Outputs<Self>) {
///     if self.under_way == Some(client) {
///         return out.fail(client, Error::timeout("it may have been written"));
///     }
///     // Wrong: to refuse it without taking it out of the queue. It would be written
///     // later, although its client was told that it never will.
///     self.waiting.retain(|(other, _)| *other != client);
///     out.fail(client, Error::unavailable("nothing was written, and nothing will be"));
/// }
/// # }
/// # impl Machine for Queue {
/// #     type Request = u64;
/// #     type Reply = ();
/// #     type Message = Infallible;
/// #     type Call = ();
/// #     type Record = Infallible;
/// #     fn handle(&mut self, _: Time, input: Input<Self>, out: &mut Outputs<Self>) {
/// #         if let Input::GiveUp(client) = input { self.give_up(client, out) }
/// #     }
/// #     fn deadline(&self) -> Option<Time> { None }
/// # }
/// # let (mut queue, mut out) = (Queue::default(), Outputs::default());
/// # queue.waiting.push_back((Client(1), 7));
/// # queue.handle(Time::ZERO, Input::GiveUp(Client(1)), &mut out);
/// # assert!(queue.waiting.is_empty() && out.drain().count() == 1);
/// ```
pub trait Machine: Send + Sized + 'static {
    /// What clients ask.
    type Request: Debug + Send;
    /// What they are answered.
    type Reply: Debug + Send;
    /// What nodes say to one another; [`Infallible`](std::convert::Infallible) where they
    /// say nothing.
    type Message: Messages;
    /// What a call to a service is for: comes back with its answer.
    /// [`Infallible`](std::convert::Infallible) where no service is called.
    type Call: Debug + Send;
    /// What goes to the disk; [`Infallible`](std::convert::Infallible) where nothing does.
    type Record: Record;

    /// Takes an input and says what is to be done about it.
    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>);

    /// When to be woken unless something happens before; `None` when never. It changes
    /// with [`handle`](Self::handle) alone.
    fn deadline(&self) -> Option<Time>;
}

/// A client that waits for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(
    /// Counts requests, in the order in which they came.
    pub u64,
);

/// What can happen to a machine.
pub enum Input<M: Machine> {
    /// It begins: the first event comes, or the other nodes are there to be talked to.
    Start,
    /// A client asks something.
    Request(Client, M::Request),
    /// A client will not wait any longer: its patience has ended, or the node's input has.
    /// It has to be replied to now, with a definite error only if what it asked for has
    /// not happened and never will.
    GiveUp(Client),
    /// Another node says something.
    Message(Rank, M::Message),
    /// A call to a service was answered, or its time is over.
    Returned(M::Call, Answer),
    /// So many more records are safe, in the order in which they were written.
    Written(u64),
    /// The next records cannot be written for now: the disk is full, say. They are tried
    /// again, in order with all that come later, until they are reported as safe. It is
    /// told once until then, and logged by the driver, as a warning.
    Stalled(io::Error),
    /// Nothing more becomes safe: the node has to be restarted. Records that were not
    /// reported as safe may be lost, or be found, then; so nobody may hear of them. It comes
    /// once, and the driver logs it, as an error that says so. It does not end the node: what
    /// needs no disk can go on, and whoever asks for something that does is to be
    /// [refused](Outputs::fail), with a definite error and the reason.
    WriteFailed(io::Error),
    /// The records take so much more than the last snapshot that another one is
    /// worthwhile: see [`Outputs::snapshot`]. It comes again if it is not heeded.
    Compact,
    /// The deadline has passed.
    Wake,
}

/// What a machine wants done.
pub enum Output<M: Machine> {
    /// Answer a client.
    Reply(Client, Result<M::Reply, Error>),
    /// Send another node a message.
    Send(Rank, M::Message),
    /// Call a service.
    Call(M::Call, ServiceCall),
    /// Append to the node's journal.
    Write(M::Record),
    /// Put this in the place of all records until now.
    Snapshot(Pieces),
}

/// The pieces of a snapshot. They are made on another thread, so they own what they are
/// made of: as it was when the snapshot was asked for. An error ends the snapshot. (They are
/// `Sync` so that a machine may be that keeps its outputs.)
pub type Pieces = Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send + Sync>;

/// What a machine has written to its node's journal.
pub trait Record: Debug + Send {
    /// Its bytes in the journal, from which the node's next start makes it again.
    ///
    /// # Errors
    ///
    /// When it has none; that ends the journal.
    fn encode(&self) -> io::Result<Vec<u8>>;
}

impl Record for Infallible {
    fn encode(&self) -> io::Result<Vec<u8>> {
        match *self {}
    }
}

/// What a machine wants done, in order.
pub struct Outputs<M: Machine>(Vec<Output<M>>);

impl<M: Machine> Outputs<M> {
    /// Answers a client.
    pub fn reply(&mut self, client: Client, reply: M::Reply) {
        self.0.push(Output::Reply(client, Ok(reply)));
    }

    /// Answers a client that its request failed; `error` says whether it may have happened.
    pub fn fail(&mut self, client: Client, error: Error) {
        self.0.push(Output::Reply(client, Err(error)));
    }

    /// Sends another node a message, which may get lost.
    pub fn send(&mut self, to: Rank, message: impl Into<M::Message>) {
        self.0.push(Output::Send(to, message.into()));
    }

    /// Calls a service; `tag` comes back with the answer.
    pub fn call(&mut self, tag: M::Call, call: ServiceCall) {
        self.0.push(Output::Call(tag, call));
    }

    /// Writes a record. What must not be seen before it is safe waits for
    /// [`Input::Written`]: [`Held`] does that.
    pub fn write(&mut self, record: M::Record) {
        self.0.push(Output::Write(record));
    }

    /// Has these pieces put in the place of the journal's last snapshot and of all records
    /// until now, once they are durable. They are what the machine is made from when its
    /// node starts again, with the records that come later. If it fails, or another one is
    /// under way, the journal is as it was, and [`Input::Compact`] comes again.
    pub fn snapshot<I>(&mut self, pieces: I)
    where
        I: Iterator<Item = io::Result<Vec<u8>>> + Send + Sync + 'static,
    {
        self.0.push(Output::Snapshot(Box::new(pieces)));
    }

    /// Any of these.
    pub fn push(&mut self, output: Output<M>) {
        self.0.push(output);
    }

    /// What there is.
    pub fn as_slice(&self) -> &[Output<M>] {
        &self.0
    }

    /// Takes out what there is, for whoever carries it out.
    pub fn drain(&mut self) -> impl Iterator<Item = Output<M>> + '_ {
        self.0.drain(..)
    }
}

impl<M: Machine> Default for Outputs<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M: Machine> Debug for Input<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Start => f.write_str("Start"),
            Input::Request(Client(client), request) => {
                f.debug_tuple("Request").field(client).field(request).finish()
            }
            Input::GiveUp(Client(client)) => f.debug_tuple("GiveUp").field(client).finish(),
            Input::Message(from, message) => {
                f.debug_tuple("Message").field(from).field(message).finish()
            }
            Input::Returned(tag, answer) => {
                f.debug_tuple("Returned").field(tag).field(answer).finish()
            }
            Input::Written(records) => f.debug_tuple("Written").field(records).finish(),
            Input::Stalled(error) => f.debug_tuple("Stalled").field(error).finish(),
            Input::Compact => f.write_str("Compact"),
            Input::WriteFailed(error) => f.debug_tuple("WriteFailed").field(error).finish(),
            Input::Wake => f.write_str("Wake"),
        }
    }
}

impl<M: Machine> Debug for Output<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Reply(Client(client), reply) => {
                f.debug_tuple("Reply").field(client).field(reply).finish()
            }
            Output::Send(to, message) => f.debug_tuple("Send").field(to).field(message).finish(),
            Output::Call(tag, call) => f.debug_tuple("Call").field(tag).field(call).finish(),
            Output::Write(record) => f.debug_tuple("Write").field(record).finish(),
            Output::Snapshot(_) => f.write_str("Snapshot"),
        }
    }
}
