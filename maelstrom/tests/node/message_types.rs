//! Message types that `message_types!` defines, and those that a node has no handler for,
//! byte for byte.

use maelstrom::{Context, Definite, Empty, Error, Node, NodeId, Other, Request};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::common::{INIT, INIT_OK, serve};

maelstrom::message_types! {
    "add": struct Add { delta: u32 } -> Empty;
    /// Documented, and with attributes of its own.
    #[derive(PartialEq)]
    "read": pub struct Read {
        #[serde(default)]
        at_least: u32,
    } -> #[derive(Default)] pub struct Sum {
        /// As on the wire: `value`.
        #[serde(rename = "value")]
        pub sum: u32,
    };
    "again": struct Again { value: u32 } -> Sum;
    "ping": struct Ping { to: NodeId };
    "pong": struct Pong {};
}

async fn ping(context: Context<()>, Ping { to }: Ping) {
    context.send(&to, &Pong {});
}

fn node() -> Node<()> {
    Node::new(|_| ())
        .handle(async |_: Context<()>, Add { delta: _ }| Ok(Empty {}))
        .handle(async |_: Context<()>, Read { at_least }| Ok(Sum { sum: at_least }))
        .handle(async |_: Context<()>, Again { value }| Ok(Sum { sum: value }))
        .receive(ping)
        .receive_from_nodes(async |_: Context<()>, _: Pong| ())
}

/// What a node answers to bodies of a client's, `init` apart.
async fn answers(node: Node<()>, bodies: &[&str]) -> Vec<String> {
    let lines = bodies.iter().map(|body| format!(r#"{{"src":"c1","dest":"n0","body":{body}}}"#));
    let input: Vec<String> = std::iter::once(INIT.to_owned()).chain(lines).collect();
    let (output, _) = serve(node, input.join("\n").as_bytes()).await;
    let mut lines = output.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(INIT_OK));
    lines.collect()
}

#[tokio::test]
async fn a_line_defines_a_request_with_its_reply_or_a_message() {
    let bodies = [
        r#"{"type":"add","msg_id":1,"delta":3}"#,
        r#"{"type":"read","msg_id":2}"#,
        r#"{"type":"again","msg_id":3,"value":4}"#,
        r#"{"type":"ping","to":"c9"}"#,
    ];
    let expected = [
        r#"{"src":"n0","dest":"c1","body":{"type":"add_ok","in_reply_to":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"read_ok","in_reply_to":2,"value":0}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"again_ok","in_reply_to":3,"value":4}}"#,
        r#"{"src":"n0","dest":"c9","body":{"type":"pong"}}"#,
    ];
    assert_eq!(answers(node(), &bodies).await, expected);
    assert_eq!(<Read as Request>::TYPE, "read");
    assert_eq!(Read { at_least: Sum::default().sum }.clone(), Read { at_least: 0 });
}

/// Answers with the text that came, except one type.
async fn other(_: Context<()>, Other { kind, body }: Other) -> Result<Whole, Error> {
    match kind.as_str() {
        "secret" => Err(Error::new(Definite::NotSupported, "no")),
        "broken" => panic!("broken"),
        _ => Ok(Whole { whole: body }),
    }
}

#[derive(Serialize)]
struct Whole {
    whole: Box<RawValue>,
}

#[tokio::test]
async fn a_fallback_gets_the_raw_body_of_every_type_without_a_handler() {
    let bodies = [
        r#"{"type":"what?","msg_id":1,"value": 2.50}"#,
        r#"{"type":"told","value":1}"#,
        r#"{"type":"add","msg_id":2,"delta":3}"#,
        r#"{"type":"secret","msg_id":3}"#,
        r#"{"type":"pong","msg_id":4}"#,
        r#"{"type":"broken","msg_id":5}"#,
    ];
    let expected = [
        r#"{"type":"what?_ok","in_reply_to":1,"whole":{"type":"what?","msg_id":1,"value": 2.50}}"#,
        r#"{"type":"add_ok","in_reply_to":2}"#,
        r#"{"type":"error","in_reply_to":3,"code":10,"text":"no"}"#,
        r#"{"type":"error","in_reply_to":4,"code":10,"text":"`pong` is between nodes, and c1 is none of the cluster's"}"#,
        r#"{"type":"error","in_reply_to":5,"code":13,"text":"`fallback` panicked: broken"}"#,
    ];
    let expected = expected.map(|body| format!(r#"{{"src":"n0","dest":"c1","body":{body}}}"#));
    assert_eq!(answers(node().fallback(other), &bodies).await, expected);
}

#[tokio::test]
async fn without_a_fallback_other_types_are_not_supported() {
    let expected = r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":10,"text":"no handler for `what?`"}}"#;
    assert_eq!(answers(node(), &[r#"{"type":"what?","msg_id":1}"#]).await, [expected]);
}
