//! Write [Maelstrom](https://github.com/jepsen-io/maelstrom) nodes in async
//! Rust.
//!
//! Maelstrom runs a distributed system as processes that talk in lines of JSON
//! on standard input and output, and tests it. This crate is the part that all
//! nodes share: the loop that reads and writes those lines, the correlation of
//! requests and replies, timeouts, errors. What is left to write is what the
//! node does.
//!
//! # A complete node
//!
//! ```
//! use maelstrom::{Context, Error, Node};
//! use serde_json::value::RawValue;
//!
//! maelstrom::message_types! {
//!     /// `{"type":"echo","echo":…}` is answered `{"type":"echo_ok","echo":…}`.
//!     "echo": struct Echo { echo: Box<RawValue> } -> Echo;
//! }
//!
//! async fn echo(_: Context<()>, request: Echo) -> Result<Echo, Error> {
//!     Ok(request)
//! }
//!
//! fn node() -> Node<()> {
//!     Node::new(|_| ()).handle(echo)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! // A binary's main is `fn main() -> ExitCode { maelstrom::run(node()) }`.
//! // In a test, the same node talks to memory:
//! let input = br#"{"src":"c1","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}
//! {"src":"c1","dest":"n0","body":{"type":"echo","msg_id":2,"echo":[1,2.50]}}
//! "#;
//! let mut output = Vec::new();
//! node().run(&input[..], &mut output, maelstrom::Host::seeded(1)).await?;
//! assert_eq!(
//!     String::from_utf8(output)?,
//!     r#"{"src":"n0","dest":"c1","body":{"type":"init_ok","in_reply_to":1}}
//! {"src":"n0","dest":"c1","body":{"type":"echo_ok","in_reply_to":2,"echo":[1,2.50]}}
//! "#,
//! );
//! # Ok(())
//! # }
//! ```
//!
//! The crate's examples solve each of the [Gossip Glomers] challenges in a file of at most
//! 120 lines, with a test in virtual time; `examples/machine.rs` is a node whose algorithm
//! is a state machine, and the tests that such a node gets for nothing.
//!
//! [Gossip Glomers]: https://fly.io/dist-sys/
//!
//! Standard output belongs to the protocol. What a node prints with `println!` goes to
//! standard error instead, where [`run`] puts its logs, too; [`tracing`]'s macros are
//! the better way, since they name the node. The lint `clippy::print_stdout` finds what
//! was forgotten.
//!
//! [`tracing`]: https://docs.rs/tracing
//!
//! # Map
//!
//! - [`Node`]: registers handlers, hooks and periodic tasks; runs on any reader
//!   and writer. [`run`] runs one as a process.
//! - [`Context`]: what a handler sees: identity, state, [`Context::send`],
//!   [`Context::call`], randomness; [`Context::call_quorum`] and its kin ask all other
//!   nodes at once. [`Setup`] is what is known before there is state.
//! - [`message_types!`] defines the types of messages: [`Request`], which is answered, and
//!   [`Message`], which is not; [`Empty`] has no fields.
//! - [`machine`]: algorithms as state machines, and the [`Driver`](machine::Driver) that
//!   runs one behind handlers.
//! - [`kv`]: clients of Maelstrom's key-value services, [`Context::lin_kv`],
//!   [`Context::seq_kv`] and [`Context::lww_kv`].
//! - [`disk`]: files of a node's own, [`Setup::disk`], which a simulator can break.
//! - [`journal`]: records on such a disk that survive kills, power failures and bad bits.
//! - [`Error`], [`CallError`]: what a node answers, and what a call saw.
//! - [`protocol`]: the protocol itself, for whatever surrounds nodes, and when two JSON
//!   texts are one value.
//! - [`Panic`], [`Panics`]: panics of the node's code, caught, counted and told.
//! - [`injected_bugs!`]: bugs on purpose, to see whether tests find them.
//!
//! # What always holds
//!
//! - Every request with a `msg_id` and a sender is answered exactly once, malformed
//!   ones and those of unknown type included, if its line begins with a JSON object.
//!   No input ends the process but its end; what is not done five seconds after that
//!   has no answer.
//! - A call that timed out or was dropped leaves nothing behind; late and
//!   duplicate replies are dropped.
//! - A panic in a handler, hook, task or anything else of the node's own code, dropping
//!   it included, ends only that; it is counted in [`Stats`] and told in one line on
//!   standard error: `` panic in handler `send`: text at file:line:column ``, its line
//!   breaks escaped.
//! - Nothing goes to other nodes or services before all of them can be there; see
//!   [`Context::send`].
//! - Memory is bounded by the requests in flight: a reader that does not read
//!   makes the node stop reading, too; above 16,384 waiting handlers and tasks or
//!   256 MiB of the messages that they are about, requests are answered
//!   `temporarily-unavailable`. A line may be of any length; a long one takes about
//!   twice its length, and what its handler makes of it beyond a copy.
//! - An answer that is there is written within some milliseconds, whatever else there
//!   is to do, unless a single step of a handler or task takes longer: nothing
//!   interrupts that.
//! - The end of input ends the node, and so does SIGTERM in a process: handlers and
//!   output have five seconds from then on.
//! - Time comes from [`tokio::time`] and chance from the node's seeded
//!   generator, so that the same seed gives the same bytes in a simulation.

pub mod protocol;
#[cfg(feature = "node")]
mod runtime;

pub use protocol::{Definite, Error, ErrorCode, Indefinite};
#[cfg(feature = "node")]
pub use runtime::*;

/// What [`message_types!`] derives from.
#[doc(hidden)]
pub use serde;

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
