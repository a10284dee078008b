//! The services that the bench provides to nodes, as pure state machines.
//!
//! A service is a participant of the network like a node, with latency; it
//! handles one request at a time, in the order in which it receives them.
//! [`lin`] has `lin-kv` and `lin-tso`, [`seq`] has `seq-kv`, [`lww`] has
//! `lww-kv`. They differ in which state a request sees; what it does to that
//! state is the same for all (`request`).
//!
//! Requests that the original's services cannot make sense of it logs and leaves
//! unanswered; ours are answered with error 10 or 12, so that the node's author
//! learns of it.

mod json;
mod lin;
mod lww;
mod request;
mod seq;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::value::RawValue;

use crate::net::{Address, Header, Message, ServiceName};
use request::{Reply, Request};

/// A service's state, and how it changes.
trait Service {
    /// Handles a request. Both results are replies; the error is for requests
    /// that are none of this service's.
    fn handle(&mut self, client: Address, request: &Request<'_>) -> Result<Reply, Reply>;
}

/// All services.
pub(crate) struct Services {
    lin_kv: lin::LinKv,
    seq_kv: seq::SeqKv,
    lww_kv: lww::LwwKv,
    lin_tso: lin::LinTso,
}

impl Services {
    /// Services in their initial states.
    pub(crate) fn new(rng: &mut StdRng) -> Self {
        Self {
            lin_kv: lin::LinKv::default(),
            seq_kv: seq::SeqKv::new(StdRng::from_rng(rng)),
            lww_kv: lww::LwwKv::new(StdRng::from_rng(rng)),
            lin_tso: lin::LinTso::default(),
        }
    }

    /// The body with which a service answers a message. A reply, whatever it is
    /// to, is not answered.
    pub(crate) fn handle(&mut self, name: ServiceName, message: &Message) -> Option<Box<RawValue>> {
        let header = Header::of(&message.body).ok();
        if header.as_ref().is_some_and(Header::is_reply) {
            return None;
        }
        let service: &mut dyn Service = match name {
            ServiceName::LinKv => &mut self.lin_kv,
            ServiceName::SeqKv => &mut self.seq_kv,
            ServiceName::LwwKv => &mut self.lww_kv,
            ServiceName::LinTso => &mut self.lin_tso,
        };
        let reply = Request::parse(&message.body)
            .and_then(|request| service.handle(message.src, &request))
            .unwrap_or_else(|reply| reply);
        Some(reply.into_body(header.and_then(|header| header.msg_id)))
    }
}

#[cfg(test)]
mod tests;
