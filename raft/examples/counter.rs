//! A replicated counter: a state machine of one's own, as a Maelstrom node.
//!
//! `add` and `read` as in the workload `g-counter`, with the difference that every read shows
//! everything that was added before it.

use std::process::ExitCode;

use maelstrom::machine::Driver;
use maelstrom::{Context, Empty, Error, Node};
use raft::{Options, Raft, Reply, Request, StateMachine, storage};
use serde::{Deserialize, Serialize};

maelstrom::message_types! {
    "add": struct Add { delta: i64 } -> Empty;
    "read": struct Read {} -> struct ReadOk { value: i64 };
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Counter(i64);

impl StateMachine for Counter {
    type Command = i64;
    type Query = ();
    type Response = i64;

    fn apply(&mut self, delta: &i64) -> i64 {
        self.0 += delta;
        self.0
    }

    fn query(&self, (): &()) -> i64 {
        self.0
    }
}

type State = Driver<Raft<Counter>>;

async fn ask(context: &Context<State>, request: Request<i64, ()>) -> Result<i64, Error> {
    match context.ask(request).await? {
        Reply::Response(value) => Ok(value),
        Reply::Changed => Err(Error::crash("nobody asked for other members")),
    }
}

async fn add(context: Context<State>, Add { delta }: Add) -> Result<Empty, Error> {
    ask(&context, Request::Command(delta)).await.map(|_| Empty {})
}

async fn read(context: Context<State>, _: Read) -> Result<ReadOk, Error> {
    Ok(ReadOk { value: ask(&context, Request::Query(())).await? })
}

fn node() -> Node<State> {
    Driver::node_with_journal(|setup, members| {
        let (rng, options) = (setup.new_rng(), Options::default());
        let (journal, kept) = storage::open(setup, &options)?;
        Ok((Raft::new(&members, rng, Counter::default(), &kept, options)?, journal))
    })
    .handle(add)
    .handle(read)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}
