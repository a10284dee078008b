//! The services that the bench provides to nodes, as pure state machines.
//!
//! A service is a participant of the network like a node, with latency; it
//! handles one request at a time, in the order in which it receives them.
//! [`lin`] has `lin-kv`, [`seq`] has `seq-kv`, [`lww`] has
//! `lww-kv`. They differ in which state a request sees; what it does to that
//! state is the same for all (`request`). [`adversarial`] is a `seq-kv` that keeps the
//! promise and nothing beyond.
//!
//! Requests that the original's services cannot make sense of it logs and leaves
//! unanswered; ours are answered with error 10 or 12, so that the node's author
//! learns of it.

mod adversarial;
mod incarnation;
mod lin;
mod lww;
mod past;
pub(crate) mod request;
mod seq;

use checkers::history::raw;
use maelstrom::machine::{Answer, Operation, ServiceCall};
use maelstrom::protocol::LooseHeader;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use crate::net::{Address, Message, ServiceName};
use crate::settings::SeqKv;
use incarnation::{Client, Incarnations};
use request::{Reply, Request};

/// A key-value store's state, and how it changes.
trait Service {
    fn handle(&mut self, client: Client, key: String, operation: &Operation) -> Reply;
}

pub(crate) struct Services {
    lin_kv: lin::LinKv,
    seq_kv: Box<dyn Service + Send>,
    lww_kv: lww::LwwKv,
    /// The next timestamp of `lin-tso`.
    next_timestamp: u64,
    incarnations: Incarnations,
}

impl Services {
    pub(crate) fn new(rng: &mut StdRng, seq_kv: SeqKv) -> Self {
        let real = seq::SeqKv::new(StdRng::from_rng(rng));
        Self {
            lin_kv: lin::LinKv::default(),
            seq_kv: match seq_kv {
                SeqKv::Real => Box::new(real),
                SeqKv::Adversarial => Box::<adversarial::AdversarialKv>::default(),
            },
            lww_kv: lww::LwwKv::new(StdRng::from_rng(rng)),
            next_timestamp: 0,
            incarnations: Incarnations::default(),
        }
    }

    /// A participant was started, again or for the first time: its messages from
    /// this id on are those of a new process.
    pub(crate) fn begin_incarnation(&mut self, address: Address, first_id: u64) {
        self.incarnations.begin(address, first_id);
    }

    /// The body with which a service answers a message. A reply, whatever it is
    /// to, is not answered.
    pub(crate) fn handle(&mut self, name: ServiceName, message: &Message) -> Option<Box<RawValue>> {
        let header = LooseHeader::read(message.body.get()).unwrap_or_default();
        if header.in_reply_to.is_some() {
            return None;
        }
        let client = self.incarnations.sender(message.src, message.id);
        let reply = Request::parse(&message.body)
            .and_then(|request| self.answer(name, client, &request))
            .unwrap_or_else(|refusal| refusal);
        Some(reply.into_body(header.msg_id))
    }

    fn answer(
        &mut self,
        name: ServiceName,
        client: Client,
        request: &Request<'_>,
    ) -> Result<Reply, Reply> {
        match self.store(name) {
            Some(store) => {
                let (key, operation) = request.of_kv()?;
                Ok(store.handle(client, key, &operation))
            }
            None if request.kind() == "ts" => {
                self.next_timestamp += 1;
                Ok(Reply::TsOk { ts: self.next_timestamp - 1 })
            }
            None => Err(Reply::not_supported(request.kind(), "ts")),
        }
    }

    /// The answer to a machine's call, which came in a message of this id.
    pub(crate) fn call(&mut self, call: &ServiceCall, src: Address, id: u64) -> Answer {
        let (name, client) = (ServiceName::of(call.service), self.incarnations.sender(src, id));
        let Some(store) = self.store(name) else { unreachable!("machines call stores alone") };
        let key = request::canonical(&raw(&call.key));
        store.handle(client, key, &call.operation).into_answer(call)
    }

    /// The store of that name; none for the timestamp oracle.
    fn store(&mut self, name: ServiceName) -> Option<&mut dyn Service> {
        match name {
            ServiceName::LinKv => Some(&mut self.lin_kv),
            ServiceName::SeqKv => Some(&mut *self.seq_kv),
            ServiceName::LwwKv => Some(&mut self.lww_kv),
            ServiceName::LinTso => None,
        }
    }
}

#[cfg(test)]
mod tests;
