//! The adversarial `seq-kv`: every client is shown the oldest state that is allowed,
//! for as long as it is allowed.
//!
//! Sequential consistency asks for one order of all operations that keeps each
//! session's own order, and in which every answer is right. Nothing asks that the
//! order be known when an answer is given. Known is only what the answers so far
//! prove:
//!
//! - the operations of a session follow each other as they arrived;
//! - the versions of a key follow each other, each made by one write;
//! - what observed a version (a read, a cas that was refused, or the cas that
//!   replaced it) comes after the write of that version and before the write of
//!   the next.
//!
//! As long as these make no circle there is an order that obeys them all, and it
//! explains every answer. So the store keeps, of each session and each write, its
//! [`Past`]: the writes that have to come before it.
//!
//! - **A read** returns the newest version in the session's past: the writes of
//!   all later ones may come after the read, so that nothing newer has to be
//!   shown; that of the version after this one has to, so nothing older may be.
//!   From now on the next version is made *after* this read, and the session's
//!   past goes into the past of whatever contains it. That is how, of two who
//!   write a key each and then read the other's, one at least finds something.
//! - **A write** is put in behind the version that a read would return, perhaps
//!   long ago: the next version overwrote it, and nobody can tell. Only a cas that
//!   observed the version before it keeps it from there. So a write, however
//!   unique, makes its writer's reads no fresher.
//! - **A cas** that the version which a read would return refuses is refused. One
//!   that this version accepts is put in behind it like a write. Where another cas
//!   has done that before, it is decided on a later version, which its client knows
//!   from then on: the one half way to the newest.
//!
//! The last is the one thing that is not as bad as it could be. The very next
//! version could refuse, and a client be led through a key's whole past, one cas a
//! version; here it catches up in as many attempts as halve the distance. That is
//! all the liveness there is. Who only reads what others write may wait for ever and
//! has to be told by them, and who has been told cannot make use of it: a cas from
//! any version but that which a read returns is refused.
//!
//! Always:
//!
//! - A past contains the past of every write in it.
//! - The past of a version's write contains the write and the readers' pasts of
//!   the version before.
//! - Nothing is in the past of what is in its own past, but itself: there is no
//!   circle. (What gets a new predecessor is a version that the predecessor's
//!   session does not know.)
//!
//! The relation is that of Gharachorloo and Gibbons (*Detecting violations of
//! sequential consistency*, 1991), kept up to date rather than searched for. The
//! store forgets nothing, and a read that has something to tell takes time
//! proportional to all versions that there are.

use std::collections::BTreeMap;

use maelstrom::machine::Operation;
use rustc_hash::FxHashMap;

use super::Service;
use super::incarnation::Client;
use super::past::{Dot, Past};
use super::request::{Reply, Value};

/// A sequentially consistent key-value store that shows the past.
#[derive(Debug, Default)]
pub(super) struct AdversarialKv {
    /// Numbers of sessions.
    sessions: FxHashMap<Client, usize>,
    /// What comes before a session's next operation.
    known: Vec<Past>,
    keys: BTreeMap<String, Vec<Version>>,
}

/// A key's value, from one write to the next.
#[derive(Debug)]
struct Version {
    /// `None` for a key that does not exist yet.
    value: Option<Value>,
    /// The write that made it; none made the first.
    dot: Option<Dot>,
    /// Whether that was a cas, which observed the version before.
    is_cas: bool,
    /// What comes before that write, and the write itself.
    past: Past,
    /// What comes before those who observed this version.
    readers: Past,
}

impl Version {
    fn first() -> Vec<Self> {
        let (past, readers) = (Past::default(), Past::default());
        vec![Self { value: None, dot: None, is_cas: false, past, readers }]
    }
}

impl Service for AdversarialKv {
    fn handle(&mut self, client: Client, key: String, operation: &Operation) -> Reply {
        let session = self.session(client);
        self.keys.entry(key.clone()).or_insert_with(Version::first);
        let key = &*key;
        let mut seen = self.newest_known(session, key);
        let is_cas = matches!(operation, Operation::Cas { .. });
        let (reply, written) = loop {
            let (reply, written) = Reply::to(operation, self.value(key, seen));
            if written.is_none() || !self.is_replaced_by_cas(key, seen) {
                break (reply, written);
            }
            seen = if is_cas { self.half_way(key, seen) } else { seen + 1 };
        };
        self.learn(session, key, seen);
        match written {
            None => self.observe(session, key, seen),
            Some(value) => self.insert(session, key, seen, value, is_cas),
        }
        reply
    }
}

impl AdversarialKv {
    fn session(&mut self, client: Client) -> usize {
        let next = self.known.len();
        let session = *self.sessions.entry(client).or_insert(next);
        if session == next {
            self.known.push(Past::default());
        }
        session
    }

    fn versions(&self, key: &str) -> &[Version] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    fn value(&self, key: &str, index: usize) -> Option<&Value> {
        self.versions(key).get(index)?.value.as_ref()
    }

    /// The newest version whose write is in the session's past.
    fn newest_known(&self, session: usize, key: &str) -> usize {
        let known =
            |version: &Version| version.dot.is_none_or(|dot| self.known[session].contains(dot));
        self.versions(key).iter().rposition(known).unwrap_or(0)
    }

    fn is_replaced_by_cas(&self, key: &str, index: usize) -> bool {
        self.versions(key).get(index + 1).is_some_and(|next| next.is_cas)
    }

    /// Half way from a version to the newest, at least one further.
    fn half_way(&self, key: &str, index: usize) -> usize {
        let newest = self.versions(key).len() - 1;
        index + (newest - index).div_ceil(2)
    }

    /// A session's next operation comes after the write of a version.
    fn learn(&mut self, session: usize, key: &str, index: usize) {
        if let Some(version) = self.keys.get(key).and_then(|versions| versions.get(index)) {
            self.known[session].join(&version.past);
        }
    }

    /// A session's operation comes before the next version's write.
    fn observe(&mut self, session: usize, key: &str, index: usize) {
        let past = self.known[session].clone();
        let Some(versions) = self.keys.get_mut(key) else { return };
        versions[index].readers.join(&past);
        let next = versions.get(index + 1).filter(|next| !next.past.contains_all(&past));
        if let Some(dot) = next.and_then(|next| next.dot) {
            self.precede(&past, dot);
        }
    }

    /// Puts a session's write in behind a version, after all that observed it and
    /// before the next.
    fn insert(&mut self, session: usize, key: &str, index: usize, value: Value, is_cas: bool) {
        let Some(versions) = self.keys.get_mut(key) else { return };
        let dot = self.known[session].next(session);
        let mut past = self.known[session].clone();
        past.join(&versions[index].readers);
        past.insert(dot);
        let next = versions.get(index + 1).and_then(|next| next.dot);
        let version = Version {
            value: Some(value),
            dot: Some(dot),
            is_cas,
            past: past.clone(),
            readers: Past::default(),
        };
        versions.insert(index + 1, version);
        self.known[session].clone_from(&past);
        if let Some(next) = next {
            self.precede(&past, next);
        }
    }

    /// Lets all of a past come before a write, and so before all that has this
    /// write in its past.
    fn precede(&mut self, past: &Past, dot: Dot) {
        let pasts = self.keys.values_mut().flatten();
        let pasts = pasts.flat_map(|version| [&mut version.past, &mut version.readers]);
        for after in pasts.chain(&mut self.known) {
            if after.contains(dot) {
                after.join(past);
            }
        }
    }
}
