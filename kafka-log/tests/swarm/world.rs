//! The world around the nodes: time, network, `lin-kv`, clients, faults.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::time::Duration;

use kafka_log::Options;
use maelstrom::Host;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::client::{self, Answered, Asked, Client, KEYS, Request};
use crate::faults::Weather;

/// How long nodes have then to agree.
const CALM: u64 = 12_000;
/// How long a client waits for an answer.
const PATIENCE: u64 = 5000;

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) clients: usize,
    /// How long clients and faults go on, in milliseconds.
    pub(crate) chaos: u64,
    /// How long clients pause between requests, at most.
    pub(crate) pause: u64,
    /// Nodes are killed and started again.
    pub(crate) kills: bool,
    pub(crate) options: Options,
}

impl Plan {
    /// All kinds of faults; two, three or five nodes. Every eighth is long and
    /// busy, so that lanes grow beyond their first chunk.
    pub(crate) fn hardship(seed: u64, options: Options) -> Self {
        let nodes = [2, 3, 5][seed as usize % 3];
        let (chaos, pause) = if seed % 8 == 7 { (9000, 5) } else { (3000, 25) };
        Self { seed, nodes, clients: 2 * nodes, chaos, pause, kills: true, options }
    }
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) history: Vec<Request>,
    /// What each node has in the end, by key.
    pub(crate) logs: Vec<BTreeMap<String, Vec<(u64, u64)>>>,
    /// What each node says is committed in the end.
    pub(crate) committed: Vec<BTreeMap<String, u64>>,
    pub(crate) restarts: u64,
    /// Chunks of segments that were written, and the restarts that met one.
    pub(crate) chunks: u64,
    pub(crate) restarts_with_chunks: u64,
    /// Nodes that did not answer `init` with `init_ok`, or ended by themselves.
    pub(crate) failures: Vec<String>,
}

impl Outcome {
    pub(crate) fn acknowledged(&self) -> usize {
        self.history.iter().filter(|r| matches!(r.answered, Answered::Sent(_))).count()
    }

    /// All that happened, as text.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for Request { client, node, asked, begun, ended, answered } in &self.history {
            let line = format_args!("{begun}-{ended} c{client} n{node} {asked:?} {answered:?}");
            writeln!(story, "{line}").expect("memory");
        }
        writeln!(story, "{:?}\n{:?}\n{:?}", self.logs, self.committed, self.failures)
            .expect("memory");
        story
    }
}

#[derive(Debug)]
enum Event {
    /// A message arrives.
    Deliver(Value),
    /// A client asks something.
    Ask(usize),
    /// A client gives a request up.
    GiveUp(usize, u64),
    /// The weather changes.
    Change,
    Kill(usize),
    Start(usize),
    /// A node stops taking messages, or goes on.
    Pause(usize, bool),
}

struct Machine {
    name: String,
    process: Option<(JoinHandle<()>, WriteHalf<DuplexStream>)>,
    /// Counts its starts.
    life: u64,
    /// What came while it was paused.
    held: Option<Vec<String>>,
}

struct World {
    plan: Plan,
    rng: StdRng,
    began: Instant,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    pending: BTreeMap<u64, Event>,
    count: u64,
    machines: Vec<Machine>,
    clients: Vec<Client>,
    kv: BTreeMap<String, Value>,
    weather: Weather,
    printed: mpsc::UnboundedSender<(usize, u64, String)>,
    outcome: Outcome,
}

/// Carries out a plan.
pub(crate) async fn run(plan: Plan) -> Outcome {
    let (printed, mut lines) = mpsc::unbounded_channel();
    let mut world = World::new(plan, printed);
    world.prepare();
    world.run_until(plan.chaos, &mut lines).await;
    world.calm().await;
    world.run_until(plan.chaos + CALM, &mut lines).await;
    world.finish(&mut lines).await;
    world.outcome
}

