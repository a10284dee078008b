//! Clients' connections: one request at a time, its reply or its timeout.
//!
//! A connection is a client id. It receives only while it waits: what comes
//! between (late replies) lies in its inbox until it waits again. What is sent to
//! a connection that was closed is not counted and does no harm.

use std::collections::BTreeMap;
use std::time::Duration;

use maelstrom::protocol::LooseHeader;
use maelstrom::protocol::json::type_of;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use super::fault::shorten;
use super::quirks::{Quirk, Quirks};
use crate::net::{Address, Message, Network};
use crate::queue::Queue;
use crate::request::Request;

/// The network, with the clients at its rim.
pub(super) struct Wire {
    pub(super) net: Network,
    next_client: u64,
    open: FxHashMap<u64, Owner>,
    /// When to look at which connection. At most one entry for each: a deadline
    /// that moved on since is found out by looking.
    alarms: Queue<u64>,
    /// What was odd about what came over it.
    pub(super) quirks: Quirks,
    /// Requests of operations that were given up and not answered since, by connection and
    /// `msg_id`: the operation's function, and when it was given up.
    overdue: FxHashMap<(u64, u64), (&'static str, Duration)>,
    /// Answers to such, by function.
    pub(super) late: BTreeMap<&'static str, Late>,
}

/// Answers that came after their operations had been given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many there were.
    pub count: u64,
    /// How late the latest was.
    pub most: Duration,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The bench's own, to initialise this node or to set it up.
    Node(usize),
    /// The client process on this thread.
    Thread(usize),
    /// Whoever made the request of this number from outside.
    Script(u64),
    /// The intruder, who waits for nothing.
    Intruder,
    /// Who asks for changes of the members, and waits for nothing.
    Operator,
}

/// Whether there is or was a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Open(Owner),
    Closed,
    Never,
}

#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    last_msg_id: u64,
    awaited: Option<Awaited>,
    has_alarm: bool,
    inbox: Vec<Message>,
    /// The last message that answers nothing that was ever asked.
    stray: Option<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    msg_id: u64,
    deadline: Duration,
}

impl Connection {
    /// Whose name its messages bear.
    pub(super) fn address(&self) -> Address {
        Address::Client(self.id)
    }
}

impl Wire {
    pub(super) fn new(net: Network) -> Self {
        Self {
            net,
            next_client: 0,
            open: FxHashMap::default(),
            alarms: Queue::default(),
            quirks: Quirks::default(),
            overdue: FxHashMap::default(),
            late: BTreeMap::new(),
        }
    }

    pub(super) fn open(&mut self, owner: Owner) -> Connection {
        let id = self.next_client;
        self.next_client += 1;
        self.open.insert(id, owner);
        Connection {
            id,
            last_msg_id: 0,
            awaited: None,
            has_alarm: false,
            inbox: Vec::new(),
            stray: None,
        }
    }

    /// Closes a connection; what lies in its inbox was never received.
    #[expect(clippy::needless_pass_by_value, reason = "a closed connection is of no more use")]
    pub(super) fn close(&mut self, connection: Connection) {
        self.open.remove(&connection.id);
    }

    /// Whose connection has this id.
    pub(super) fn presence(&self, id: u64) -> Presence {
        match self.open.get(&id) {
            Some(&owner) => Presence::Open(owner),
            None if id < self.next_client => Presence::Closed,
            None => Presence::Never,
        }
    }

    /// Sends a request over a connection that waits for nothing, perhaps for the operation
    /// with this index.
    pub(super) fn request(
        &mut self,
        connection: &mut Connection,
        node: usize,
        request: &Request,
        op: Option<u64>,
        timeout: Duration,
        now: Duration,
    ) {
        connection.last_msg_id += 1;
        let msg_id = connection.last_msg_id;
        let (src, dest) = (Address::Client(connection.id), Address::Node(node));
        let message = self.net.register_request(src, dest, request.body(msg_id), op, now);
        self.net.post(message, now);
        for late in connection.inbox.drain(..) {
            self.net.received(&late, now);
        }
        connection.awaited = Some(Awaited { msg_id, deadline: now + timeout });
        if !connection.has_alarm {
            connection.has_alarm = true;
            self.alarms.push(now + timeout, connection.id, connection.id);
        }
    }

