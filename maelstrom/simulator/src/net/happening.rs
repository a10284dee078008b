//! What becomes of a message on its way, for whoever traces it.

use std::time::Duration;

use serde_json::value::RawValue;

use super::Message;

/// What happened to a message, and when.
#[derive(Clone, Debug)]
pub(crate) struct Happening<B = Box<RawValue>> {
    pub(crate) time: Duration,
    pub(crate) what: What<B>,
}

/// What happened to a message; most of them by its id.
#[derive(Clone, Debug)]
pub enum What<B = Box<RawValue>> {
    /// It was sent, by a client perhaps for the operation with this index.
    Sent(Message<B>, Option<u64>),
    /// It was received.
    Received(u64),
    /// It was lost.
    Dropped(u64, Cause),
    /// It joins its receiver's queue at this time only.
    Delayed(u64, Cause, Duration),
    /// A copy of it joins its receiver's queue at this time.
    Duplicated(u64, Duration),
}

named! {
    /// Why a message was lost or comes late.
    pub enum Cause {
        /// A partition.
        Partition = "partition",
        /// A partition in one direction.
        OneWay = "one-way",
        /// The network loses a share of messages.
        Loss = "loss",
        /// The network has no link between the two.
        Links = "links",
        /// The receiver was down, or died while the message was under way.
        Kill = "kill",
        /// The link is slow.
        Slow = "slow",
        /// The network puts a share of messages out of order.
        Reorder = "reorder",
    }
}
