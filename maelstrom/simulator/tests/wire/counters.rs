//! What a node of the counter workloads is asked, and answers.

use maelstrom::{Empty, Request};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
pub(crate) struct Add {
    pub(crate) delta: i64,
}

impl Request for Add {
    const TYPE: &'static str = "add";
    type Reply = Empty;
}

#[derive(Deserialize)]
pub(crate) struct Sum {}

#[derive(Serialize)]
pub(crate) struct SumOk {
    pub(crate) value: i64,
}

impl Request for Sum {
    const TYPE: &'static str = "read";
    type Reply = SumOk;
}
