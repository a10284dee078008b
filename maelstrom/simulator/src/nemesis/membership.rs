//! Changes of who belongs to a cluster, and of who leads it, asked for by a client.

use checkers::history::raw;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use super::{Action, Effect};
use crate::net::Address;
use crate::request::Request;

/// What one node is asked about another one, or about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who is asked.
    pub asked: usize,
    /// The request's type: `add_node`, `remove_node` or `transfer`.
    pub kind: &'static str,
    /// About whom.
    pub node: usize,
}

/// Somebody is to be removed, or to lead.
pub(super) fn begin(nodes: usize, rng: &mut StdRng) -> Action {
    let kind = if rng.random() { "remove_node" } else { "transfer" };
    let (asked, node) = (rng.random_range(0..nodes), rng.random_range(0..nodes));
    let changes = vec![Change { asked, kind, node }];
    let asked = changes_by_name(&changes);
    Action { f: "start-membership", asked, effect: Effect::Change(changes) }
}

/// All are to be there again, whoever hears it.
pub(super) fn end(nodes: usize) -> Action {
    let back = |asked| (0..nodes).map(move |node| Change { asked, kind: "add_node", node });
    let effect = Effect::Change((0..nodes).flat_map(back).collect());
    Action { f: "stop-membership", asked: raw("all"), effect }
}

impl Change {
    pub(crate) fn request(&self) -> Request {
        Request::new(self.kind).with("node", &Address::Node(self.node).to_string())
    }
}

/// For the history: who was asked what, about whom.
pub(crate) fn changes_by_name(changes: &[Change]) -> Box<RawValue> {
    let name = |node| Address::Node(node).to_string();
    let values = changes.iter().map(|change| (name(change.asked), change.kind, name(change.node)));
    raw(&values.collect::<Vec<_>>())
}
