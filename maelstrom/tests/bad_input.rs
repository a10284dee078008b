//! Bad input, byte for byte: none ends the node, and every request that has a
//! `msg_id` and a sender is answered.

mod common;

use common::{INIT, INIT_OK, node, replies_to, serve};

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

#[tokio::test]
async fn what_is_no_json_is_skipped() {
    check("hello", "").await;
    check(r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1"#, "").await;
    check("\0", "").await;
}

#[tokio::test]
async fn json_that_is_no_object_is_skipped() {
    for line in ["1", "null", "\"text\"", "[]", r#"["c1","n0",{"type":"echo","msg_id":1}]"#] {
        check(line, "").await;
    }
}

#[tokio::test]
async fn empty_lines_are_no_messages() {
    let (output, stats) = replies_to(b"\n  \n\r\n\n").await;
    assert_eq!(output, "");
    assert_eq!((stats.received, stats.malformed), (1, 0));
}

#[tokio::test]
async fn a_missing_src_leaves_nobody_to_answer() {
    check(r#"{"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#, "").await;
}

#[tokio::test]
async fn a_missing_dest_is_answered() {
    check(
        r#"{"src":"c1","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"missing field `dest` at line 1 column 55"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_missing_body_leaves_nothing_to_answer() {
    check(r#"{"src":"c1","dest":"n0"}"#, "").await;
}

#[tokio::test]
async fn a_missing_type_is_answered() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"msg_id":1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"body: missing field `type` at line 1 column 52"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_src_of_a_wrong_type_leaves_nobody_to_answer() {
    check(r#"{"src":7,"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#, "").await;
    check(r#"{"src":null,"dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#, "").await;
}

#[tokio::test]
async fn a_dest_of_a_wrong_type_is_answered() {
    check(
        r#"{"src":"c1","dest":["n0"],"body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"dest: invalid type: sequence, expected a string at line 1 column 19"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_body_of_a_wrong_type_leaves_nothing_to_answer() {
    for body in ["7", "null", "\"echo\"", r#"["echo",1,null,1]"#] {
        check(format!(r#"{{"src":"c1","dest":"n0","body":{body}}}"#), "").await;
    }
}

#[tokio::test]
async fn a_type_of_a_wrong_type_is_answered() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":5,"msg_id":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"body.type: invalid type: integer `5`, expected a string at line 1 column 40"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_msg_id_that_is_no_integer_is_answered_as_it_came() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":"one","echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":"one","code":12,"text":"body.msg_id: invalid type: string \"one\", expected u64 at line 1 column 60"}}"#,
    )
    .await;
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":-1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":-1,"code":12,"text":"body.msg_id: invalid value: integer `-1`, expected u64 at line 1 column 57"}}"#,
    )
    .await;
}

#[tokio::test]
async fn numbers_beyond_64_bits_do_no_harm() {
    let big = "123456789012345678901234567890";
    check(
        format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"echo","msg_id":{big},"echo":1}}}}"#),
        &format!(r#"{{"src":"n0","dest":"c1","body":{{"type":"error","in_reply_to":{big},"code":12,"text":"body.msg_id: invalid type: floating point `1.2345678901234568e+29`, expected u64 at line 1 column 85"}}}}"#),
    )
    .await;
    check(
        format!(r#"{{"id":{big},"src":"c1","dest":"n0","body":{{"type":"echo","msg_id":2,"echo":[{big},-{big}.5e999]}}}}"#),
        &format!(r#"{{"src":"n0","dest":"c1","body":{{"type":"echo_ok","in_reply_to":2,"echo":[{big},-{big}.5e999]}}}}"#),
    )
    .await;
    check(
        format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"add","msg_id":3,"delta":{big}}}}}"#),
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":3,"code":12,"text":"`add`: delta: invalid type: floating point `1.2345678901234568e+29`, expected u32 at line 1 column 63"}}"#,
    )
    .await;
}

