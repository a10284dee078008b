//! Histories of a kafka service that does everything right, of any length.
//!
//! A send takes effect, and a poll looks, at a moment between invocation and
//! completion. Offsets have gaps, polls end early and may be stale, some requests
//! time out (done or not), some sends are refused, and clients crash. At the end
//! every client polls everything from the beginning, as the workload does.

pub(crate) mod oracle;

use std::collections::BTreeMap;
use std::fmt::Write;

use checkers::history::{Op, OpType, Process};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::value::RawValue;

/// How large a history is to be.
pub(crate) struct Size {
    /// Operations before the final polls.
    pub(crate) ops: u64,
    pub(crate) keys: usize,
    pub(crate) clients: usize,
    /// Most messages of a key in one poll.
    pub(crate) batch: usize,
}

/// Hands the operations of a history to `sink`, one by one.
pub(crate) fn generate(seed: u64, size: &Size, sink: impl FnMut(Op)) {
    let mut world = World {
        rng: StdRng::seed_from_u64(seed),
        logs: vec![Vec::new(); size.keys],
        sent: vec![0; size.keys],
        committed: vec![0; size.keys],
        clients: (0..size.clients as u64).map(Client::new).collect(),
        size,
        index: 0,
        time: 0,
        sink,
    };
    world.run();
}

struct World<'a, S> {
    rng: StdRng,
    /// By key, offsets and messages.
    logs: Vec<Vec<(i64, u64)>>,
    /// By key, the last message made.
    sent: Vec<u64>,
    /// By key, how many messages somebody has polled and committed.
    committed: Vec<usize>,
    clients: Vec<Client>,
    size: &'a Size,
    index: u64,
    time: u64,
    sink: S,
}

struct Client {
    process: u64,
    /// By key, how many messages it has polled.
    positions: BTreeMap<usize, usize>,
    doing: Option<Doing>,
}

enum Doing {
    Send { key: usize, message: u64, done: Option<i64> },
    Poll { seen: BTreeMap<usize, usize> },
}

impl Client {
    fn new(process: u64) -> Self {
        Client { process, positions: BTreeMap::new(), doing: None }
    }
}

