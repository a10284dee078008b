//! The bench's `seq-kv`, asked for shares.

use maelstrom::NodeId;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use simulator::net::{Address, Message, ServiceName};
use simulator::service::Services;
use simulator::settings::SeqKv;

use crate::share::Share;

pub(super) struct Service(Services);

/// Who asks, and the number of the request, which rises from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) node: usize,
    pub(super) request: u64,
}

impl Service {
    pub(super) fn new(kind: SeqKv, rng: &mut StdRng) -> Self {
        Self(Services::new(rng, kind))
    }

    /// A node's requests from this number on are those of a new life.
    pub(super) fn begin_life(&mut self, node: usize, request: u64) {
        self.0.begin_life(Address::Node(node), request);
    }

    pub(super) fn read(&mut self, caller: Caller, key: &NodeId) -> Option<Share> {
        let reply = self.ask(caller, &json!({"type": "read", "key": key}));
        reply.get("value").map(|share| Share::deserialize(share).expect("a share"))
    }

    /// Whether it changed the key to `to`, from `from` or from nothing.
    pub(super) fn cas(&mut self, caller: Caller, key: &NodeId, from: &Share, to: &Share) -> bool {
        let body = json!({
            "type": "cas", "key": key, "from": from, "to": to, "create_if_not_exists": true,
        });
        self.ask(caller, &body)["type"] == "cas_ok"
    }

    pub(super) fn write(&mut self, caller: Caller, key: &NodeId, to: &Share) {
        self.ask(caller, &json!({"type": "write", "key": key, "value": to}));
    }

    fn ask(&mut self, Caller { node, request }: Caller, body: &Value) -> Value {
        let body = RawValue::from_string(body.to_string()).expect("JSON");
        let (src, dest) = (Address::Node(node), Address::Service(ServiceName::SeqKv));
        let message = Message { id: request, src, dest, body };
        let reply = self.0.handle(ServiceName::SeqKv, &message).expect("a reply");
        serde_json::from_str(reply.get()).expect("JSON")
    }
}
