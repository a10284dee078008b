//! Challenge 5: a log of messages for each key, on the service `lin-kv`.
//!
//! A log is a row of slots, each a key of the service that is written once: the message
//! with offset 3 of log 7 is at `log/7/3`. A node that appends tries to create the first
//! slot that it believes to be free. If another node was faster it tries the next one. So
//! no two messages get the same offset, and no slot is left out.
//!
//! A slot never changes, so a node keeps what it has read. A poll is answered from memory
//! and from the slots after that, up to the first one that is free.
//!
//! At the flags of 5b this costs 6.38 messages an operation, with those of the service.
//! This workspace's node `kafka-log` costs 0.62: it puts many messages into a slot, and
//! nodes tell each other about slots instead of looking.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use maelstrom::{CallError, Context, Empty, Error, Node};

maelstrom::message_types! {
    "send": struct Send { key: String, msg: u64 } -> struct Sent { offset: usize };
    "poll": struct Poll { offsets: BTreeMap<String, usize> }
        -> struct Polled { msgs: BTreeMap<String, Vec<(usize, u64)>> };
    "commit_offsets": struct Commit { offsets: BTreeMap<String, usize> } -> Empty;
    "list_committed_offsets": struct List { keys: Vec<String> }
        -> struct Committed { offsets: BTreeMap<String, usize> };
}

/// How many messages of a key a poll answers at most.
const MOST: usize = 100;
/// What a free slot is compared with, which has no value. No message is equal to it.
const NO_MESSAGE: u64 = u64::MAX;

/// The beginning of each log, as far as it was read.
type Logs = Mutex<BTreeMap<String, Log>>;
type Log = BTreeMap<usize, u64>;

/// Looks at what is known of a log. The lock is never held across an `await`.
fn with<T>(context: &Context<Logs>, key: &str, look: impl FnOnce(&mut Log) -> T) -> T {
    let mut logs = context.state().lock().unwrap_or_else(PoisonError::into_inner);
    look(logs.entry(key.to_owned()).or_default())
}

/// Reads slots that are not known here until there are `wanted`, or no more.
async fn catch_up(context: &Context<Logs>, key: &str, wanted: usize) -> Result<(), CallError> {
    loop {
        let offset = with(context, key, |log| log.len());
        if offset >= wanted {
            return Ok(());
        }
        let slot = format!("log/{key}/{offset}");
        let Some(message) = context.lin_kv().read(&slot).await? else { return Ok(()) };
        with(context, key, |log| log.insert(offset, message));
    }
}

async fn send(context: Context<Logs>, Send { key, msg }: Send) -> Result<Sent, Error> {
    loop {
        let offset = with(&context, &key, |log| log.len());
        let slot = format!("log/{key}/{offset}");
        if context.lin_kv().cas_or_create(&slot, &NO_MESSAGE, &msg).await? {
            with(&context, &key, |log| log.insert(offset, msg));
            return Ok(Sent { offset });
        }
        catch_up(&context, &key, offset + 1).await?;
    }
}

async fn poll(context: Context<Logs>, Poll { offsets }: Poll) -> Result<Polled, Error> {
    let mut msgs = BTreeMap::new();
    for (key, from) in offsets {
        catch_up(&context, &key, from + MOST).await?;
        let found = with(&context, &key, |log| {
            let found = log.range(from..).take(MOST);
            found.map(|(&offset, &message)| (offset, message)).collect()
        });
        msgs.insert(key, found);
    }
    Ok(Polled { msgs })
}

async fn commit(context: Context<Logs>, Commit { offsets }: Commit) -> Result<Empty, Error> {
    for (key, offset) in offsets {
        let raise = |committed: Option<&usize>| {
            committed.is_none_or(|&committed| committed < offset).then_some(offset)
        };
        context.lin_kv().update(&format!("committed/{key}"), raise).await?;
    }
    Ok(Empty {})
}

async fn list(context: Context<Logs>, List { keys }: List) -> Result<Committed, Error> {
    let mut offsets = BTreeMap::new();
    for key in keys {
        let offset = context.lin_kv().read(&format!("committed/{key}")).await?;
        offsets.extend(offset.map(|offset| (key, offset)));
    }
    Ok(Committed { offsets })
}

fn node() -> Node<Logs> {
    Node::new(|_| Logs::default()).handle(send).handle(poll).handle(commit).handle(list)
}

fn main() -> ExitCode {
    maelstrom::run(node())
}

#[cfg(test)]
mod tests {
    use simulator::{Simulation, Workload};

    #[test]
    fn no_message_is_lost_or_out_of_order() {
        let simulation = Simulation::new(Workload::Kafka, super::node).nodes(2).clients(4);
        let run = simulation.rate(1000.0).seconds(20).run();
        assert_eq!(format!("{:.2}", run.assert_valid().msgs_per_op()), "6.38");
    }
}
