//! Nodes, machines, journals and disks by what the library shows of itself: one binary, for
//! each has to be linked.

mod ask;
mod bad_input;
mod calls;
mod common;
mod disk;
mod faulty;
mod flow;
mod hold;
mod journal;
mod kv;
mod machine;
mod message_types;
mod panics;
mod senders;
mod turns;
