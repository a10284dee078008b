//! What a node is made of, beside the protocol: all that needs a runtime.

mod ask;
mod backoff;
mod context;
pub mod disk;
mod error;
mod host;
mod injected_bugs;
mod io;
mod job;
pub mod journal;
pub mod kv;
pub mod machine;
mod message;
mod message_types;
mod node;
mod outbox;
mod panics;
mod process;
mod rpc;
mod run;

pub use ask::NoQuorum;
pub use backoff::Backoff;
pub use context::{Context, Setup};
pub use error::CallError;
pub use host::Host;
pub use message::{Empty, Message, NodeId, Request};
pub use node::{Node, Other, Senders};
pub use panics::{Panic, Panics};
pub use process::run;
pub use run::{RunError, Stats};
