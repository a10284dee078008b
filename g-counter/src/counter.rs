//! The counter as a state machine.
//!
//! It joins the parts: the [`Slot`] writes this node's contribution, the [`View`]
//! knows all contributions, [`Links`] spread them, [`Lookups`] fetch what neighbours do
//! not tell.
//!
//! Always: the view contains only contributions that were in the service, so what a
//! read returns has happened, and what one incarnation has read no later read of it
//! lacks.
//!
//! [`Slot`]: crate::slot

use std::convert::Infallible;
use std::mem;
use std::time::Duration;

use maelstrom::machine::{
    Answer, Client, Input, Machine, Members, Outputs, Rank, Service, ServiceCall, Time,
};
use maelstrom::{CallError, Definite, Error};

use crate::contribution::Contribution;
use crate::gossip::{Gossip, Links};
use crate::injected_bugs::{Bug, Bugs};
use crate::integer::Integer;
use crate::lookup::Lookups;
use crate::slot::{NoAnswer, Slot, key};
use crate::view::View;

/// How long a lookup waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Add this. The reply comes when it is in the service.
    Add(Integer),
    /// Tell the counter's value.
    Read,
}

/// What clients are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The add is in the service.
    Added,
    /// The counter's value.
    Value(Integer),
}

/// What the service is called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// To set this node's key.
    Write,
    /// To read this node's key.
    Check,
    /// To write something new, which makes the reads of these nodes' keys fresh that
    /// follow, where the service lets it.
    Freshen(Vec<Rank>),
    /// To read another node's key.
    LookUp(Rank),
}

/// One node's view of the counter.
#[derive(Debug)]
pub struct Counter {
    members: Members,
    slot: Slot,
    view: View,
    links: Links,
    lookups: Lookups,
    /// Reads that came before this incarnation had begun.
    readers: Vec<Client>,
    bugs: Bugs,
}

impl Counter {
    /// The counter of a node. Every start of the node draws an `incarnation`.
    pub fn new(members: Members, incarnation: u64, bugs: Bugs) -> Self {
        let incarnation = if bugs.has(Bug::SameIncarnation) { 7 } else { incarnation };
        Self {
            slot: Slot::new(key(&members, members.me()), incarnation, bugs),
            view: View::default(),
            links: Links::new(members.clone()),
            lookups: Lookups::default(),
            readers: Vec::new(),
            members,
            bugs,
        }
    }

    /// A client reads. It is answered at once from what is known here, except
    /// that an incarnation that has only just begun first has to find out what the
    /// incarnations before it have added: a read contains every add that this node
    /// ever acknowledged. Whether what is known here is up to date is found out
    /// meanwhile, for the next read.
    fn read(&mut self, client: Client, now: Time, out: &mut Outputs<Self>) {
        if self.slot.confirmed().is_none() {
            return self.readers.push(client);
        }
        if !self.bugs.has(Bug::NeverAsk) {
            self.links.check(now);
        }
        self.tell_value(client, out);
    }

    fn tell_value(&self, client: Client, out: &mut Outputs<Self>) {
        let value = self.view.total().clone();
        if self.bugs.has(Bug::NarrowSums) && value > i64::MAX.into() {
            return out.fail(client, Error::new(Definite::PreconditionFailed, "out of range"));
        }
        out.reply(client, Reply::Value(value));
    }

    fn returned(&mut self, call: Call, answer: Answer, now: Time, out: &mut Outputs<Self>) {
        let confirmed = match call {
            Call::Write => self.slot.written(known(answer.done()), now, out),
            Call::Check => {
                let found = known(answer.value());
                let found =
                    found.map(|contribution| contribution.unwrap_or_else(Contribution::unwritten));
                self.slot.found(found, now, out)
            }
            Call::Freshen(nodes) => {
                if let Err(error) = answer.done() {
                    tracing::debug!(%error, "what is looked up may be old");
                }
                return nodes.into_iter().for_each(|node| self.look_up(node, out));
            }
            Call::LookUp(node) => return self.looked_up(node, answer.value()),
        };
        if let Some(contribution) = confirmed {
            self.confirmed(contribution, now, out);
        }
    }

    /// This node's contribution is known to be in the service.
    fn confirmed(&mut self, contribution: Contribution, now: Time, out: &mut Outputs<Self>) {
        if contribution.is_fence() {
            self.links.begin(contribution.epoch);
        }
        self.view.learn(self.members.me(), contribution, None);
        mem::take(&mut self.readers).into_iter().for_each(|client| self.tell_value(client, out));
        self.slot.flush(now, out);
    }

