//! The world with scripted nodes in virtual time.

mod elsewhere;
mod faults;
mod outages;
mod phases;
mod processes;
mod starts;

use std::collections::VecDeque;

use checkers::history::{OpType, Process};
use maelstrom::protocol::reply_type;
use serde_json::{Value, json};

use super::*;
use crate::settings;

/// What a scripted node does with a message: bodies for whom, after how long.
type Script = Box<dyn FnMut(usize, &Message, &Value) -> Vec<Send>>;

struct Send {
    after: Duration,
    dest: String,
    body: Value,
}

fn now(dest: impl Into<String>, body: Value) -> Send {
    Send { after: Duration::ZERO, dest: dest.into(), body }
}

fn later(seconds: f64, send: Send) -> Send {
    Send { after: Duration::from_secs_f64(seconds), ..send }
}

/// A world and its nodes.
struct Harness {
    world: World,
    script: Script,
    now: Duration,
    /// Lines that nodes are about to print.
    lines: VecDeque<(Duration, usize, Vec<u8>)>,
    history: Vec<Op>,
    traffic: Vec<String>,
    /// What was done to nodes, and what they got: when, which, what.
    events: Vec<(Duration, usize, String)>,
    /// When the machine of which node is gone.
    lost: Option<(Duration, usize)>,
}

impl Harness {
    fn new(settings: &Settings, script: Script) -> Self {
        let mut world = World::new(settings).unwrap();
        world.watch();
        Self {
            world,
            script,
            now: Duration::ZERO,
            lines: VecDeque::new(),
            history: Vec::new(),
            traffic: Vec::new(),
            events: Vec::new(),
            lost: None,
        }
    }

    fn run(mut self) -> Result<Self, NodeFault> {
        let mut commands = Vec::new();
        self.world.start(self.now, &mut commands);
        while !self.world.is_finished() {
            self.carry_out(&mut commands);
            while self.lines.front().is_some_and(|line| line.0 <= self.now) {
                let (_, node, line) = self.lines.pop_front().unwrap();
                self.world.node_line(node, &line, self.now, &mut commands)?;
            }
            if let Some((_, node)) = self.lost.take_if(|(at, _)| *at <= self.now) {
                self.world.lose(node, "its machine is gone", self.now)?;
                self.lines.retain(|line| line.1 != node);
            }
            self.world.advance(self.now, &mut commands)?;
            if commands.is_empty() && !self.world.is_finished() {
                let line = self.lines.front().map(|line| line.0);
                let next = line.into_iter().chain(self.world.next_event()).min();
                self.now = self.now.max(next.expect("something has to happen"));
            }
        }
        self.carry_out(&mut commands);
        Ok(self)
    }

    fn carry_out(&mut self, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            match command {
                Command::Start(node) => self.note(node, "start"),
                Command::Damage(node, fault) | Command::Upset(node, fault, true) => {
                    self.note(node, fault.name());
                }
                Command::Upset(node, _, false) => self.note(node, "mend"),
                Command::Clock(skew) => self.note(skew.node, "clock"),
                Command::Twin(node, _) => self.note(node, "twin"),
                Command::Pause(node) => self.note(node, "pause"),
                Command::Resume(node) => self.note(node, "resume"),
                Command::Kill(node) => {
                    self.note(node, "kill");
                    // What it was about to print is never printed.
                    self.lines.retain(|line| line.1 != node);
                }
                Command::Deliver(node, message) => self.handle(node, &message),
                Command::Record(op) => self.history.push(op),
                Command::Network(_) => self.note(0, "network"),
                Command::Trace(_) => {}
                Command::Traffic(Traffic { time, event, message }) => {
                    self.traffic.push(format!("{time:?} {event:?} {message:?}"));
                }
            }
        }
    }

    fn note(&mut self, node: usize, what: &str) {
        self.events.push((self.now, node, what.to_owned()));
    }

    fn handle(&mut self, node: usize, message: &Message) {
        let body: Value = serde_json::from_str(message.body.get()).unwrap();
        self.note(node, body["type"].as_str().unwrap());
        for Send { after, dest, body } in (self.script)(node, message, &body) {
            let line = json!({"src": format!("n{node}"), "dest": dest, "body": body});
            let at = self.now + after;
            let place = self.lines.partition_point(|line| line.0 <= at);
            self.lines.insert(place, (at, node, line.to_string().into_bytes()));
        }
    }

    fn ops(&self, kind: OpType) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(move |op| op.kind == kind && op.process.is_client())
    }

    fn nemesis(&self) -> impl Iterator<Item = &Op> {
        self.history.iter().filter(|op| op.process == Process::Nemesis)
    }

    fn clients(&self) -> impl Iterator<Item = &str> {
        let sent = self.traffic.iter().filter(|line| line.contains(" Send "));
        sent.filter_map(|line| line.split("src: Client(").nth(1)?.split(')').next())
    }
}

/// A reply to a request.
fn reply(request: &Message, body: &Value, mut reply: Value) -> Send {
    reply["in_reply_to"] = body["msg_id"].clone();
    now(request.src.to_string(), reply)
}

/// The reply of a node that takes everything, and knows nothing but what it is told now.
fn answer(request: &Message, body: &Value) -> Send {
    let kind = body["type"].as_str().unwrap();
    let mut answer = json!({"type": reply_type(kind)});
    match kind {
        "echo" => answer["echo"] = body["echo"].clone(),
        "read" => answer["messages"] = json!([]),
        _ => {}
    }
    reply(request, body, answer)
}

fn answers() -> Script {
    Box::new(|_, message, body| vec![answer(message, body)])
}

/// What every node does before a test, and `rest` for what it does in it.
fn script(mut rest: impl FnMut(usize, &Message, &Value) -> Vec<Send> + 'static) -> Script {
    Box::new(move |node, message, body| match body["type"].as_str().unwrap() {
        "init" | "topology" => vec![answer(message, body)],
        _ => rest(node, message, body),
    })
}

fn settings(workload: settings::Workload) -> Settings {
    Settings {
        node_count: 3,
        concurrency: 3,
        rate: 100.0,
        time_limit: Duration::from_secs(10),
        seed: 1,
        start_spread: Duration::ZERO,
        ..Settings::new(workload)
    }
}

fn seconds(op: &Op) -> f64 {
    op.time as f64 / 1e9
}