#[tokio::test]
async fn an_unknown_type_is_not_supported() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"frobnicate","msg_id":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":10,"text":"no handler for `frobnicate`"}}"#,
    )
    .await;
    check(r#"{"src":"c1","dest":"n0","body":{"type":"frobnicate"}}"#, "").await;
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_malformed_and_the_field_is_named() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"`echo`: missing field `echo` at line 1 column 26"}}"#,
    )
    .await;
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"add","msg_id":1,"delta":-1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"`add`: delta: invalid value: integer `-1`, expected u32 at line 1 column 35"}}"#,
    )
    .await;
    check(r#"{"src":"c1","dest":"n0","body":{"type":"add","delta":-1}}"#, "").await;
}

#[tokio::test]
async fn a_request_before_init_is_answered_unavailable() {
    let (output, _) = serve(node(), format!("{PING}\n{INIT}\n{PING}\n").as_bytes()).await;
    assert_eq!(
        output,
        format!(
            "{}\n{INIT_OK}\n{PONG}\n",
            r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":9,"code":11,"text":"this node has not been initialised yet"}}"#
        )
    );
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
    check(
        b"{\"src\":\"c1\",\"dest\":\"n0\",\"body\":{\"type\":\"echo\",\"msg_id\":1,\"echo\":\"\xff\"}}",
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"invalid utf-8 sequence of 1 bytes from index 65"}}"#,
    )
    .await;
    check(b"{\"src\":\"c\xff\",\"dest\":\"n0\",\"body\":{\"type\":\"echo\",\"msg_id\":1}}", "")
        .await;
    check(b"\xff\xfe", "").await;
}

#[tokio::test]
async fn nesting_ten_thousand_deep_comes_back() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    check(
        format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"echo","msg_id":1,"echo":{deep}}}}}"#),
        &format!(r#"{{"src":"n0","dest":"c1","body":{{"type":"echo_ok","in_reply_to":1,"echo":{deep}}}}}"#),
    )
    .await;
    check(
        format!(r#"{{"x":{deep},"src":"c1","dest":"n0","body":{{"type":"add","msg_id":1,"delta":{deep}}}}}"#),
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"`add`: delta: invalid type: sequence, expected u32 at line 1 column 33"}}"#,
    )
    .await;
}

#[tokio::test]
async fn half_a_surrogate_pair_in_a_key_is_answered_and_in_a_payload_comes_back() {
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1,"echo":"\udc00"}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"echo_ok","in_reply_to":1,"echo":"\udc00"}}"#,
    )
    .await;
    check(
        r#"{"\ud800":1,"src":"c1","dest":"n0","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"unexpected end of hex escape at line 1 column 9"}}"#,
    )
    .await;
    check(
        r#"{"src":"c1","dest":"n0","body":{"type":"frobnicate","\udfff":1,"msg_id":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":12,"text":"body.?: lone leading surrogate in hex escape at line 1 column 59"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let (output, stats) =
        serve(node(), format!("\u{feff}{INIT}\n\u{feff}\n{PING}\n").as_bytes()).await;
    assert_eq!(output, format!("{INIT_OK}\n{PONG}\n"));
    assert_eq!((stats.received, stats.malformed), (2, 0));
}

#[tokio::test]
async fn two_values_on_a_line_are_one_malformed_message() {
    check(
        format!("{PING}{PING}"),
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":9,"code":12,"text":"more than one JSON value"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_message_for_another_node_is_refused() {
    check(
        r#"{"src":"c1","dest":"n5","body":{"type":"echo","msg_id":1,"echo":1}}"#,
        r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":1,"text":"this is n0, not n5"}}"#,
    )
    .await;
}

#[tokio::test]
async fn escapes_in_names_and_types_are_understood() {
    check(
        r#"{"src":"c\"1\u0041","dest":"n0","b\u006fdy":{"typ\u0065":"ech\u006f","msg_id":1,"echo":"\u0000"}}"#,
        r#"{"src":"n0","dest":"c\"1A","body":{"type":"echo_ok","in_reply_to":1,"echo":"\u0000"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_request_without_a_msg_id_is_handled_and_not_answered() {
    check(r#"{"src":"c1","dest":"n0","body":{"type":"echo","echo":1}}"#, "").await;
    check(r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":null,"echo":1}}"#, "").await;
}