    /// Hands a message to a connection. Returns it if it is the awaited reply.
    pub(super) fn hand_over(
        &mut self,
        connection: &mut Connection,
        message: Message,
        now: Duration,
    ) -> Option<Message> {
        let Some(awaited) = connection.awaited else {
            connection.inbox.push(message);
            return None;
        };
        self.net.received(&message, now);
        let answers = answered(&message.body);
        if !answers.is_some_and(|id| (1..=awaited.msg_id).contains(&id)) {
            self.quirks.note(Quirk::UnmatchedReply, || {
                let Message { src, dest, body, .. } = &message;
                format!("by {src} to {dest}: `{}`", shorten(body.get()))
            });
            connection.stray = Some(message);
            return None;
        }
        if answers != Some(awaited.msg_id) {
            return None;
        }
        connection.awaited = None;
        Some(message)
    }

    /// Notes that the operation whose request was the last on a connection was given up.
    pub(super) fn give_up(&mut self, connection: &Connection, f: &'static str, now: Duration) {
        self.overdue.insert((connection.id, connection.last_msg_id), (f, now));
    }

    /// Looks whether a message to a client answers an operation that was given up.
    pub(super) fn look_for_late(&mut self, client: u64, body: &RawValue, now: Duration) {
        if self.overdue.is_empty() {
            return;
        }
        let overdue = answered(body).and_then(|msg_id| self.overdue.remove(&(client, msg_id)));
        if let Some((f, since)) = overdue {
            let late = self.late.entry(f).or_default();
            late.count += 1;
            late.most = late.most.max(now.saturating_sub(since));
        }
    }

    /// What came instead of the reply to its only request, in words.
    pub(super) fn instead(connection: &Connection) -> Option<String> {
        let Message { src, body, .. } = connection.stray.as_ref()?;
        let mismatch = mismatch(body.get(), &connection.last_msg_id.to_string());
        Some(format!(". {src} sent `{}`, {mismatch}", shorten(body.get())))
    }

    /// When a connection has to be looked at next.
    pub(super) fn next_alarm(&self) -> Option<Duration> {
        self.alarms.next()
    }

    /// Whose connection is to be looked at by `now`. A closed one's alarm is
    /// dropped.
    pub(super) fn pop_alarm(&mut self, now: Duration) -> Option<Owner> {
        while self.next_alarm()? <= now {
            let (_, id) = self.alarms.pop()?;
            if let Some(&owner) = self.open.get(&id) {
                return Some(owner);
            }
        }
        None
    }

    /// Looks at a connection: whether it waited too long. If so, it waits no
    /// more.
    pub(super) fn timed_out(&mut self, connection: &mut Connection, now: Duration) -> bool {
        connection.has_alarm = false;
        match connection.awaited {
            Some(awaited) if awaited.deadline <= now => {
                connection.awaited = None;
                true
            }
            Some(awaited) => {
                connection.has_alarm = true;
                self.alarms.push(awaited.deadline, connection.id, connection.id);
                false
            }
            None => false,
        }
    }
}

/// The request that a body answers.
fn answered(body: &RawValue) -> Option<u64> {
    let header = LooseHeader::read(body.get()).ok()?;
    header.in_reply_to?.get().parse().ok()
}

/// Why a body is not the reply to the request with this `msg_id`.
fn mismatch(body: &str, msg_id: &str) -> String {
    let header = LooseHeader::read(body).unwrap_or_default();
    match header.in_reply_to.map(RawValue::get) {
        None => format!("without the `in_reply_to` {msg_id}, which is the request's `msg_id`"),
        Some(id) if type_of(id) == "an integer" => {
            format!("whose `in_reply_to` is not {msg_id}, the request's `msg_id`")
        }
        Some(id) => format!(
            "whose `in_reply_to` is {} instead of the integer {msg_id}, the request's `msg_id`",
            type_of(id)
        ),
    }
}