    fn look_up(&self, node: Rank, out: &mut Outputs<Self>) {
        let read = ServiceCall::read(Service::SeqKv, key(&self.members, node));
        out.call(Call::LookUp(node), read.timeout(PATIENCE));
    }

    fn looked_up(&mut self, node: Rank, found: Result<Option<Contribution>, CallError>) {
        match found {
            Ok(None) => {}
            Ok(Some(contribution)) => {
                if self.view.learn(node, contribution, None) {
                    self.lookups.succeeded();
                }
            }
            Err(error) => tracing::debug!(node, %error, "a lookup failed"),
        }
    }

    /// Sends what is due to neighbours, and looks up what they do not tell.
    fn do_what_is_due(&mut self, now: Time, out: &mut Outputs<Self>) {
        self.links.tell(now, &self.view, out);
        if let Some(nodes) = self.lookups.due(now, &self.links, &self.members) {
            let fresh = format!("fresh/{}", self.members.id(self.members.me()));
            let value = (self.slot.incarnation(), self.lookups.rounds());
            let write = ServiceCall::write(Service::SeqKv, fresh, &value);
            out.call(Call::Freshen(nodes), write.timeout(PATIENCE));
        }
    }

    fn give_up(&mut self, client: Client, out: &mut Outputs<Self>) {
        self.readers.retain(|&reader| reader != client);
        self.slot.give_up(client, out);
    }
}

impl Machine for Counter {
    type Request = Request;
    type Reply = Reply;
    type Message = Gossip;
    type Call = Call;
    type Record = Infallible;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Start => self.slot.start(now, out),
            Input::Request(client, Request::Add(delta)) => {
                self.slot.add(client, delta);
                self.slot.flush(now, out);
            }
            Input::Request(client, Request::Read) => self.read(client, now, out),
            Input::GiveUp(client) => self.give_up(client, out),
            Input::Message(from, gossip) => self.links.receive(from, gossip, now, &mut self.view),
            Input::Returned(call, answer) => self.returned(call, answer, now, out),
            Input::Written(_)
            | Input::Stalled(_)
            | Input::WriteFailed(_)
            | Input::Compact
            | Input::Wake => {}
        }
        self.do_what_is_due(now, out);
    }

    /// Never, when everything is known to be known.
    fn deadline(&self) -> Option<Time> {
        let tell = self.links.deadline(&self.view);
        let look = self.lookups.deadline(&self.links);
        tell.into_iter().chain(look).min()
    }
}

/// Every error is as good as silence, whatever the service means by it: what counts is
/// what the key will be found to be.
fn known<T>(answer: Result<T, CallError>) -> Result<T, NoAnswer> {
    answer.map_err(|error| {
        tracing::warn!(%error, "asking again");
        NoAnswer
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use maelstrom::NodeId;
    use maelstrom::machine::{Operation, Output};

    use super::*;

    /// What others tell of this node's own key may be newer than what the service
    /// shows it; but a service that decides on what it shows refuses a change of
    /// anything else, for as long as it shows that.
    #[test]
    fn an_incarnation_takes_its_key_over_from_what_the_service_shows_not_from_hearsay() {
        let own = NodeId::from("n0");
        let members = Members::new(&own, &["n1".into()]);
        let mut counter = Counter::new(members, 7, Bugs::default());
        let contribution = |sequence, sum| Contribution {
            epoch: 1,
            incarnation: 9,
            sequence,
            sum: i64::into(sum),
        };
        let gossip = Gossip {
            epoch: 1,
            version: 1,
            since: 0,
            seen_epoch: 1,
            seen_version: 0,
            ask: false,
            contributions: BTreeMap::from([(own, contribution(4, 40))]),
        };
        let shown = serde_json::value::to_raw_value(&contribution(2, 20)).unwrap();
        let mut out = Outputs::default();
        for input in [
            Input::Start,
            Input::Returned(Call::Write, Answer::Changed(Ok(false))),
            Input::Message(1, gossip),
            Input::Returned(Call::Check, Answer::Read(Ok(Some(shown)))),
        ] {
            out = Outputs::default();
            counter.handle(Time::ZERO, input, &mut out);
        }
        let Some(Output::Call(Call::Write, call)) = out.drain().next() else { panic!("no write") };
        let Operation::Cas { from, .. } = call.operation else { panic!("{call:?}") };
        assert_eq!(from.get(), "[1,9,2,20]");
    }
}
