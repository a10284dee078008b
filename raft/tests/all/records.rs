//! What a node writes has a place in its journal, however much it is.

use std::time::Duration;

use maelstrom::journal::check_length;
use maelstrom::machine::{Client, Input, Machine as _, Members, Output, Outputs, Record as _};
use raft::storage::MAX_COMMAND_BYTES;
use raft::{Kept, Options, Raft, Reply, Request, StateMachine};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

/// Counts the bytes of commands, of whose length it says nothing itself.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Bytes(usize);

impl StateMachine for Bytes {
    type Command = String;
    type Query = ();
    type Response = usize;

    fn apply(&mut self, command: &String) -> usize {
        self.0 += command.len();
        self.0
    }

    fn query(&self, (): &()) -> usize {
        self.0
    }
}

/// Has a node of its own take these commands while there is no leader, and returns what it
/// replies, and how long the longest record is.
fn take(commands: impl Iterator<Item = String>) -> (Vec<Reply<usize>>, usize) {
    let members = Members::new(&"n0".into(), &["n0".into()]);
    let rng = StdRng::seed_from_u64(1);
    let mut node = Raft::new(
        &members,
        rng,
        Bytes::default(),
        &Kept::of(Vec::new(), 1, false),
        Options::default(),
    )
    .unwrap();
    let requests = commands
        .enumerate()
        .map(|(client, command)| Input::Request(Client(client as u64), Request::Command(command)));
    let (mut out, mut longest, mut replies) = (Outputs::default(), 0, Vec::new());
    node.handle(Duration::ZERO, Input::Start, &mut out);
    requests.for_each(|request| node.handle(Duration::ZERO, request, &mut out));
    loop {
        let mut written = 0;
        for output in out.drain() {
            match output {
                Output::Write(record) => {
                    let record = record.encode().unwrap();
                    check_length(&record).unwrap();
                    (written, longest) = (written + 1, longest.max(record.len()));
                }
                Output::Reply(_, reply) => replies.push(reply.unwrap()),
                _ => {}
            }
        }
        if written == 0 {
            return (replies, longest);
        }
        node.handle(Duration::ZERO, Input::Written(written), &mut out);
    }
}

#[test]
fn commands_that_waited_for_a_leader_are_in_as_many_records_as_they_need() {
    let (replies, longest) = take((0..4).map(|_| "x".repeat(MAX_COMMAND_BYTES - 2)));
    assert_eq!(replies.last(), Some(&Reply::Response(4 * (MAX_COMMAND_BYTES - 2))));
    assert!((MAX_COMMAND_BYTES..MAX_COMMAND_BYTES + 1000).contains(&longest), "{longest}");
    // However many there are of them.
    let (replies, longest) = take((0..100_000).map(|_| String::new()));
    assert_eq!(replies.len(), 100_000);
    assert!(longest < 8 << 20, "{longest}");
}
