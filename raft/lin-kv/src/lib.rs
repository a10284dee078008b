//! A linearizable key-value store: the registers of Maelstrom's `lin-kv`.

mod arguments;
mod node;
mod tree;

use std::sync::Arc;

use maelstrom::protocol::json::{self, Fractions};
use raft::StateMachine;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::tree::Tree;

pub use arguments::{ArgumentError, HELP, parse};
pub use node::{AddNode, Cas, Read, ReadOk, RemoveNode, Transfer, Write, node};

/// Any JSON value, as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(value: Box<RawValue>) -> Self {
        Self(value.into())
    }
}

impl From<Json> for Box<RawValue> {
    fn from(Json(value): Json) -> Self {
        (*value).to_owned()
    }
}

/// The same value, however it is written.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        json::is_same(self.text(), other.text(), Fractions::Doubles)
    }
}

/// A key, in its canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<str>);

impl From<&RawValue> for Key {
    fn from(key: &RawValue) -> Self {
        Self(json::canonical(key.get(), Fractions::Doubles).into())
    }
}

/// What changes a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Sets it to a value.
    Write(Key, Json),
    /// Sets it to another value if it has this one.
    Cas {
        /// The key.
        key: Key,
        /// The value that it should have.
        from: Json,
        /// The value that it gets.
        to: Json,
        /// Whether a key without a value gets it as well.
        #[serde(default)]
        create: bool,
    },
}

/// What a request is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The key has this value.
    Value(Json),
    /// It is done.
    Done,
    /// There is no such key.
    Absent,
    /// The key has this value, which is not the one expected.
    Differs(Json),
}

/// All keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Store(Tree);

impl StateMachine for Store {
    type Command = Command;
    type Query = Key;
    type Response = Response;

    fn apply(&mut self, command: &Command) -> Response {
        let (key, value) = match command {
            Command::Write(key, value) => (key, value),
            Command::Cas { key, from, to, create } => match self.0.get(key) {
                Some(value) if value == from => (key, to),
                Some(value) => return Response::Differs(value.clone()),
                None if *create => (key, to),
                None => return Response::Absent,
            },
        };
        self.0.insert(key.clone(), value.clone());
        Response::Done
    }

    fn query(&self, key: &Key) -> Response {
        self.0.get(key).map_or(Response::Absent, |value| Response::Value(value.clone()))
    }

    fn slices(&self) -> usize {
        self.0.leaves()
    }

    fn slice(&self, number: usize) -> serde_json::Result<String> {
        self.0.leaf(number)
    }

    fn restore(before: Option<Self>, slice: &str) -> serde_json::Result<Self> {
        Tree::with_leaf(before.map(|Self(tree)| tree), slice).map(Self)
    }

    fn size(command: &Command) -> usize {
        match command {
            Command::Write(key, value) => key.0.len() + value.text().len(),
            Command::Cas { key, from, to, .. } => key.0.len() + from.text().len() + to.text().len(),
        }
    }
}
