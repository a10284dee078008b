//! How many steps a second a cluster takes of a machine that does next to nothing: each
//! node tells its successor a number, which tells its own.

use std::convert::Infallible;
use std::time::Duration;

use maelstrom::machine::{Input, Machine, Members, Outputs, Time};
use maelstrom::message_types;
use simulator::cluster::{Cluster, Conditions};
use simulator::{Latency, LatencyDist};
use tokio::time::Instant;

message_types! { "number": struct Number { number: u64 }; }

struct Successor {
    members: Members,
}

impl Successor {
    fn tell(&self, number: u64, out: &mut Outputs<Self>) {
        out.send((self.members.me() + 1) % self.members.count(), Number { number });
    }
}

impl Machine for Successor {
    type Request = ();
    type Reply = ();
    type Message = Number;
    type Call = Infallible;
    type Record = Infallible;

    fn handle(&mut self, _: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        match input {
            Input::Start => self.tell(0, out),
            Input::Message(_, Number { number }) => self.tell(number + 1, out),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

fn main() {
    let latency = Latency { mean: Duration::from_millis(10), dist: LatencyDist::Exponential };
    let conditions = Conditions { latency, ..Conditions::default() };
    let mut cluster = Cluster::new(5, 1, conditions, |members, _, _| Successor { members });
    let begun = Instant::now();
    cluster.run_for(Duration::from_secs(2_000)).unwrap();
    let (steps, seconds) = (cluster.steps(), begun.elapsed().as_secs_f64());
    eprintln!("a trivial machine, 5 nodes: {:.0} steps a second", steps as f64 / seconds);
}
