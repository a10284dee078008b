//! `lin-kv` and `lin-tso`: one state, one operation at a time.

use rustc_hash::FxHashMap;

use super::Service;
use super::incarnation::Client;
use super::request::{Reply, Request, Value};

#[derive(Debug, Default)]
pub(super) struct LinKv {
    values: FxHashMap<String, Value>,
}

impl Service for LinKv {
    fn handle(&mut self, _client: Client, request: &Request<'_>) -> Result<Reply, Reply> {
        let request = request.as_kv()?;
        let (reply, written) = request.operation.apply(self.values.get(&request.key));
        if let Some(value) = written {
            self.values.insert(request.key, value);
        }
        Ok(reply)
    }
}

/// A linearizable timestamp oracle: 0, 1, 2, …
#[derive(Debug, Default)]
pub(super) struct LinTso {
    next: u64,
}

impl Service for LinTso {
    fn handle(&mut self, _client: Client, request: &Request<'_>) -> Result<Reply, Reply> {
        match request.kind() {
            "ts" => {
                let ts = self.next;
                self.next += 1;
                Ok(Reply::TsOk { ts })
            }
            other => Err(Reply::not_supported(other, "ts")),
        }
    }
}
