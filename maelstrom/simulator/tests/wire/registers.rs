//! What a node of the `lin-kv` workload is asked, and answers.

use maelstrom::{Empty, Request};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) key: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) value: u64,
}

impl Request for Read {
    const TYPE: &'static str = "read";
    type Reply = Found;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) key: u64,
    pub(crate) value: u64,
}

impl Request for Write {
    const TYPE: &'static str = "write";
    type Reply = Empty;
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Cas {
    pub(crate) key: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Request for Cas {
    const TYPE: &'static str = "cas";
    type Reply = Empty;
}
