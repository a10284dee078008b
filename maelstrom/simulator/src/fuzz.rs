//! Noise between valid requests: a node has to survive any of it and go on
//! answering.
//!
//! Rounds of random lines (raw bytes, JSON that is no message, messages with a
//! piece cut out, doubled or flipped, numbers beyond 64 bits, nesting, right messages
//! with other values or without a field) are fed to a node in this process, each round
//! ending with a valid request. The reply has to come, once, before the next round;
//! between rounds virtual time goes on, so that the node's timers run too. Services
//! answer at once, at times after somebody else did in their place; there are no other
//! nodes. The seed decides everything.
//!
//! The messages are of every type that the node takes, as it was told them by clients,
//! services and other nodes in a test under faults; here they come from clients,
//! services and strangers, and with even seeds from other nodes, too. Nodes that lie may
//! bring a node to refuse for want of data that fit together (error 11), but to nothing
//! else. Whether clients can plant or destroy anything is a question to a cluster: see
//! [`Simulation::intruder`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use checkers::history::Op;
use maelstrom::Panics;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::alter;
use crate::host::task::{Ready, Task};
use crate::host::{Observer, Program};
use crate::nemesis::Fault;
use crate::net::{Address, Line, Message, Traffic, TrafficEvent};
use crate::service::Services;
use crate::settings::{SeqKv, Settings, Workload};
use crate::simulation::Simulation;
use crate::swarm::draw::fewest_clients_a_node;

/// What is fed to a node.
#[derive(Clone, Debug)]
pub struct Fuzz {
    /// Decides the noise.
    pub seed: u64,
    /// The request that ends each round, without `msg_id`: one that always succeeds.
    pub request: String,
    /// Bodies of messages that the node knows, without `msg_id`: noise is made of
    /// them.
    pub bodies: Vec<String>,
    /// How many nodes the cluster has, as the node is told: three mostly, one where it
    /// answers nothing without a majority.
    pub nodes: usize,
}

/// A request that was not answered as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The round, counting from 0.
    pub round: u64,
    /// What is wrong.
    pub problem: String,
    /// The noise of that round.
    pub noise: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round, problem, noise } = self;
        write!(f, "round {round}: {problem}; after this noise:\n{noise}")
    }
}

impl std::error::Error for Failure {}

/// The numbers of valid requests begin here, far from those in the noise.
const FIRST_ID: u64 = 1 << 40;
/// How many bytes of noise a line may have, mostly.
const LINE: usize = 200;
/// How many nodes there are, or seem to be.
const NODES: usize = 3;
/// How many different messages of a type are recorded.
const RECORDED: usize = 32;
/// How many values of a right message change at most.
const CHANGES: usize = 3;
/// Who may have sent a line: a client, services, nobody who takes part; and nodes.
const SENDERS: [&str; 9] = ["c1", "n3", "x", "", "lin-kv", "seq-kv", "n0", "n1", "n2"];
/// So many of them are never asked for anything.
const UNASKED: usize = 4;
/// So many of them are no nodes.
const OTHERS: usize = 6;

impl Fuzz {
    /// Noise made of every type of message that the node takes, as far as it is told
    /// them under this workload.
    ///
    /// # Panics
    ///
    /// When the node does not bear that test.
    pub fn recorded(program: &Program, workload: Workload, request: &str, seed: u64) -> Self {
        let mut recording = Recording::default();
        let faults = [Fault::Kill, Fault::Partition, Fault::Loss];
        let simulation = Simulation::with(Settings::new(workload), program.clone())
            .nodes(NODES)
            .clients(NODES * fewest_clients_a_node(workload))
            .rate(50.0)
            .seconds(8)
            .latency(10)
            .nemesis(&faults, 1.0)
            .seed(seed);
        if let Err(error) = simulation.run_observed(&mut recording).ended {
            panic!("no messages could be recorded: {error}");
        }
        recording.add(request);
        for (kind, _) in program.message_types() {
            let bare = || vec![format!(r#"{{"type":"{kind}"}}"#)];
            recording.bodies.entry(kind.to_owned()).or_insert_with(bare);
        }
        let bodies = recording.bodies.into_values().flatten().collect();
        Self { seed, request: request.to_owned(), bodies, nodes: NODES }
    }

    /// Whether other nodes make noise, too.
    fn has_lying_nodes(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    /// Feeds a node so many rounds; `more` is asked before each whether to go on.
    ///
    /// # Errors
    ///
    /// The first request that was not answered exactly once, or the node's end.
    ///
    /// # Panics
    ///
    /// When there are no `bodies`, or no Tokio runtime can be had.
    pub fn run(
        &self,
        program: &Program,
        mut more: impl FnMut(u64) -> bool,
    ) -> Result<(), Box<Failure>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing of the system");
        runtime.block_on(async {
            let mut feeder = Feeder::start(program, self);
            let mut round = 0;
            while more(round) {
                feeder.round(round)?;
                tokio::time::advance(Duration::from_millis(feeder.rng.random_range(0..50))).await;
                round += 1;
            }
            Ok(())
        })
    }
}

#[derive(Default)]
struct Recording {
    bodies: BTreeMap<String, Vec<String>>,
}

impl Recording {
    fn add(&mut self, body: &str) {
        let Some(mut body) = alter::parse(body) else { return };
        body.remove("msg_id");
        let kind = body.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let bodies = self.bodies.entry(kind).or_default();
        let body = alter::text(body);
        if bodies.len() < RECORDED && !bodies.contains(&body) {
            bodies.push(body);
        }
    }
}

impl Observer for Recording {
    fn op(&mut self, _: &Op) {}

    fn traffic(&mut self, Traffic { event, message, .. }: &Traffic) {
        if *event == TrafficEvent::Recv && matches!(message.dest, Address::Node(_)) {
            self.add(message.body.get());
        }
    }
}

struct Feeder<'a> {
    fuzz: &'a Fuzz,
    rng: StdRng,
    task: Task,
    ready: Arc<Ready>,
    services: Services,
    printed: Vec<u8>,
}

impl<'a> Feeder<'a> {
    fn start(program: &Program, fuzz: &'a Fuzz) -> Self {
        let mut rng = StdRng::seed_from_u64(fuzz.seed);
        let ready = Arc::default();
        let seed = rng.random();
        let host = maelstrom::Host { seed, directory: None, disk: None, panics: Panics::default() };
        let mut task = Task::start(program, 0, host, &ready);
        let nodes: Vec<String> = (0..fuzz.nodes).map(|node| format!("n{node}")).collect();
        let init = json!({"type": "init", "msg_id": 0, "node_id": "n0", "node_ids": nodes});
        task.write(|input| envelope(input, "c0", &init.to_string()));
        let services = Services::new(&mut rng, SeqKv::Real);
        Self { fuzz, rng, task, ready, services, printed: Vec::new() }
    }