impl<S: FnMut(Op)> World<'_, S> {
    fn run(&mut self) {
        let mut begun = 0;
        while begun < self.size.ops {
            let client = self.rng.random_range(0..self.size.clients);
            if self.clients[client].doing.is_some() {
                self.end(client);
            } else {
                self.begin(client);
                begun += 1;
            }
        }
        for client in 0..self.size.clients {
            self.end(client);
            self.poll_everything(client);
        }
    }

    fn begin(&mut self, client: usize) {
        match self.rng.random_range(0..100) {
            0 => self.crash(client),
            1..4 => {
                let keys: Vec<usize> =
                    (0..self.size.keys).filter(|_| self.rng.random_bool(0.5)).collect();
                self.assign(client, &keys, &self.committed.clone());
            }
            4..52 => self.begin_send(client),
            _ => {
                self.emit(client, OpType::Invoke, "poll", r#"[["poll"]]"#);
                let seen = self.look(client);
                self.clients[client].doing = Some(Doing::Poll { seen });
            }
        }
    }

    fn begin_send(&mut self, client: usize) {
        let key = self.rng.random_range(0..self.size.keys);
        self.sent[key] += 1;
        let message = self.sent[key];
        self.emit(client, OpType::Invoke, "send", &format!(r#"[["send","{key}",{message}]]"#));
        let done = self.rng.random_bool(0.5).then(|| self.append(key, message));
        self.clients[client].doing = Some(Doing::Send { key, message, done });
    }

    fn append(&mut self, key: usize, message: u64) -> i64 {
        let gap = if self.rng.random_bool(0.1) { 3 } else { 1 };
        let offset = self.logs[key].last().map_or(0, |(offset, _)| offset + gap);
        self.logs[key].push((offset, message));
        offset
    }

    /// How long the client's logs are, or were a while ago.
    fn look(&mut self, client: usize) -> BTreeMap<usize, usize> {
        let positions = self.clients[client].positions.clone();
        let stale =
            |rng: &mut StdRng| if rng.random_bool(0.3) { rng.random_range(0..4) } else { 0 };
        positions
            .into_iter()
            .map(|(key, from)| {
                let all = self.logs[key].len().saturating_sub(stale(&mut self.rng));
                (key, all.clamp(from, from + self.size.batch).min(self.logs[key].len()))
            })
            .collect()
    }

    fn end(&mut self, client: usize) {
        match self.clients[client].doing.take() {
            None => {}
            Some(Doing::Send { key, message, done }) => self.end_send(client, key, message, done),
            Some(Doing::Poll { .. }) if self.rng.random_bool(0.01) => {
                self.emit(client, OpType::Fail, "poll", r#"[["poll"]]"#);
            }
            Some(Doing::Poll { seen }) => self.end_poll(client, &seen),
        }
    }

    fn end_send(&mut self, client: usize, key: usize, message: u64, done: Option<i64>) {
        let luck = self.rng.random_range(0..100);
        let plain = format!(r#"[["send","{key}",{message}]]"#);
        if luck == 0 {
            self.emit(client, OpType::Info, "send", &plain);
            self.restart(client);
        } else if luck == 1 && done.is_none() {
            self.emit(client, OpType::Fail, "send", &plain);
        } else {
            let offset = done.unwrap_or_else(|| self.append(key, message));
            let acknowledged = format!(r#"[["send","{key}",[{offset},{message}]]]"#);
            self.emit(client, OpType::Ok, "send", &acknowledged);
        }
    }

    fn end_poll(&mut self, client: usize, seen: &BTreeMap<usize, usize>) {
        let mut value = String::from(r#"[["poll",{"#);
        let mut separator = "";
        for (key, to) in seen {
            let position = self.clients[client].positions.get_mut(key).unwrap();
            let from = std::mem::replace(position, *to);
            self.committed[*key] = self.committed[*key].max(*to);
            if from < *to {
                write!(value, r#"{separator}"{key}":"#).unwrap();
                value += &serde_json::to_string(&self.logs[*key][from..*to]).unwrap();
                separator = ",";
            }
        }
        value += "}]]";
        self.emit(client, OpType::Ok, "poll", &value);
    }

    /// Keys that the client has already go on where they are.
    fn assign(&mut self, client: usize, keys: &[usize], from: &[usize]) {
        let names: Vec<String> = keys.iter().map(usize::to_string).collect();
        let value = serde_json::to_string(&names).unwrap();
        self.emit(client, OpType::Invoke, "assign", &value);
        self.emit(client, OpType::Ok, "assign", &value);
        let positions = std::mem::take(&mut self.clients[client].positions);
        self.clients[client].positions = keys
            .iter()
            .map(|key| (*key, positions.get(key).copied().unwrap_or(from[*key])))
            .collect();
    }

    fn crash(&mut self, client: usize) {
        self.emit(client, OpType::Invoke, "crash", "null");
        self.emit(client, OpType::Info, "crash", "null");
        self.restart(client);
    }

    fn restart(&mut self, client: usize) {
        let process = self.clients[client].process + self.size.clients as u64;
        self.clients[client] = Client::new(process);
    }

    fn poll_everything(&mut self, client: usize) {
        self.crash(client);
        let keys: Vec<usize> = (0..self.size.keys).collect();
        self.assign(client, &keys, &vec![0; self.size.keys]);
        while keys.iter().any(|key| self.clients[client].positions[key] < self.logs[*key].len()) {
            self.emit(client, OpType::Invoke, "poll", r#"[["poll"]]"#);
            let seen = self.look(client);
            self.end_poll(client, &seen);
        }
    }

    fn emit(&mut self, client: usize, kind: OpType, f: &'static str, value: &str) {
        self.time += self.rng.random_range(1..2_000_000);
        let process = Process::Client(self.clients[client].process);
        let value = RawValue::from_string(value.to_owned()).unwrap();
        (self.sink)(Op { index: self.index, time: self.time, ..Op::new(process, kind, f, value) });
        self.index += 1;
    }
}
