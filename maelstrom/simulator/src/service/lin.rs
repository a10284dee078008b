//! `lin-kv`: one state, one operation at a time.

use maelstrom::machine::Operation;
use rustc_hash::FxHashMap;

use super::Service;
use super::incarnation::Client;
use super::request::{Reply, Value};

#[derive(Debug, Default)]
pub(super) struct LinKv {
    values: FxHashMap<String, Value>,
}

impl Service for LinKv {
    fn handle(&mut self, _: Client, key: String, operation: &Operation) -> Reply {
        let (reply, written) = Reply::to(operation, self.values.get(&key));
        if let Some(value) = written {
            self.values.insert(key, value);
        }
        reply
    }
}
