//! The node, byte for byte over memory, and as a process that is killed.

mod processes;

use maelstrom::Host;

const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;
const INIT_OK: &str = r#"{"src":"n0","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;

/// What a lone node answers to these transactions, each its own line.
async fn replies(host: Host, txns: &[&str]) -> Vec<String> {
    let lines = txns.iter().map(|txn| {
        format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"txn","msg_id":2,"txn":{txn}}}}}"#)
    });
    let input = [INIT.to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
    let mut output = Vec::new();
    txn_kv::node().run(input.as_bytes(), &mut output, host).await.unwrap();
    let output = String::from_utf8(output).unwrap();
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some(INIT_OK));
    lines.map(str::to_owned).collect()
}

async fn reply(txn: &str) -> String {
    replies(Host::seeded(1), &[txn]).await.concat()
}

fn ok(txn: &str) -> String {
    format!(r#"{{"src":"n0","dest":"c1","body":{{"type":"txn_ok","in_reply_to":2,"txn":{txn}}}}}"#)
}

fn malformed(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    let body = format!(r#"{{"type":"error","in_reply_to":2,"code":12,"text":{text}}}"#);
    format!(r#"{{"src":"n0","dest":"c1","body":{body}}}"#)
}

#[tokio::test]
async fn the_protocols_example_is_answered_as_the_protocol_says() {
    let answers = replies(
        Host::seeded(1),
        &[r#"[["w",1,8]]"#, r#"[["r",1,null],["w",1,6],["w",2,9]]"#, r#"[["r",2,null]]"#],
    )
    .await;
    let expected = [r#"[["w",1,8]]"#, r#"[["r",1,8],["w",1,6],["w",2,9]]"#, r#"[["r",2,9]]"#];
    assert_eq!(answers, expected.map(ok));
}

#[tokio::test]
async fn an_empty_transaction_commits() {
    assert_eq!(reply("[]").await, ok("[]"));
}

#[tokio::test]
async fn malformed_transactions_are_refused_in_words_and_leave_nothing_behind() {
    for (txn, text) in [
        (
            r#"[["w",1,1],["x",1,1]]"#,
            r#"`txn`: txn[1][0]: unknown operation "x", expected "r" or "w" at line 1 column 47"#,
        ),
        (
            r#"[["w",1,1],["r",1]]"#,
            r#"`txn`: txn[1]: invalid length 2, expected a micro-operation, i.e. ["r" or "w", key, value] at line 1 column 49"#,
        ),
        (r#"[["w",1,1],["r",1,1]]"#, "`txn[1]`: a read's third element must be null"),
    ] {
        let answers = replies(Host::seeded(1), &[txn, r#"[["r",1,null]]"#]).await;
        assert_eq!(answers, [malformed(text), ok(r#"[["r",1,null]]"#)]);
    }
    for txn in [
        "null",
        "{}",
        "7",
        r#"["r",1,null]"#,
        r#"[["r",1,null,2]]"#,
        "[[]]",
        r#"[[{"r":null},1,null]]"#,
        "[[null,1,null]]",
        r#"[{"f":"r","k":1,"v":null}]"#,
    ] {
        assert!(reply(txn).await.contains(r#""code":12"#), "{txn}");
    }
}

#[tokio::test]
async fn any_json_can_be_key_and_value() {
    let write = r#"[["w",{"a":[1.0],"b":null},[{"x":1e400}]],["w",null,null],["w",1.0,"float"]]"#;
    let read = r#"[["r",{"b":null,"a":[1.00]},null],["r",null,null],["r",1,null],["r",1.0,null]]"#;
    let answers = replies(Host::seeded(1), &[write, read]).await;
    let expected = r#"[["r",{"b":null,"a":[1.00]},[{"x":1e400}]],["r",null,null],["r",1,null],["r",1.0,"float"]]"#;
    assert_eq!(answers, [ok(write), ok(expected)]);
}

#[tokio::test]
async fn messages_of_nodes_are_taken_from_nodes_alone() {
    let init = INIT.replace(r#"["n0"]"#, r#"["n0","n1"]"#);
    let write = r#"{"src":"n1","dest":"n0","body":{"type":"replicate","incarnation":"n1-1","have":{"n1-1":9},"number":1,"commits":{"n1-1":[{"t":1,"p":0,"w":[[1,666]]}]}}}"#;
    let read = r#"{"src":"c1","dest":"n0","body":{"type":"txn","msg_id":2,"txn":[["r",1,null]]}}"#;
    for (source, value) in [("n1", "666"), ("c1", "null"), ("n2", "null")] {
        let mut output = Vec::new();
        let input =
            [&*init, &write.replace(r#""src":"n1""#, &format!(r#""src":"{source}""#)), read];
        let input = input.join("\n");
        txn_kv::node().run(input.as_bytes(), &mut output, Host::seeded(1)).await.unwrap();
        let output = String::from_utf8(output).unwrap();
        let answer = ok(&format!(r#"[["r",1,{value}]]"#));
        assert!(output.lines().any(|line| line == answer), "from {source}: {output}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_fails_init_and_says_why() {
    let host = Host { directory: Some("/proc/nowhere".into()), ..Host::seeded(1) };
    let mut output = Vec::new();
    txn_kv::node().run(INIT.as_bytes(), &mut output, host).await.unwrap();
    let output = String::from_utf8(output).unwrap();
    assert!(output.contains(r#""type":"error","in_reply_to":1,"code":13"#), "{output}");
    assert!(output.contains("/proc/nowhere"), "{output}");
}
