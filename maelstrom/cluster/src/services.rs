//! The services, on etcd.
//!
//! | service | by what it keeps its promise |
//! | --- | --- |
//! | `lin-kv` | a write is etcd's; a compare-and-set reads, compares as the protocol does, and writes if the key was not written since; reads are linearizable, as etcd's are |
//! | `lin-tso` | the revision of a write, which no other has |
//! | `seq-kv` | changes as in `lin-kv`; reads are serializable, of one server's state, unless that is older than what the same node has seen |
//! | `lww-kv` | two replicas, a key each, with the revision of a write for its timestamp; requests find one of them, and the newer value goes over to the other now and then |
//!
//! What became of a request is not always known: etcd, or the way to it, may fail. Then the
//! answer is the indefinite error 13, and nothing is tried again. Definite are refusals, and that
//! a request was never sent.
//!
//! All keys of a run go with one lease, which each of its agents keeps: whoever orders the end of
//! the run ends it, and where nobody did, a day without agents does. An agent that only lost the
//! run, since it stood still or was cut off, leaves to the others what is theirs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use maelstrom::protocol::{Definite, Indefinite, LooseHeader};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use simulator::ServiceName;
use simulator::requests::{Reply, Request};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::etcd::{Entry, Etcd, Failure};

/// Time between two looks at etcd.
const LOOK: Duration = Duration::from_secs(2);
/// How long keys stay after the last look of an agent.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);
const REPLICAS: [&str; 2] = ["0", "1"];

pub(crate) struct Services {
    etcd: Etcd,
    /// What all keys begin with.
    prefix: String,
    /// The number of the lease that all keys go with.
    lease: u64,
    is_granted: OnceCell<()>,
    /// The `seq-kv` of each node.
    sessions: std::sync::Mutex<HashMap<usize, Arc<Mutex<Session>>>>,
    /// What kept somebody from etcd last, and when.
    trouble: std::sync::Mutex<Option<(Instant, String)>>,
}

/// What a node has seen of `seq-kv`. It is locked during a request, so that requests of a node
/// are handled one after the other.
#[derive(Debug, Default)]
struct Session {
    /// No older state may be shown.
    revision: u64,
    /// Whether a change may have happened that it was not told of.
    is_in_doubt: bool,
}

/// A value of a replica of `lww-kv`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Stamped {
    timestamp: u64,
    value: Box<RawValue>,
}

/// A request's operation on a key, as etcd has it.
struct Asked<'a> {
    key: String,
    operation: &'a maelstrom::machine::Operation,
}

impl Services {
    /// Services of this run, a number in base 16. Nobody else sees its keys.
    pub(crate) fn new(etcd: Etcd, run: &str) -> anyhow::Result<Self> {
        let number = u64::from_str_radix(run, 16).context("a run is called by its number")?;
        Ok(Self {
            etcd,
            prefix: format!("maelstrom/{run}/"),
            // etcd has signed ones, and draws one where it is 0.
            lease: (number & (u64::MAX >> 1)).max(1),
            is_granted: OnceCell::new(),
            sessions: Default::default(),
            trouble: Default::default(),
        })
    }

