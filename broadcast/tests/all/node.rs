//! The node on lines of text: handlers, shell and state machine together.

use broadcast::config::Config;
use broadcast::{node, node_with};
use maelstrom::Host;
use serde_json::Value;
use serde_json::value::RawValue;

fn line(src: &str, body: &str) -> String {
    format!("{{\"src\":\"{src}\",\"dest\":\"n1\",\"body\":{body}}}\n")
}

fn init(nodes: &str) -> String {
    line("c0", &format!(r#"{{"type":"init","msg_id":1,"node_id":"n1","node_ids":{nodes}}}"#))
}

async fn run(input: String) -> Vec<String> {
    let mut output = Vec::new();
    node().run(input.as_bytes(), &mut output, Host::seeded(1)).await.unwrap();
    String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
}

fn body(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()["body"].take()
}

/// The body of the one line of a type, as text.
fn reply<'a>(lines: &'a [String], kind: &str) -> &'a str {
    let kind = format!("\"type\":\"{kind}\"");
    lines
        .iter()
        .find(|line| line.contains(&kind))
        .unwrap_or_else(|| panic!("no {kind} in {lines:#?}"))
}

#[tokio::test(start_paused = true)]
async fn any_json_comes_back_as_it_was_sent_and_once() {
    let values = [
        "1",
        "1.0",
        r#"{"b":[1e3],"a":"ü"}"#,
        r#"{"a":"\u00fc","b":[1000.0]}"#,
        "123456789012345678901234567890",
        "null",
    ];
    let mut input = init(r#"["n1"]"#);
    input += &line("c1", r#"{"type":"topology","msg_id":2,"topology":{"n1":[]}}"#);
    for (i, value) in values.iter().enumerate() {
        input +=
            &line("c1", &format!(r#"{{"type":"broadcast","msg_id":{},"message":{value}}}"#, i + 3));
    }
    input += &line("c1", r#"{"type":"read","msg_id":99}"#);
    let lines = run(input).await;
    assert_eq!(lines.len(), 3 + values.len());
    let read = reply(&lines, "read_ok");
    let expected = r#""messages":[1,1.0,{"b":[1e3],"a":"ü"},123456789012345678901234567890,null]"#;
    assert!(read.contains(expected), "{read}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_forgets_the_message_is_told_so() {
    let lines = run(init(r#"["n1"]"#) + &line("c1", r#"{"type":"broadcast","msg_id":2}"#)).await;
    let error = body(reply(&lines, "error"));
    assert_eq!(error["code"], 12);
    assert!(error["text"].as_str().unwrap().contains("message"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_between_nodes_have_no_effect() {
    let nodes = r#"["n0","n1","n2"]"#;
    let messages = [
        ("n0", r#"{"type":"spread","runs":[[7,1,0,[1]]]}"#),
        ("n0", r#"{"type":"spread","runs":[[0,1,18446744073709551615,[1,2]]]}"#),
        ("n0", r#"{"type":"spread","path":[3]}"#),
        ("n0", r#"{"type":"spread","runs":"all"}"#),
        ("n1", r#"{"type":"spread","runs":[[0,1,0,[1]]]}"#),
        ("n9", r#"{"type":"spread","runs":[[0,1,0,[1]]]}"#),
        ("c7", r#"{"type":"spread","runs":[[0,1,0,[1]]]}"#),
        ("n0", r#"{"type":"digest","nonce":1,"have":[[5,1,1]]}"#),
        (
            "n0",
            r#"{"type":"spread","up":{"epoch":1,"since":9,"upto":1},"down":{"epoch":9,"since":5,"upto":2,"next":18446744073709551615,"due":18446744073709551615,"ack":{"upto":7,"held":18446744073709551615}},"path":[0]}"#,
        ),
    ];
    let mut input = init(nodes);
    for (source, message) in messages {
        input += &line(source, message);
    }
    input += &line("c1", r#"{"type":"read","msg_id":3}"#);
    let lines = run(input).await;
    assert!(reply(&lines, "read_ok").contains(r#""messages":[]"#));
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_answered_with_what_it_lacks() {
    let mut input = init(r#"["n0","n1"]"#);
    input += &line("c1", r#"{"type":"broadcast","msg_id":2,"message":"hello"}"#);
    input += &line("n0", r#"{"type":"digest","nonce":7}"#);
    let lines = run(input).await;
    let spread = reply(&lines, "spread");
    assert!(spread.contains(r#""dest":"n0""#) && spread.contains(r#"["hello"]"#), "{spread}");
    assert_eq!(body(spread)["answer"]["nonce"], 7);
}

#[tokio::test(start_paused = true)]
async fn without_a_period_a_value_goes_to_everybody_at_once() {
    let config = Config { period: std::time::Duration::ZERO, ..Config::default() };
    let input =
        init(r#"["n0","n1","n2"]"#) + &line("c1", r#"{"type":"broadcast","msg_id":2,"message":5}"#);
    let mut output = Vec::new();
    node_with(config).run(input.as_bytes(), &mut output, Host::seeded(1)).await.unwrap();
    let text = String::from_utf8(output).unwrap();
    let spreads = text.lines().filter(|line| line.contains("\"spread\"")).count();
    assert_eq!(spreads, 2, "{text}");
}

#[tokio::test(start_paused = true)]
async fn reading_ten_thousand_values_is_cheap() {
    let mut input = init(r#"["n1"]"#);
    for i in 0..10_000 {
        input += &line("c1", &format!(r#"{{"type":"broadcast","message":{i}}}"#));
    }
    input += &line("c1", r#"{"type":"read","msg_id":3}"#);
    let lines = run(input).await;
    let read: Box<RawValue> = serde_json::from_str(reply(&lines, "read_ok")).unwrap();
    assert_eq!(body(read.get())["messages"].as_array().unwrap().len(), 10_000);
}
