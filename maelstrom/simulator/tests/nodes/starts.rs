//! A node that talks to others too early is found, and one of the library is not.

use std::pin::Pin;

use maelstrom::{Context, Empty, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulator::{FaultKind, Finished, Program, RunError, Settings, Simulation, Workload};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Within so many seeds a node that talks too early is found.
const SEEDS: u64 = 10;

/// What a node does with `init` beside answering it.
type Greet = fn(&Value) -> Vec<Value>;

/// An echo node that sends this before it answers `init`.
async fn echo(
    mut input: Pin<Box<dyn AsyncBufRead>>,
    mut output: Pin<Box<dyn AsyncWrite>>,
    greet: Greet,
) -> std::io::Result<()> {
    let mut line = String::new();
    while input.read_line(&mut line).await? > 0 {
        let request: Value = serde_json::from_str(&line)?;
        line.clear();
        let body = &request["body"];
        let Some(kind) = body["type"].as_str().filter(|kind| ["init", "echo"].contains(kind))
        else {
            continue;
        };
        let mut messages = if kind == "init" { greet(body) } else { Vec::new() };
        messages.push(json!({"src": request["dest"], "dest": request["src"], "body": {
            "type": format!("{kind}_ok"), "in_reply_to": body["msg_id"], "echo": body["echo"]}}));
        for message in messages {
            output.write_all(format!("{message}\n").as_bytes()).await?;
        }
        output.flush().await?;
    }
    Ok(())
}

fn run(greet: Greet, seed: u64) -> Finished {
    let mut settings = Settings::new(Workload::Echo);
    settings.node_count = 3;
    settings.seed = seed;
    settings.time_limit = std::time::Duration::from_secs(1);
    let program = Program::raw(move |input, output| echo(input, output, greet));
    Simulation::with(settings, program).run()
}

fn is_early(run: &Finished) -> bool {
    matches!(&run.ended, Err(RunError::Node(failure))
        if matches!(failure.fault.kind, FaultKind::TooEarly { .. }))
}

/// Messages from the node that was initialised to these.
fn to(init: &Value, dests: &[Value]) -> Vec<Value> {
    let hello = |dest| json!({"src": init["node_id"], "dest": dest, "body": {"type": "hello"}});
    dests.iter().map(hello).collect()
}

#[test]
fn a_node_that_talks_to_others_before_it_is_initialised_is_found() {
    let greets: [Greet; 2] = [
        |init| to(init, init["node_ids"].as_array().unwrap()),
        |init| to(init, &[json!("lin-kv")]),
    ];
    for greet in greets {
        let found = (0..SEEDS).map(|seed| run(greet, seed)).find(is_early).expect("a finding");
        let text = found.ended.as_ref().unwrap_err().to_string();
        assert!(text.contains("respond to an init message"), "{text}");
        assert_eq!(found.valid(), checkers::Validity::Invalid);
    }
}

#[test]
fn one_that_keeps_to_itself_is_not() {
    for seed in 0..SEEDS {
        run(|_| Vec::new(), seed).assert_valid();
    }
}

maelstrom::message_types! {
    "hello": struct Hello {};
}

#[derive(Serialize, Deserialize)]
struct Echo {
    echo: Value,
}

impl maelstrom::Request for Echo {
    const TYPE: &'static str = "echo";
    type Reply = Self;
}

#[derive(Serialize)]
struct Ts {}

impl maelstrom::Request for Ts {
    const TYPE: &'static str = "ts";
    type Reply = Empty;
}

/// Talks to all and sundry as soon as it can, and waits for a service.
fn eager() -> Node<()> {
    Node::new(|_| ())
        .receive(async |_: Context<()>, _: Hello| {})
        .handle(async |_: Context<()>, echo: Echo| Ok(echo))
        .on_init(async |context: Context<()>| {
            context.peers().for_each(|peer| context.send(peer, &Hello {}));
            let second = std::time::Duration::from_secs(1);
            context.call(&"lin-tso".into(), &Ts {}, second).await?;
            Ok(())
        })
}

#[test]
fn the_library_holds_its_nodes_back() {
    for seed in 0..2 * SEEDS {
        let nodes = 1 + usize::try_from(seed).unwrap();
        let run = Simulation::new(Workload::Echo, eager).nodes(nodes).seconds(1).seed(seed).run();
        run.assert_valid();
    }
}