    fn round(&mut self, round: u64) -> Result<(), Box<Failure>> {
        let mut noise = Vec::new();
        for _ in 0..self.rng.random_range(0..4) {
            self.noise(&mut noise);
            noise.push(b'\n');
        }
        let id = FIRST_ID + round;
        let request = with_id(&self.fuzz.request, id);
        self.task.write(|input| {
            input.extend_from_slice(&noise);
            envelope(input, "c1", &request);
        });
        self.poll_until_idle().and_then(|()| self.check(id)).map_err(|problem| {
            Box::new(Failure {
                round,
                problem,
                noise: String::from_utf8_lossy(&noise).into_owned(),
            })
        })
    }

    /// Polls the node until it has nothing to do at this instant.
    fn poll_until_idle(&mut self) -> Result<(), String> {
        self.printed.clear();
        let mut printed = Vec::new();
        while self.ready.next(Waker::noop()).is_some() {
            let ended = self.task.poll(&mut printed);
            self.serve(&printed);
            self.printed.append(&mut printed);
            if let Some(panic) = self.task.panics().first() {
                return Err(panic.to_string());
            }
            ended.map_err(|ended| format!("the node ended with {}", ended.0))?;
        }
        Ok(())
    }

    /// Has services answer what the node asked them.
    fn serve(&mut self, printed: &[u8]) {
        for line in String::from_utf8_lossy(printed).lines() {
            let Ok(Line { dest, body, .. }) = Line::parse(line) else { continue };
            let Some(dest @ Address::Service(name)) = Address::parse(&dest) else { continue };
            let message = Message { id: 0, src: Address::Node(0), dest, body: body.to_owned() };
            if let Some(body) = self.services.handle(name, &message) {
                self.forge(body.get());
                self.task.write(|input| envelope(input, name.name(), body.get()));
            }
        }
    }

    /// Somebody who was not asked answers first, now and then.
    fn forge(&mut self, reply: &str) {
        let Some(mut body) = alter::parse(reply).filter(|_| self.rng.random_ratio(1, 4)) else {
            return;
        };
        alter::alter(&mut body, CHANGES, &mut self.rng);
        let liar = SENDERS[..UNASKED].choose(&mut self.rng).copied().unwrap_or("x");
        self.task.write(|input| envelope(input, liar, &alter::text(body)));
    }

