//! The store as a node of Maelstrom's `lin-kv` workload.

use std::time::Duration;

use maelstrom::machine::{Driver, Rank};
use maelstrom::{Context, Definite, Empty, Error, Node};
use raft::{Change, Options, Raft, Reply, Request, storage};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Command, Json, Key, Response, Store};

/// How long a request waits. Clients wait for a second at least.
const PATIENCE: Duration = Duration::from_millis(800);

maelstrom::message_types! {
    /// `{"type":"read","key":…}`, answered `{"type":"read_ok","value":…}`.
    "read": pub struct Read {
        /// The key.
        pub key: Box<RawValue>,
    } -> pub struct ReadOk {
        /// Its value.
        pub value: Box<RawValue>,
    };
    /// `{"type":"write","key":…,"value":…}`, answered `{"type":"write_ok"}`.
    "write": pub struct Write {
        /// The key.
        pub key: Box<RawValue>,
        /// The value that it gets.
        pub value: Box<RawValue>,
    } -> Empty;
    /// `{"type":"cas","key":…,"from":…,"to":…}`, answered `{"type":"cas_ok"}`.
    "cas": pub struct Cas {
        /// The key.
        pub key: Box<RawValue>,
        /// The value that it should have.
        pub from: Box<RawValue>,
        /// The value that it gets.
        pub to: Box<RawValue>,
        /// Whether a key without a value gets it as well. Anything but `null` and `false`
        /// says so.
        #[serde(default, deserialize_with = "truthy")]
        pub create_if_not_exists: bool,
    } -> Empty;
    /// `{"type":"add_node","node":"n3"}`, answered `{"type":"add_node_ok"}` when the node
    /// votes: it gets the log first. An error 0 means that it may yet.
    "add_node": pub struct AddNode {
        /// Which node.
        pub node: String,
    } -> Empty;
    /// `{"type":"remove_node","node":"n3"}`, answered `{"type":"remove_node_ok"}` when the
    /// node is no member any more. Its clients are served by the others then.
    "remove_node": pub struct RemoveNode {
        /// Which node.
        pub node: String,
    } -> Empty;
    /// `{"type":"transfer","node":"n3"}`, answered `{"type":"transfer_ok"}` when the node
    /// leads.
    "transfer": pub struct Transfer {
        /// Which node.
        pub node: String,
    } -> Empty;
}

fn truthy<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Box::<RawValue>::deserialize(deserializer)?;
    Ok(!matches!(value.get(), "null" | "false"))
}

type State = Driver<Raft<Store>>;

/// The node. It has a journal where there is a disk, and keeps everything in memory if not.
pub fn node(options: Options) -> Node<State> {
    Driver::node_with_journal(move |setup, members| {
        let (journal, kept) = storage::open(setup, &options)?;
        let (rng, options) = (setup.new_rng(), options.clone());
        Ok((Raft::new(&members, rng, Store::default(), &kept, options)?, journal))
    })
    .handle(read)
    .handle(write)
    .handle(cas)
    .handle(add_node)
    .handle(remove_node)
    .handle(transfer)
}

async fn read(context: Context<State>, Read { key }: Read) -> Result<ReadOk, Error> {
    match ask(&context, Request::Query(Key::from(&*key))).await? {
        Response::Value(value) => Ok(ReadOk { value: value.into() }),
        other => Err(refusal(&other)),
    }
}

async fn write(context: Context<State>, Write { key, value }: Write) -> Result<Empty, Error> {
    let command = Command::Write(Key::from(&*key), Json::from(value));
    done(ask(&context, Request::Command(command)).await?)
}

async fn cas(context: Context<State>, cas: Cas) -> Result<Empty, Error> {
    let command = Command::Cas {
        key: Key::from(&*cas.key),
        from: cas.from.into(),
        to: cas.to.into(),
        create: cas.create_if_not_exists,
    };
    done(ask(&context, Request::Command(command)).await?)
}

async fn add_node(context: Context<State>, AddNode { node }: AddNode) -> Result<Empty, Error> {
    change(&context, &node, Change::Add).await
}

async fn remove_node(context: Context<State>, request: RemoveNode) -> Result<Empty, Error> {
    change(&context, &request.node, Change::Remove).await
}

async fn transfer(context: Context<State>, Transfer { node }: Transfer) -> Result<Empty, Error> {
    change(&context, &node, Change::Lead).await
}

async fn change(
    context: &Context<State>,
    node: &str,
    change: fn(Rank) -> Change,
) -> Result<Empty, Error> {
    let Some(rank) = context.state().members().rank(node) else {
        return Err(Error::malformed(format_args!("there is no node {node}")));
    };
    match context.ask_within(PATIENCE, Request::Change(change(rank))).await? {
        Reply::Changed => Ok(Empty {}),
        Reply::Response(_) => Err(Error::crash("a request was answered as another")),
    }
}

async fn ask(context: &Context<State>, request: Request<Command, Key>) -> Result<Response, Error> {
    match context.ask_within(PATIENCE, request).await? {
        Reply::Response(response) => Ok(response),
        Reply::Changed => Err(Error::crash("a request was answered as another")),
    }
}

fn done(response: Response) -> Result<Empty, Error> {
    match response {
        Response::Done => Ok(Empty {}),
        other => Err(refusal(&other)),
    }
}

fn refusal(response: &Response) -> Error {
    match response {
        Response::Absent => Error::new(Definite::KeyDoesNotExist, "there is no such key"),
        Response::Differs(value) => {
            let text = format_args!("the key has the value {}", value.text());
            Error::new(Definite::PreconditionFailed, text)
        }
        Response::Value(_) | Response::Done => Error::crash("a request was answered as another"),
    }
}
