//! What a node prints does not get between its messages.
//!
//! The test starts itself again as a node that prints, whose output is a pipe.
#![allow(clippy::print_stdout, reason = "that is what it is about")]

use std::env;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};

use maelstrom::{Context, Empty, Error, Node};

maelstrom::message_types! { "print": struct Print {} -> Empty; }

async fn print(_: Context<()>, _: Print) -> Result<Empty, Error> {
    println!("not a message");
    print!("nor is this");
    Ok(Empty {})
}

const NODE: &str = "IS_THE_NODE";

const INPUT: &str = r#"{"src":"c1","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}
{"src":"c1","dest":"n0","body":{"type":"print","msg_id":2}}
"#;
const OUTPUT: &str = r#"{"src":"n0","dest":"c1","body":{"type":"init_ok","in_reply_to":1}}
{"src":"n0","dest":"c1","body":{"type":"print_ok","in_reply_to":2}}
"#;

fn main() -> ExitCode {
    if env::var_os(NODE).is_some() {
        return maelstrom::run(Node::new(|_| ()).handle(print));
    }
    let mut node = Command::new(env::current_exe().unwrap())
        .env(NODE, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(INPUT.as_bytes()).unwrap();
    let ended = node.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), OUTPUT);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "not a message\nnor is this");
    println!("what a node prints goes to standard error: ok");
    ExitCode::SUCCESS
}
