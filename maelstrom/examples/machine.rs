//! A node for messages of its own, written as a state machine: a register that holds the
//! highest number that any client named.
//!
//! The algorithm is a [`Machine`]: it says what is to be done, and does nothing itself. So
//! the test runs whole clusters of it in virtual time, with faults, in a millisecond each.

use maelstrom::machine::{Driver, Input, Machine, Members, Outputs, Time};
use maelstrom::{Context, Node};
use std::{convert::Infallible, process::ExitCode, time::Duration};

maelstrom::message_types! {
    "raise": struct Raise { to: u64 } -> struct Highest { value: u64 };
    "gossip": struct Gossip { value: u64 };
}

struct Register {
    members: Members,
    value: u64,
    next_round: Time,
}

fn register(members: Members) -> Register {
    Register { members, value: 0, next_round: Time::ZERO }
}

impl Machine for Register {
    type Request = Raise;
    type Reply = Highest;
    type Message = Gossip;
    type Call = Infallible; // It calls no service,
    type Record = Infallible; // and writes nothing to a disk.

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Request(client, Raise { to }) => {
                self.value = self.value.max(to);
                out.reply(client, Highest { value: self.value });
            }
            Input::Message(_from, Gossip { value }) => self.value = self.value.max(value),
            _ => {}
        }
        if self.next_round <= now {
            self.members.others().for_each(|node| out.send(node, Gossip { value: self.value }));
            self.next_round = now + Duration::from_secs(1);
        }
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.next_round)
    }
}

fn node() -> Node<Driver<Register>> {
    Driver::node(|_, members| register(members))
        .handle(async |context: Context<Driver<Register>>, raise: Raise| context.ask(raise).await)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
#[test]
fn all_nodes_have_the_highest_number_two_seconds_after_the_last_fault() {
    use simulator::Fault::{Loss, Partition};
    use simulator::cluster::{Cluster, Conditions};
    for seed in 0..200 {
        let conditions = Conditions { faults: vec![Partition, Loss], ..Conditions::default() };
        let mut cluster = Cluster::new(5, seed, conditions, |members, _, _| register(members));
        let mut highest = 0;
        let load = cluster.load(Duration::from_secs(60), 10.0, |cluster, node| {
            highest += 1;
            cluster.ask(node, Raise { to: highest });
        });
        cluster.heal();
        load.and_then(|()| cluster.run_for(Duration::from_secs(2))).unwrap();
        assert!((0..5).all(|node| cluster.machine(node).unwrap().value == highest), "seed {seed}");
    }
}