    /// Looks whether etcd is there, time and again, for as long as these services are, and keeps
    /// what is theirs.
    pub(crate) async fn watch(services: Weak<Self>) {
        while let Some(services) = services.upgrade() {
            match services.keep().await {
                Ok(true) => services.is_well(),
                Ok(false) => services.is_in_trouble("etcd has dropped what the run had there"),
                Err(failure) => services.is_in_trouble(&failure.to_string()),
            }
            drop(services);
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn keep(&self) -> Result<bool, Failure> {
        self.etcd.keep(self.lease().await?).await
    }

    /// The lease, which is there.
    async fn lease(&self) -> Result<u64, Failure> {
        let granted = self.is_granted.get_or_try_init(|| self.etcd.grant(self.lease, LEASE)).await;
        match granted {
            Ok(()) => Ok(self.lease),
            Err(Failure::Refused(why)) => Err(Failure::Refused(why)),
            // What it is for was not sent yet.
            Err(failure) => Err(Failure::NotSent(failure.to_string())),
        }
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<u64, Failure> {
        self.etcd.put(key, value, self.lease().await?).await
    }

    /// Writes a key that was last written at this revision.
    async fn replace(&self, key: &str, at: u64, value: &[u8]) -> Result<Option<u64>, Failure> {
        self.etcd.replace(key, at, value, self.lease().await?).await
    }

    /// What keeps these services from etcd, or did so a moment ago.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map(|(_, why)| why.clone())
    }

    fn is_in_trouble(&self, why: &str) {
        let trouble = Some((Instant::now(), why.to_owned()));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// What was in between was told by now.
    fn is_well(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref().is_some_and(|(since, _)| since.elapsed() >= LOOK / 2) {
            *trouble = None;
        }
    }

    /// The body with which a service answers a node; none if it does not answer.
    pub(crate) async fn handle(
        &self,
        service: ServiceName,
        node: usize,
        body: &RawValue,
    ) -> Option<Box<RawValue>> {
        let header = LooseHeader::read(body.get()).unwrap_or_default();
        if header.in_reply_to.is_some() {
            return None;
        }
        let reply = match Request::parse(body) {
            Ok(request) => self.answer(service, node, &request).await,
            Err(refusal) => Ok(refusal),
        };
        let reply = reply.unwrap_or_else(|failure| {
            let text = failure.to_string();
            self.is_in_trouble(&text);
            let code = match failure {
                Failure::NotSent(_) | Failure::Refused(_) => {
                    Definite::TemporarilyUnavailable.into()
                }
                Failure::Unknown(_) => Indefinite::Crash.into(),
            };
            Reply::Error { code, text }
        });
        Some(reply.into_body(header.msg_id))
    }

    /// Deletes all that was kept.
    pub(crate) async fn forget(&self) {
        let _ = self.etcd.revoke(self.lease).await;
    }

    async fn answer(
        &self,
        service: ServiceName,
        node: usize,
        request: &Request<'_>,
    ) -> Result<Reply, Failure> {
        if service == ServiceName::LinTso {
            return match request.kind() {
                "ts" => Ok(Reply::TsOk { ts: self.put(&self.key(service, ""), b"").await? }),
                kind => Ok(Reply::not_supported(kind, "ts")),
            };
        }
        let (key, operation) = match request.of_kv() {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refusal),
        };
        let asked = Asked { key: self.key(service, &key), operation: &operation };
        match service {
            ServiceName::SeqKv => self.sequential(node, &asked).await,
            ServiceName::LwwKv => self.last_write_wins(&key, &asked).await,
            _ => self.linearizable(&asked).await.map(|(reply, _)| reply),
        }
    }

    fn key(&self, service: ServiceName, key: &str) -> String {
        format!("{}{}/{key}", self.prefix, service.name())
    }

    /// Does it on the newest state. Returns the revision of that, too.
    async fn linearizable(&self, asked: &Asked<'_>) -> Result<(Reply, u64), Failure> {
        use maelstrom::machine::Operation::Write;
        if let Write(value) = asked.operation {
            let revision = self.put(&asked.key, value.get().as_bytes()).await?;
            return Ok((Reply::WriteOk, revision));
        }
        loop {
            let found = self.etcd.get(&asked.key, false).await?;
            let current = found.entry.as_ref().map(value).transpose()?;
            let (reply, Some(written)) = Reply::to(asked.operation, current.as_ref()) else {
                return Ok((Reply::to(asked.operation, current.as_ref()).0, found.revision));
            };
            let before = found.entry.map_or(0, |entry| entry.revision);
            let written = written.get().as_bytes();
            // A key that is another by now was not changed by this.
            if let Some(revision) = self.replace(&asked.key, before, written).await? {
                return Ok((reply, revision));
            }
        }
    }

    async fn sequential(&self, node: usize, asked: &Asked<'_>) -> Result<Reply, Failure> {
        let session = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.entry(node).or_default().clone()
        };
        let mut session = session.lock().await;
        let is_read = matches!(asked.operation, maelstrom::machine::Operation::Read);
        if is_read && !session.is_in_doubt {
            let found = self.etcd.get(&asked.key, true).await?;
            if found.revision >= session.revision {
                session.revision = found.revision;
                let current = found.entry.as_ref().map(value).transpose()?;
                return Ok(Reply::to(asked.operation, current.as_ref()).0);
            }
        }
        let done = self.linearizable(asked).await;
        match &done {
            Ok((_, revision)) => {
                session.revision = session.revision.max(*revision);
                session.is_in_doubt = false;
            }
            Err(Failure::Unknown(_)) => session.is_in_doubt |= !is_read,
            Err(Failure::NotSent(_) | Failure::Refused(_)) => {}
        }
        done.map(|(reply, _)| reply)
    }

    async fn last_write_wins(&self, key: &str, asked: &Asked<'_>) -> Result<Reply, Failure> {
        use maelstrom::machine::Operation::{Cas, Read};
        self.gossip(key).await?;
        let replica = self.replica(draw(), key);
        loop {
            let (before, current) = self.stamped(&replica).await?;
            let value = current.as_ref().map(|stamped| &stamped.value);
            let (reply, written) = match (asked.operation, value) {
                // As in the original, nothing is created by this.
                (Cas { .. }, None) => Reply::to(&Read, None),
                (operation, value) => Reply::to(operation, value),
            };
            let Some(written) = written else { return Ok(reply) };
            // Newer than all that were seen, and than what was written meanwhile.
            let now = self.put(&self.key(ServiceName::LwwKv, "clock"), b"").await?;
            let stamped = Stamped { timestamp: now, value: written };
            if self.replace(&replica, before, &json(&stamped)).await?.is_some() {
                return Ok(reply);
            }
        }
    }

    /// Has a random replica learn from a random replica, perhaps itself.
    async fn gossip(&self, key: &str) -> Result<(), Failure> {
        let (from, to) = (draw(), draw());
        if from == to {
            return Ok(());
        }
        let to = self.replica(to, key);
        let (_, theirs) = self.stamped(&self.replica(from, key)).await?;
        let (before, ours) = self.stamped(&to).await?;
        let Some(theirs) = theirs else { return Ok(()) };
        if ours.is_none_or(|ours| theirs.timestamp > ours.timestamp) {
            // If it was written meanwhile, there will be another time.
            self.replace(&to, before, &json(&theirs)).await?;
        }
        Ok(())
    }

    fn replica(&self, number: usize, key: &str) -> String {
        self.key(ServiceName::LwwKv, &format!("{}/{key}", REPLICAS[number]))
    }

    /// What a replica has, and the revision that wrote it.
    async fn stamped(&self, replica: &str) -> Result<(u64, Option<Stamped>), Failure> {
        match self.etcd.get(replica, false).await?.entry {
            None => Ok((0, None)),
            Some(entry) => Ok((entry.revision, Some(parse(&entry.value)?))),
        }
    }
}

fn draw() -> usize {
    rand::rng().random_range(0..REPLICAS.len())
}

fn value(entry: &Entry) -> Result<Box<RawValue>, Failure> {
    parse(&entry.value)
}

fn parse<T: for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|error| Failure::Unknown(error.to_string()))
}

fn json(stamped: &Stamped) -> Vec<u8> {
    serde_json::to_vec(stamped).unwrap_or_else(|_| unreachable!("it is JSON"))
}

#[cfg(test)]
mod tests;
