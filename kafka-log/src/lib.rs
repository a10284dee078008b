//! Challenges 5a to 5c.
mod archive;
mod log;
mod options;
mod pace;
mod pages;
mod poll;
mod push;
mod queue;
mod register;
mod replica;
mod segment;
mod sequence;
mod server;
mod silence;
mod wire;

pub use options::{Options, OptionsError, Sabotage};
pub use server::{Server, node};
pub use wire::{CommitOffsets, CommittedOffsets, ListCommittedOffsets, Poll, Polled, Send, Sent};
