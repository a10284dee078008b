//! The macro that defines message types, a line each.

/// Defines the types of messages: struct, JSON form and [`Request`](crate::Request) or
/// [`Message`](crate::Message) in one line each.
///
/// A line has the `type` on the wire, the struct, and behind the arrow the reply's
/// fields, or the name of a type that has them. A message that wants no answer has
/// no arrow.
///
/// ```
/// use maelstrom::{Context, Empty, Error, Node};
/// use std::sync::Mutex;
///
/// maelstrom::message_types! {
///     "broadcast": struct Broadcast { message: u64 } -> Empty;
///     "read": struct Read {} -> struct Values { messages: Vec<u64> };
///     "gossip": struct Gossip { message: u64 };
/// }
///
/// async fn broadcast(context: Context<Mutex<Vec<u64>>>, request: Broadcast) -> Result<Empty, Error> {
///     let Broadcast { message } = request;
///     context.state().lock().unwrap().push(message);
///     context.peers().for_each(|peer| context.send(peer, &Gossip { message }));
///     Ok(Empty {})
/// }
///
/// async fn read(context: Context<Mutex<Vec<u64>>>, _: Read) -> Result<Values, Error> {
///     Ok(Values { messages: context.state().lock().unwrap().clone() })
/// }
///
/// async fn gossip(context: Context<Mutex<Vec<u64>>>, Gossip { message }: Gossip) {
///     context.state().lock().unwrap().push(message);
/// }
///
/// # fn main() {
/// let node = Node::new(|_| Mutex::default()).handle(broadcast).handle(read).receive_from_nodes(gossip);
/// # drop(node);
/// # }
/// ```
///
/// Visibility, documentation and attributes are written as on any struct, serde's on
/// fields included; `Clone`, `Debug`, `Serialize` and `Deserialize` are derived. What the macro
/// adds is no more than this, which is also the way to write a type that has generic
/// parameters, or a JSON form of its own:
///
/// ```
/// # use maelstrom::{Empty, Request};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// struct Broadcast {
///     message: u64,
/// }
///
/// impl Request for Broadcast {
///     const TYPE: &'static str = "broadcast";
///     type Reply = Empty;
/// }
/// ```
#[macro_export]
macro_rules! message_types {
    () => {};
    (
        $(#[$attribute:meta])* $kind:literal:
        $vis:vis struct $name:ident { $($fields:tt)* }
        -> $(#[$reply_attribute:meta])*
        $reply_vis:vis struct $reply:ident { $($reply_fields:tt)* };
        $($rest:tt)*
    ) => {
        $crate::message_types! {
            $(#[$attribute])* $kind: $vis struct $name { $($fields)* } -> $reply;
        }
        $crate::message_types! {
            @body [
                #[doc = concat!("The fields of `", $kind, "_ok`.")]
                $(#[$reply_attribute])*
            ]
            $reply_vis struct $reply { $($reply_fields)* }
        }
        $crate::message_types! { $($rest)* }
    };
    (
        $(#[$attribute:meta])* $kind:literal:
        $vis:vis struct $name:ident { $($fields:tt)* } -> $reply:ty;
        $($rest:tt)*
    ) => {
        $crate::message_types! {
            @body [#[doc = concat!("The request `", $kind, "`.")] $(#[$attribute])*]
            $vis struct $name { $($fields)* }
        }
        impl $crate::Request for $name {
            const TYPE: &'static str = $kind;
            type Reply = $reply;
        }
        $crate::message_types! { $($rest)* }
    };
    (
        $(#[$attribute:meta])* $kind:literal:
        $vis:vis struct $name:ident { $($fields:tt)* };
        $($rest:tt)*
    ) => {
        $crate::message_types! {
            @body [#[doc = concat!("The message `", $kind, "`.")] $(#[$attribute])*]
            $vis struct $name { $($fields)* }
        }
        impl $crate::Message for $name {
            const TYPE: &'static str = $kind;
        }
        $crate::message_types! { $($rest)* }
    };
    (@body [$($attributes:tt)*] $vis:vis struct $name:ident { $($fields:tt)* }) => {
        $($attributes)*
        #[derive(Clone, Debug, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "maelstrom::serde")]
        $vis struct $name { $($fields)* }
    };
}
