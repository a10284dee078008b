//! Types of messages, and names of those who send them.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A message that wants no answer. [`message_types!`](crate::message_types!) defines such types:
///
/// ```
/// maelstrom::message_types! { "gossip": struct Gossip { values: Vec<u64> }; }
/// # fn main() {}
/// ```
pub trait Message {
    /// The `type` of the body. The type's own fields stand beside it, so none
    /// of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
}

/// A message that is answered: by a reply of type `<TYPE>_ok`, or by an error.
/// [`message_types!`](crate::message_types!) defines such types:
///
/// ```
/// use maelstrom::Empty;
///
/// // Answered {"type":"add_ok","in_reply_to":…}
/// maelstrom::message_types! { "add": struct Add { delta: u64 } -> Empty; }
/// # fn main() {}
/// ```
pub trait Request {
    /// The `type` of the request's body; its own fields stand beside it, so
    /// none of them may be called `type`, `msg_id` or `in_reply_to`.
    const TYPE: &'static str;
    /// The fields of the reply's body: a struct or map, or [`Empty`].
    type Reply;
}

/// A body without fields of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The name of a node, a client or a service; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for NodeId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for NodeId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for NodeId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl PartialEq<str> for NodeId {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for NodeId {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The `init` request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Init {
    pub(crate) node_id: NodeId,
    pub(crate) node_ids: Vec<NodeId>,
}
