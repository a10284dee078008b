//! What operations cost: twenty seconds of a thousand a second, without nodes.
//!
//! The world is driven with answers that are ready at once, so what is timed is
//! the bench's own work: generator, clients, network, history. `cargo bench -p
//! workbench --bench workloads` prints a line for each workload.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::{Command, Message, Settings, Workload, World};
use tokio::time::{Duration, Instant};

/// Answers as one broker, store or register would.
#[derive(Default)]
struct Node {
    logs: BTreeMap<String, Vec<(usize, Value)>>,
}

impl Node {
    fn answer(&mut self, body: &Value) -> Value {
        match body["type"].as_str().unwrap_or_default() {
            "init" => json!({"type": "init_ok"}),
            "send" => {
                let log = self.logs.entry(body["key"].as_str().unwrap_or_default().to_owned());
                let log = log.or_default();
                log.push((log.len(), body["msg"].clone()));
                json!({"type": "send_ok", "offset": log.len() - 1})
            }
            "poll" => json!({"type": "poll_ok", "msgs": self.poll(&body["offsets"])}),
            "commit_offsets" => json!({"type": "commit_offsets_ok"}),
            "list_committed_offsets" => {
                json!({"type": "list_committed_offsets_ok", "offsets": {}})
            }
            "txn" => json!({"type": "txn_ok", "txn": body["txn"]}),
            "read" => json!({"type": "read_ok", "value": 1}),
            other => json!({"type": format!("{other}_ok")}),
        }
    }

    fn poll(&self, offsets: &Value) -> BTreeMap<String, Vec<(usize, Value)>> {
        let rest = |(key, from): (&String, &Value)| {
            let log = self.logs.get(key)?;
            let rest = log.get(from.as_u64()? as usize..)?;
            (!rest.is_empty()).then(|| (key.clone(), rest.to_vec()))
        };
        offsets.as_object().into_iter().flatten().filter_map(rest).collect()
    }
}

/// Runs a test. Returns how many lines its history has, and how long the world
/// took, without the time for answers.
fn run(settings: &Settings) -> (usize, Duration) {
    let mut world = World::new(settings).expect("settings that go together");
    let (mut commands, mut now, mut lines, mut spent) =
        (Vec::new(), Duration::ZERO, 0, Duration::ZERO);
    let mut node = Node::default();
    world.start(now, &mut commands);
    while !world.is_finished() {
        let answers: Vec<(usize, Vec<u8>)> = commands
            .drain(..)
            .filter_map(|command| match command {
                Command::Deliver(number, message) => {
                    Some((number, answer(&mut node, number, &message)))
                }
                Command::Record(_) => {
                    lines += 1;
                    None
                }
                _ => None,
            })
            .collect();
        let began = Instant::now();
        for (number, line) in &answers {
            world.node_line(*number, line, now, &mut commands).expect("a well-behaved node");
        }
        if let Some(next) = world.next_event().filter(|_| answers.is_empty()) {
            now = next.max(now);
        }
        world.advance(now, &mut commands).expect("a well-behaved node");
        spent += began.elapsed();
    }
    (lines, spent)
}

fn answer(node: &mut Node, number: usize, message: &Message) -> Vec<u8> {
    let body: Value = serde_json::from_str(message.body.get()).expect("a body");
    let mut reply = node.answer(&body);
    reply["in_reply_to"] = body["msg_id"].clone();
    let line = json!({"src": format!("n{number}"), "dest": message.src.to_string(), "body": reply});
    line.to_string().into_bytes()
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    for workload in
        [Workload::Kafka, Workload::TxnRwRegister, Workload::TxnListAppend, Workload::LinKv]
    {
        let settings = Settings {
            node_count: 2,
            concurrency: 4,
            rate: 1000.0,
            time_limit: Duration::from_secs(20),
            ..Settings::new(workload)
        };
        let (lines, spent) = run(&settings);
        let each = spent.as_secs_f64() * 1e6 * 2.0 / lines as f64;
        println!(
            "{:16} {lines:6} lines of history, {spent:>9.1?}, {each:5.1} µs an operation",
            workload.name()
        );
    }
}