    /// Whether the request was answered, once, and not with an error.
    fn check(&self, id: u64) -> Result<(), String> {
        let number = format!("\"in_reply_to\":{id}");
        let printed = String::from_utf8_lossy(&self.printed);
        let mut replies = printed.lines().filter(|line| {
            let after = line.split_once(number.as_str()).map(|(_, after)| after);
            after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
        });
        match (replies.next(), replies.next()) {
            (Some(reply), None) if !reply.contains(r#""type":"error""#) => Ok(()),
            (Some(reply), None)
                if self.fuzz.has_lying_nodes() && reply.contains(r#""code":11,"#) =>
            {
                Ok(())
            }
            (Some(reply), None) => Err(format!("a valid request was refused: {reply}")),
            (Some(_), Some(_)) => Err("a valid request was answered twice".to_owned()),
            (None, _) => Err("a valid request was not answered".to_owned()),
        }
    }

    /// A line of noise, which may hold line breaks.
    fn noise(&mut self, line: &mut Vec<u8>) {
        match self.rng.random_range(0..9) {
            0 => self.bytes(line),
            1 => self.json(line, 0),
            2 => self.nested(line),
            3..6 => self.altered(line),
            _ => self.mutated(line),
        }
    }

    fn bytes(&mut self, line: &mut Vec<u8>) {
        let start = line.len();
        line.resize(start + self.rng.random_range(0..LINE), 0);
        self.rng.fill_bytes(&mut line[start..]);
    }

    fn json(&mut self, line: &mut Vec<u8>, depth: u32) {
        const SCALARS: [&str; 10] = [
            "null",
            "true",
            "-0.0",
            "1e999",
            "123456789012345678901234567890",
            "-1",
            "\"\"",
            "\"\\ud800\"",
            "\"msg_id\"",
            "9007199254740993",
        ];
        match self.rng.random_range(0..if depth < 4 { 4 } else { 2 }) {
            0 | 1 => {
                let scalar = SCALARS.choose(&mut self.rng).copied().unwrap_or_default();
                line.extend_from_slice(scalar.as_bytes());
            }
            2 => {
                line.push(b'[');
                for index in 0..self.rng.random_range(0..4) {
                    line.extend_from_slice(if index == 0 { b"" } else { b"," });
                    self.json(line, depth + 1);
                }
                line.push(b']');
            }
            _ => {
                const KEYS: [&str; 8] =
                    ["src", "dest", "body", "type", "msg_id", "in_reply_to", "id", "message"];
                line.push(b'{');
                for index in 0..self.rng.random_range(0..5) {
                    line.extend_from_slice(if index == 0 { b"" } else { b"," });
                    let key = KEYS.choose(&mut self.rng).copied().unwrap_or_default();
                    line.extend_from_slice(format!("\"{key}\":").as_bytes());
                    self.json(line, depth + 1);
                }
                line.push(b'}');
            }
        }
    }

    /// Deep nesting, inside a message as often as not.
    fn nested(&mut self, line: &mut Vec<u8>) {
        let depth = self.rng.random_range(1..3000);
        let (open, close) = if self.rng.random() { ("[", "]") } else { ("{\"a\":", "}") };
        let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        if self.rng.random() {
            let body = format!(r#"{{"type":"{nested}","msg_id":{depth},"message":{nested}}}"#);
            envelope(line, self.sender(), &body);
        } else {
            line.extend_from_slice(nested.as_bytes());
        }
    }

    /// A message that the node knows, with other values, or without a field.
    fn altered(&mut self, line: &mut Vec<u8>) {
        let known = self.fuzz.bodies.choose(&mut self.rng).and_then(|body| alter::parse(body));
        let mut body = known.unwrap_or_default();
        alter::alter(&mut body, CHANGES, &mut self.rng);
        if self.rng.random_ratio(1, 8) {
            let key = body.keys().choose(&mut self.rng).cloned().unwrap_or_default();
            body.remove(&key);
        }
        if self.rng.random() {
            body.insert("msg_id".to_owned(), Value::from(self.rng.random_range(0..1000)));
        }
        envelope(line, self.sender(), &alter::text(body));
    }

    /// A message that the node knows, with something wrong, or not.
    fn mutated(&mut self, line: &mut Vec<u8>) {
        let body = self.fuzz.bodies.choose(&mut self.rng).cloned().unwrap_or_default();
        let body =
            if self.rng.random() { with_id(&body, self.rng.random_range(0..1000)) } else { body };
        let mut message = Vec::new();
        envelope(&mut message, self.sender(), &body);
        for _ in 0..self.rng.random_range(0..4) {
            self.mutate(&mut message);
        }
        line.append(&mut message);
    }

    fn sender(&mut self) -> &'static str {
        let count = if self.fuzz.has_lying_nodes() { SENDERS.len() } else { OTHERS };
        SENDERS[..count].choose(&mut self.rng).copied().unwrap_or("c1")
    }

    fn mutate(&mut self, message: &mut Vec<u8>) {
        if message.is_empty() {
            return;
        }
        let from = self.rng.random_range(0..message.len());
        let to = (from + self.rng.random_range(1..20)).min(message.len());
        match self.rng.random_range(0..5) {
            0 => message[from] ^= 1 << self.rng.random_range(0..8),
            1 => drop(message.drain(from..to)),
            2 => message.extend_from_within(from..to),
            3 => message.truncate(from),
            _ => {
                let mut json = Vec::new();
                self.json(&mut json, 0);
                message.splice(from..to, json);
            }
        }
    }
}

fn envelope(line: &mut Vec<u8>, src: &str, body: &str) {
    let message = format!("{{\"src\":\"{src}\",\"dest\":\"n0\",\"body\":{body}}}\n");
    line.extend_from_slice(message.as_bytes());
}

fn with_id(body: &str, id: u64) -> String {
    let rest = body.strip_prefix('{').unwrap_or(body);
    format!(r#"{{"msg_id":{id},{rest}"#)
}
