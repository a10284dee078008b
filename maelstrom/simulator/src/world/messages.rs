//! The world's messages: who gets what is due, and what becomes of it.

use std::time::Duration;

use serde_json::value::RawValue;

use super::fault::NodeFault;
use super::operator;
use super::threads::{Effects, Threads};
use super::wire::{Owner, Presence};
use super::{Command, World};
use crate::net::{Address, Message};

impl World {
    pub(super) fn deliver(
        &mut self,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        let Some(message) = self.wire.net.receive(now) else { return Ok(()) };
        self.overhear(&message, now);
        match message.dest {
            Address::Node(node) => out.push(Command::Deliver(node, message)),
            Address::Service(name) => {
                if let Some(body) = self.services.handle(name, &message) {
                    return self.send_as_service(&message, body, now, out);
                }
            }
            Address::Client(_) => {}
        }
        Ok(())
    }

    fn send_as_service(
        &mut self,
        request: &Message,
        body: Box<RawValue>,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        if let Address::Client(id) = request.src {
            return self.hand_to_client(id, request.dest, request.src, &body, now, out);
        }
        let reply = self.wire.net.register(request.dest, request.src, body, now);
        self.count_if_idle(&reply);
        self.wire.net.post(reply, now);
        Ok(())
    }

    pub(super) fn hand_to_client(
        &mut self,
        id: u64,
        src: Address,
        dest: Address,
        body: &RawValue,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        self.wire.look_for_late(id, body, now);
        let Presence::Open(owner) = self.wire.presence(id) else {
            self.trace_late(src, dest, body, now);
            return Ok(());
        };
        let message = self.wire.net.register(src, dest, body.to_owned(), now);
        match owner {
            Owner::Node(node) => {
                let Some(connection) = &mut self.nodes[node].connection else { return Ok(()) };
                match self.wire.hand_over(connection, message, now) {
                    Some(reply) => self.answered(node, &reply, now),
                    None => Ok(()),
                }
            }
            Owner::Thread(thread) => {
                let (threads, mut effects) = self.clients(now);
                let ended = threads.receive(thread, message, &mut effects);
                self.ended(ended, now, out);
                Ok(())
            }
            Owner::Script(number) => {
                self.hand_to_script(number, message, now);
                Ok(())
            }
            Owner::Intruder => {
                self.wire.net.received(&message, now);
                Ok(())
            }
            Owner::Operator => {
                self.wire.net.received(&message, now);
                operator::check_answer(src, &message)
            }
        }
    }

    pub(super) fn check_deadline(
        &mut self,
        now: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), NodeFault> {
        match self.wire.pop_alarm(now) {
            Some(Owner::Node(node)) => {
                let Some(connection) = &mut self.nodes[node].connection else { return Ok(()) };
                if self.wire.timed_out(connection, now) {
                    return Err(self.silent(node));
                }
                Ok(())
            }
            Some(Owner::Thread(thread)) => {
                let (threads, mut effects) = self.clients(now);
                let ended = threads.check_deadline(thread, &mut effects);
                self.ended(ended, now, out);
                Ok(())
            }
            Some(Owner::Script(number)) => {
                self.check_script(number, now);
                Ok(())
            }
            Some(Owner::Intruder | Owner::Operator) | None => Ok(()),
        }
    }

    pub(super) fn clients(&mut self, now: Duration) -> (&mut Threads, Effects<'_>) {
        let Self { threads, workload, wire, recorder, .. } = self;
        (threads, Effects { workload: &**workload, wire, recorder, now })
    }
}
