//! What a broadcast node is asked, and answers.

use std::collections::{BTreeMap, BTreeSet};

use maelstrom::{Empty, Request};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Broadcast {
    pub(crate) message: u64,
}

impl Request for Broadcast {
    const TYPE: &'static str = "broadcast";
    type Reply = Empty;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Topology {
    pub(crate) topology: BTreeMap<String, BTreeSet<String>>,
}

impl Request for Topology {
    const TYPE: &'static str = "topology";
    type Reply = Empty;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Read {}

#[derive(Serialize, Deserialize)]
pub(crate) struct Messages {
    pub(crate) messages: BTreeSet<u64>,
}

impl Request for Read {
    const TYPE: &'static str = "read";
    type Reply = Messages;
}
