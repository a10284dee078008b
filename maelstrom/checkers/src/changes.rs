//! Which node acknowledged that something was changed, and whether that matters to
//! another.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::element::Element;
use super::witness::{Event, Names};
use crate::checks::{Checks, Workload};
use crate::history::{Op, OpType};

/// By node, the first change that it acknowledged, and when it was last asked.
#[derive(Debug)]
pub(crate) struct Changes {
    workload: Workload,
    names: Names,
    first: BTreeMap<u64, Event>,
    last_asked: BTreeMap<u64, u64>,
}

impl Changes {
    pub(crate) fn new(checks: &Checks, names: Names) -> Self {
        let workload = checks.workload;
        Self { workload, names, first: BTreeMap::new(), last_asked: BTreeMap::new() }
    }

    pub(crate) fn observe(&mut self, op: &Op) {
        let Some(node) = self.names.node(op.process) else { return };
        match op.kind {
            OpType::Invoke => drop(self.last_asked.insert(node, op.index)),
            OpType::Ok if !self.first.contains_key(&node) && is_change(self.workload, op) => {
                self.first.insert(node, Event::of(op));
            }
            _ => {}
        }
    }

    /// Each node's first change after which another node was asked something: what
    /// the other has to know of.
    pub(crate) fn that_others_need(self) -> BTreeMap<u64, Event> {
        let Self { mut first, last_asked, .. } = self;
        first.retain(|node, change| {
            last_asked.iter().any(|(other, asked)| other != node && *asked > change.index)
        });
        first
    }
}

/// Whether an acknowledged operation changes what others are to read.
fn is_change(workload: Workload, op: &Op) -> bool {
    match workload {
        Workload::Echo | Workload::UniqueIds => false,
        Workload::Broadcast => op.f == "broadcast",
        Workload::GSet => op.f == "add",
        Workload::GCounter | Workload::PnCounter => {
            op.f == "add" && Element::parse(op.value.get()) != Element::Int(0)
        }
        Workload::Kafka => op.f == "send",
        Workload::LinKv => matches!(&*op.f, "write" | "cas"),
        Workload::TxnListAppend | Workload::TxnRwRegister => {
            type MicroOp = (String, IgnoredAny, IgnoredAny);
            let micro_ops = op.decode::<Vec<MicroOp>>().unwrap_or_default();
            micro_ops.iter().any(|(f, ..)| f != "r")
        }
    }
}