impl World {
    fn new(plan: Plan, printed: mpsc::UnboundedSender<(usize, u64, String)>) -> Self {
        let machine = |n| Machine { name: format!("n{n}"), process: None, life: 0, held: None };
        Self {
            rng: StdRng::seed_from_u64(plan.seed),
            began: Instant::now(),
            events: BinaryHeap::new(),
            pending: BTreeMap::new(),
            count: 0,
            machines: (0..plan.nodes).map(machine).collect(),
            clients: (0..plan.clients).map(|n| Client::new(n % plan.nodes)).collect(),
            kv: BTreeMap::new(),
            weather: Weather::default(),
            printed,
            outcome: Outcome::default(),
            plan,
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn at(&mut self, time: u64, event: Event) {
        self.count += 1;
        self.events.push(Reverse((time, self.count)));
        self.pending.insert(self.count, event);
    }

    fn prepare(&mut self) {
        for node in 0..self.plan.nodes {
            self.at(0, Event::Start(node));
        }
        for client in 0..self.plan.clients {
            let time = self.rng.random_range(20..60);
            self.at(time, Event::Ask(client));
        }
        let mut time = 100;
        while time < self.plan.chaos {
            self.at(time, Event::Change);
            self.trouble_node(time);
            time += self.rng.random_range(50..600);
        }
    }

    /// Kills a node now and then, or holds one for a while.
    fn trouble_node(&mut self, time: u64) {
        let node = self.rng.random_range(0..self.plan.nodes);
        let pause = self.rng.random_range(1..700);
        match self.rng.random_range(0..4) {
            0 if self.plan.kills => {
                self.at(time, Event::Kill(node));
                self.at(time + pause, Event::Start(node));
            }
            1 => {
                self.at(time, Event::Pause(node, true));
                self.at(time + pause, Event::Pause(node, false));
            }
            _ => {}
        }
    }

    async fn run_until(
        &mut self,
        end: u64,
        lines: &mut mpsc::UnboundedReceiver<(usize, u64, String)>,
    ) {
        loop {
            let next = self.events.peek().map_or(end, |Reverse((time, _))| *time).min(end);
            let next_at = self.began + Duration::from_millis(next);
            tokio::select! {
                biased;
                Some((node, life, line)) = lines.recv() => self.print(node, life, &line),
                () = sleep_until(next_at) => {
                    if self.now() >= end && self.events.peek().is_none_or(|Reverse((t, _))| *t > end) {
                        return;
                    }
                    if let Some(Reverse((_, id))) = self.events.pop() {
                        let event = self.pending.remove(&id).expect("every event is pending");
                        self.happen(event).await;
                    }
                }
            }
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(message) => self.deliver(message).await,
            Event::Ask(client) => self.ask(client),
            Event::GiveUp(client, number) => self.give_up(client, number),
            Event::Change => {
                let names: Vec<String> = self.machines.iter().map(|m| m.name.clone()).collect();
                self.weather = Weather::draw(&mut self.rng, &names);
            }
            Event::Kill(node) => self.kill(node),
            Event::Start(node) => self.start(node),
            Event::Pause(node, true) => {
                self.machines[node].held.get_or_insert_default();
            }
            Event::Pause(node, false) => self.resume(node).await,
        }
    }

    fn kill(&mut self, node: usize) {
        if let Some((process, _)) = self.machines[node].process.take() {
            process.abort();
            self.machines[node].held = None;
            for client in 0..self.clients.len() {
                if self.clients[client].node == node
                    && let Some((_, request)) = self.clients[client].waiting.take()
                {
                    self.record(client, request, Answered::Unknown);
                }
            }
        }
    }

    fn start(&mut self, node: usize) {
        if self.machines[node].process.is_some() {
            return;
        }
        let machine = &mut self.machines[node];
        let restarted = u64::from(machine.life > 0);
        self.outcome.restarts += restarted;
        self.outcome.restarts_with_chunks += restarted * u64::from(self.outcome.chunks > 0);
        machine.life += 1;
        let life = machine.life;
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(theirs);
        let host = Host::seeded(self.plan.seed * 1000 + node as u64 * 100 + life);
        let running = kafka_log::node(self.plan.options).run(BufReader::new(read), write, host);
        let (read, writer) = tokio::io::split(ours);
        let printed = self.printed.clone();
        let process = tokio::spawn(async move {
            let mut output = BufReader::new(read).lines();
            let listen = async {
                while let Ok(Some(line)) = output.next_line().await {
                    let _ = printed.send((node, life, line));
                }
            };
            let (ended, ()) = tokio::join!(running, listen);
            let _ = printed.send((node, life, format!("ended: {ended:?}")));
        });
        machine.process = Some((process, writer));
        let ids: Vec<&String> = self.machines.iter().map(|machine| &machine.name).collect();
        let init = json!({"src": "c", "dest": format!("n{node}"), "body":
            {"type": "init", "msg_id": 1, "node_id": format!("n{node}"), "node_ids": ids}});
        let now = self.now();
        self.at(now, Event::Deliver(init));
    }

    async fn resume(&mut self, node: usize) {
        for line in self.machines[node].held.take().unwrap_or_default() {
            self.write(node, &line).await;
        }
    }

    async fn write(&mut self, node: usize, line: &str) {
        if let Some((_, writer)) = &mut self.machines[node].process {
            // A node that was killed takes nothing.
            let _ = writer.write_all(line.as_bytes()).await;
        }
    }

    async fn deliver(&mut self, message: Value) {
        let dest = message["dest"].as_str().expect("a receiver").to_owned();
        if dest == "lin-kv" {
            return self.serve(&message);
        }
        if let Some(client) = dest.strip_prefix('c') {
            return self.reply(client, &message);
        }
        let Some(node) = self.machines.iter().position(|machine| machine.name == dest) else {
            return;
        };
        let line = format!("{message}\n");
        match &mut self.machines[node].held {
            Some(held) => held.push(line),
            None => self.write(node, &line).await,
        }
    }

    /// A node printed a line.
    fn print(&mut self, node: usize, life: u64, line: &str) {
        if self.machines[node].life != life || self.machines[node].process.is_none() {
            return;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(message) => self.travel(message),
            Err(_) => self.outcome.failures.push(format!("n{node} {line}")),
        }
    }

    /// Sends a message on its way.
    fn travel(&mut self, message: Value) {
        let name = |field: &str| message[field].as_str().expect("a name").to_owned();
        let (src, dest) = (name("src"), name("dest"));
        let now = self.now();
        if src.starts_with('c') || dest.starts_with('c') {
            return self.at(now, Event::Deliver(message));
        }
        for delay in self.weather.delays(&mut self.rng, &src, &dest) {
            self.at(now + delay, Event::Deliver(message.clone()));
        }
    }

    /// `lin-kv`.
    fn serve(&mut self, message: &Value) {
        let body = &message["body"];
        let key = body["key"].as_str().expect("a key").to_owned();
        let missing = || json!({"type": "error", "code": 20, "text": "not found"});
        let mut reply = match (body["type"].as_str(), self.kv.get(&key)) {
            (Some("read"), Some(value)) => json!({"type": "read_ok", "value": value}),
            (Some("read"), None) => missing(),
            (Some("write"), _) => {
                self.kv.insert(key, body["value"].clone());
                json!({"type": "write_ok"})
            }
            (Some("cas"), None) if body["create_if_not_exists"] != true => missing(),
            (Some("cas"), Some(value)) if *value != body["from"] => {
                json!({"type": "error", "code": 22, "text": "another value"})
            }
            (Some("cas"), _) => {
                self.outcome.chunks += u64::from(key.starts_with("chunk/"));
                self.kv.insert(key, body["to"].clone());
                json!({"type": "cas_ok"})
            }
            (other, _) => panic!("lin-kv was asked {other:?}"),
        };
        reply["in_reply_to"] = body["msg_id"].clone();
        self.travel(json!({"src": "lin-kv", "dest": message["src"], "body": reply}));
    }

    fn ask(&mut self, client: usize) {
        let now = self.now();
        if now >= self.plan.chaos || self.clients[client].waiting.is_some() {
            return;
        }
        let message = self.outcome.history.len() as u64 + (client as u64) * 1_000_000;
        let asked = self.clients[client].next(&mut self.rng, message);
        self.request(client, self.clients[client].node, asked);
    }

    fn request(&mut self, client: usize, node: usize, asked: Asked) {
        let now = self.now();
        let mut body = client::body(&asked);
        let number = self.count;
        body["msg_id"] = number.into();
        let begun = now;
        let answered = Answered::Unknown;
        let request = Request { client, node, asked, begun, ended: u64::MAX, answered };
        self.clients[client].waiting = Some((number, request));
        let message =
            json!({"src": format!("c{client}"), "dest": format!("n{node}"), "body": body});
        self.travel(message);
        let patience = if self.machines[node].process.is_some() { PATIENCE } else { 10 };
        self.at(now + patience, Event::GiveUp(client, number));
    }

    fn reply(&mut self, client: &str, message: &Value) {
        let body = &message["body"];
        let Ok(client) = client.parse::<usize>() else {
            if body["type"] != "init_ok" {
                self.outcome.failures.push(message.to_string());
            }
            return;
        };
        let number = body["in_reply_to"].as_u64().expect("a number");
        if let Some((_, request)) =
            self.clients[client].waiting.take_if(|(waiting, _)| *waiting == number)
        {
            self.record(client, request, client::answered(body));
        }
    }

    fn give_up(&mut self, client: usize, number: u64) {
        if let Some((_, request)) =
            self.clients[client].waiting.take_if(|(waiting, _)| *waiting == number)
        {
            self.record(client, request, Answered::Unknown);
        }
    }

    fn record(&mut self, client: usize, request: Request, answered: Answered) {
        let now = self.now();
        self.clients[client].learn(&answered);
        self.outcome.history.push(Request { ended: now, answered, ..request });
        let pause = self.rng.random_range(0..self.plan.pause);
        self.at(now + pause, Event::Ask(client));
    }

    /// Ends all faults and brings up what is down.
    async fn calm(&mut self) {
        self.weather = Weather::default();
        for node in 0..self.plan.nodes {
            self.resume(node).await;
            self.start(node);
        }
        for event in self.pending.values_mut() {
            if matches!(event, Event::Change | Event::Kill(_) | Event::Pause(..)) {
                *event = Event::Ask(0);
            }
        }
    }

    /// Asks every node for all that it has.
    async fn finish(&mut self, lines: &mut mpsc::UnboundedReceiver<(usize, u64, String)>) {
        for node in 0..self.plan.nodes {
            let log = self.whole_log(node, lines).await;
            self.outcome.logs.push(log);
            match self.final_answer(node, Asked::List, lines).await {
                Answered::Listed(offsets) => self.outcome.committed.push(offsets),
                other => self.outcome.failures.push(format!("n{node} in the end: {other:?}")),
            }
        }
    }

    /// Polls page after page until nothing comes any more.
    async fn whole_log(
        &mut self,
        node: usize,
        lines: &mut mpsc::UnboundedReceiver<(usize, u64, String)>,
    ) -> BTreeMap<String, Vec<(u64, u64)>> {
        let mut log: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        let mut offsets: BTreeMap<String, u64> =
            KEYS.iter().map(|&key| (key.to_owned(), 0)).collect();
        loop {
            match self.final_answer(node, Asked::Poll(offsets.clone()), lines).await {
                Answered::Polled(page) if page.is_empty() => return log,
                Answered::Polled(page) => {
                    for (key, messages) in page {
                        let last = messages.last().map_or(0, |(last, _)| last + 1);
                        offsets.insert(key.clone(), last);
                        log.entry(key).or_default().extend(messages);
                    }
                }
                other => {
                    self.outcome.failures.push(format!("n{node} in the end: {other:?}"));
                    return log;
                }
            }
        }
    }

    async fn final_answer(
        &mut self,
        node: usize,
        asked: Asked,
        lines: &mut mpsc::UnboundedReceiver<(usize, u64, String)>,
    ) -> Answered {
        self.request(0, node, asked);
        let end = self.now() + PATIENCE;
        self.run_until(end, lines).await;
        self.outcome.history.pop().map_or(Answered::Unknown, |request| request.answered)
    }
}
