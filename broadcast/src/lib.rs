//! Challenge 3: a node that spreads values to all others.
//!
//! # Map
//!
//! - [`machine`]: the node as a pure state machine.
//! - `tree`: spreading in rounds along a tree, with few messages; `direct`:
//!   spreading at once, with many.
//! - `core`: what both share: questions, answers, what is known to be missing.
//! - `store`: what a node knows: logs, version vectors, the journal; `seen`: the
//!   set that clients read; [`canonical`]: when two JSON texts are one value.
//! - `layout`: the tree that nodes prefer; `link`, `rtt`: one end of a link.
//! - [`wire`]: what nodes say to each other. [`config`]: what can be set.

pub mod canonical;
pub mod config;
mod core;
mod direct;
mod layout;
mod link;
pub mod machine;
mod rtt;
mod seen;
mod store;
mod tree;
pub mod wire;
