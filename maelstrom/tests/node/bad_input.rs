//! Bad input, byte for byte: none ends the node, and every request that has a
//! `msg_id` and a sender is answered.

use crate::common::{INIT, INIT_OK, node, replies_to, serve};

const PING: &str = r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":9,"echo":1}}"#;
const PONG: &str = r#"{"src":"n0","dest":"c1","body":{"type":"echo_ok","in_reply_to":9,"echo":1}}"#;

/// The line is answered with exactly this line (or nothing), and the node goes
/// on serving.
async fn check(line: impl AsRef<[u8]>, expected: &str) {
    let lines = [line.as_ref(), b"\n", PING.as_bytes()].concat();
    let (output, _) = replies_to(&lines).await;
    let newline = if expected.is_empty() { "" } else { "\n" };
    assert_eq!(output, format!("{expected}{newline}{PONG}\n"));
}

/// An error that `c1` is answered.
fn error(number: &str, code: u32, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(
        r#"{{"src":"n0","dest":"c1","body":{{"type":"error","in_reply_to":{number},"code":{code},"text":{text}}}}}"#
    )
}

/// A message of `c1` with this body.
fn from_c1(body: &str) -> String {
    format!(r#"{{"src":"c1","dest":"n0","body":{body}}}"#)
}

#[tokio::test]
async fn what_nobody_wants_an_answer_for_is_skipped() {
    for line in [
        // No JSON, or none that is a message.
        "hello",
        "\0",
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1"#,
        "1",
        "null",
        "\"text\"",
        "[]",
        r#"["c1","n0",{"type":"echo","msg_id":1}]"#,
        // Nobody to answer.
        r#"{"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":7,"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":null,"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        // Nothing to answer.
        r#"{"src":"c1","dest":"n0"}"#,
        r#"{"src":"c1","dest":"n0","body":7}"#,
        r#"{"src":"c1","dest":"n0","body":null}"#,
        r#"{"src":"c1","dest":"n0","body":"echo"}"#,
        r#"{"src":"c1","dest":"n0","body":["echo",1,null,1]}"#,
        // No number to refer to.
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","echo":1}}"#,
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":null,"echo":1}}"#,
        r#"{"src":"c1","dest":"n0","body":{"type":"frobnicate"}}"#,
        r#"{"src":"c1","dest":"n0","body":{"type":"add","delta":-1}}"#,
    ] {
        check(line, "").await;
    }
}

/// Each line is answered that it is malformed, to this number and with this text.
async fn check_malformed<const ROWS: usize>(rows: [(String, &str, &str); ROWS]) {
    for (line, number, text) in rows {
        check(line, &error(number, 12, text)).await;
    }
}

const BIG: &str = "123456789012345678901234567890";

#[tokio::test]
async fn what_is_malformed_in_an_envelope_or_a_header_is_answered_with_its_place() {
    check_malformed([
        (
            r#"{"src":"c1","body":{"type":"echo","msg_id":1,"echo":1}}"#.to_owned(),
            "1",
            "missing field `dest` at line 1 column 55",
        ),
        (
            r#"{"src":"c1","dest":["n0"],"body":{"type":"echo","msg_id":1,"echo":1}}"#.to_owned(),
            "1",
            "dest: invalid type: sequence, expected a string at line 1 column 19",
        ),
        (
            from_c1(r#"{"msg_id":1,"echo":1}"#),
            "1",
            "body: missing field `type` at line 1 column 52",
        ),
        (
            from_c1(r#"{"type":5,"msg_id":1}"#),
            "1",
            "body.type: invalid type: integer `5`, expected a string at line 1 column 40",
        ),
        (
            from_c1(r#"{"type":"echo","msg_id":"one","echo":1}"#),
            "\"one\"",
            "body.msg_id: invalid type: string \"one\", expected u64 at line 1 column 60",
        ),
        (
            from_c1(r#"{"type":"echo","msg_id":-1,"echo":1}"#),
            "-1",
            "body.msg_id: invalid value: integer `-1`, expected u64 at line 1 column 57",
        ),
        (
            from_c1(&format!(r#"{{"type":"echo","msg_id":{BIG},"echo":1}}"#)),
            BIG,
            "body.msg_id: invalid type: floating point `1.2345678901234568e+29`, expected u64 at \
             line 1 column 85",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_malformed_elsewhere_is_answered_with_its_place() {
    check_malformed([
        (
            from_c1(&format!(r#"{{"type":"add","msg_id":3,"delta":{BIG}}}"#)),
            "3",
            "`add`: delta: invalid type: floating point `1.2345678901234568e+29`, expected u32 at \
             line 1 column 63",
        ),
        (
            from_c1(r#"{"type":"echo","msg_id":1}"#),
            "1",
            "`echo`: missing field `echo` at line 1 column 26",
        ),
        (
            from_c1(r#"{"type":"add","msg_id":1,"delta":-1}"#),
            "1",
            "`add`: delta: invalid value: integer `-1`, expected u32 at line 1 column 35",
        ),
        (
            r#"{"\ud800":1,"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1}}"#.to_owned(),
            "1",
            "unexpected end of hex escape at line 1 column 9",
        ),
        (
            from_c1(r#"{"type":"frobnicate","\udfff":1,"msg_id":1}"#),
            "1",
            "body.?: lone leading surrogate in hex escape at line 1 column 59",
        ),
        (format!("{PING}{PING}"), "9", "more than one JSON value"),
    ])
    .await;
}

#[tokio::test]
async fn what_is_not_for_this_node_is_refused() {
    let unknown = from_c1(r#"{"type":"frobnicate","msg_id":1}"#);
    check(unknown, &error("1", 10, "no handler for `frobnicate`")).await;
    let elsewhere = r#"{"src":"c1","dest":"n5","body":{"type":"echo","msg_id":1,"echo":1}}"#;
    check(elsewhere, &error("1", 1, "this is n0, not n5")).await;
}

#[tokio::test]
async fn any_json_comes_back_as_it_was() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for payload in [&deep, &format!("[{BIG},-{BIG}.5e999]"), r#""\udc00""#, r#""\u0000""#] {
        let request = format!(r#"{{"type":"echo","msg_id":1,"echo":{payload}}}"#);
        let request = from_c1(&request).replacen('{', &format!(r#"{{"id":{payload},"#), 1);
        let reply = format!(r#"{{"type":"echo_ok","in_reply_to":1,"echo":{payload}}}"#);
        check(request, &format!(r#"{{"src":"n0","dest":"c1","body":{reply}}}"#)).await;
    }
    let text = "`add`: delta: invalid type: sequence, expected u32 at line 1 column 33";
    let add = from_c1(&format!(r#"{{"type":"add","msg_id":1,"delta":{deep}}}"#));
    check(add, &error("1", 12, text)).await;
}

#[tokio::test]
async fn empty_lines_are_no_messages() {
    let (output, stats) = replies_to(b"\n  \n\r\n\n").await;
    assert_eq!(output, "");
    assert_eq!((stats.received, stats.malformed), (1, 0));
}

#[tokio::test]
async fn a_request_before_init_is_answered_unavailable() {
    let (output, _) = serve(node(), format!("{PING}\n{INIT}\n{PING}\n").as_bytes()).await;
    let refused = error("9", 11, "this node has not been initialised yet");
    assert_eq!(output, format!("{refused}\n{INIT_OK}\n{PONG}\n"));
}

#[tokio::test]
async fn a_second_init_is_answered_and_changes_nothing() {
    check(INIT, INIT_OK).await;
    check(
        r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n0","n1"]}}"#,
        r#"{"src":"n0","dest":"c0","body":{"type":"error","in_reply_to":1,"code":22,"text":"`init`: this is n0 already, in another cluster"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_malformed_init_can_be_put_right() {
    let bad = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":0,"node_id":"n7","node_ids":["n0"]}}"#;
    let worse = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":0,"node_id":"n0"}}"#;
    let (output, _) = serve(node(), format!("{bad}\n{worse}\n{INIT}\n").as_bytes()).await;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"src":"n0","dest":"c0","body":{"type":"error","in_reply_to":0,"code":12,"text":"`init`: `node_ids` lacks `node_id` n7"}}"#,
            r#"{"src":"n0","dest":"c0","body":{"type":"error","in_reply_to":0,"code":12,"text":"`init`: missing field `node_ids` at line 1 column 41"}}"#,
            INIT_OK
        ]
    );
}

#[tokio::test]
async fn a_reply_to_nobody_is_counted_and_dropped() {
    let (output, stats) =
        replies_to(br#"{"src":"n1","dest":"n0","body":{"type":"add_ok","in_reply_to":77}}"#).await;
    assert_eq!(output, "");
    assert_eq!(stats.stray_replies, 1);
}

#[tokio::test]
async fn invalid_utf8_is_answered_when_the_rest_can_be_read() {
    let line = b"{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"echo\",\"msg_id\":1,\"echo\":\"\xff\"}}";
    check(line, &error("1", 12, "invalid utf-8 sequence of 1 bytes from index 65")).await;
    let line = b"{\"src\":\"c\xff\",\"dest\":\"n0\",\"body\":{\"type\":\"echo\",\"msg_id\":1}}";
    check(line, "").await;
    check(b"\xff\xfe", "").await;
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let (output, stats) =
        serve(node(), format!("\u{feff}{INIT}\n\u{feff}\n{PING}\n").as_bytes()).await;
    assert_eq!(output, format!("{INIT_OK}\n{PONG}\n"));
    assert_eq!((stats.received, stats.malformed), (2, 0));
}

#[tokio::test]
async fn escapes_in_names_and_types_are_understood() {
    check(
        r#"{"src":"c\"1\u0041","dest":"n0","b\u006fdy":{"typ\u0065":"ech\u006f","msg_id":1,"echo":"\u0000"}}"#,
        r#"{"src":"n0","dest":"c\"1A","body":{"type":"echo_ok","in_reply_to":1,"echo":"\u0000"}}"#,
    )
    .await;
}
