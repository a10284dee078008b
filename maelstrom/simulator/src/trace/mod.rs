//! The trace of a run: everything that happened around its nodes, in order.
//!
//! Every message, when it was sent, received or lost and by which fault; nodes that
//! start, are killed, stop and go on; faults with the links and nodes that they hit; lines
//! that nodes log. Operations are in the history; the trace says which message is whose
//! request. The world writes it, so it is the same whatever runs the nodes.
//!
//! On disk it is JSON Lines. Each line begins with `time`, in nanoseconds on the history's
//! clock (below zero before the test proper), and `event`:
//!
//! | `event` | what else |
//! | --- | --- |
//! | `send` | `id`, `src`, `dest`, `body`; of a client's request `op`, the index of its invocation. In place of a long body, its `type`, `msg_id` and `in_reply_to`, and how many `bytes` it has |
//! | `recv` | `id` |
//! | `drop` | `id`, and `by` which [`Cause`](crate::Cause) |
//! | `delay` | `id`, `by`, and `until` when |
//! | `duplicate` | `id`, and `until` when the copy is held back |
//! | `late` | `src`, `dest`, `body`: what a client is told that gave up before |
//! | `start`, `ready`, `kill`, `pause`, `resume` | `node` |
//! | `exit` | `node`, and `text`: what it did that ended the run |
//! | `log` | `node`, `line` |
//! | `fault` | `fault`, by its name on the command line, the `nodes` and the `links` that it hits, as pairs of sender and receiver; without both it is all links but those of clients |
//! | `fault-end` | `fault` |
//! | `gap` | `messages` and `logs`: how many messages and lines of logs were left out here, for want of space |
//!
//! - [`tape`]: writes it.
//! - [`read`]: reads it.

mod read;
mod tape;

pub use read::{Fate, Gap, LogLine, Moment, NodeEvent, ReadTraceError, Sent, Spell, Trace};
pub(crate) use tape::Tape;
pub use tape::TraceLines;
