//! The clients of the services, byte for byte.

use std::time::Duration;

use maelstrom::kv::UpdateError;
use maelstrom::{CallError, Context, Error, Node};

use crate::common::Peer;

maelstrom::message_types! {
    /// `{"type":"go","what":"read"}`: use a client.
    "go": struct Go { what: String } -> struct Went { saw: String };
}

const HALF: Duration = Duration::from_millis(500);

async fn go(context: Context<()>, Go { what }: Go) -> Result<Went, Error> {
    let (lin, seq, lww) = (context.lin_kv(), context.seq_kv(), context.lww_kv());
    let increment = |value: Option<&u64>| Some(value.copied().unwrap_or(0) + 1);
    let saw = match what.as_str() {
        "read" => format!("{:?}", lin.read::<Vec<u64>>("key").await?),
        "write" => format!("{:?}", lww.write(&7, &[1, 2]).await?),
        "cas" => format!("{:?}", lin.cas(&[1], "a", "b").await?),
        "create" => format!("{:?}", seq.cas_or_create("key", &1, &2).await?),
        "impatient" => format!("{:?}", lin.timeout(HALF).read::<u64>("key").await),
        "update" => match lin.update("key", increment).await {
            Ok(value) => format!("{value:?}"),
            Err(UpdateError::NotDone(error)) => format!("not done: {error}"),
            Err(UpdateError::Unknown(error)) => format!("unknown: {error}"),
        },
        other => return Err(Error::malformed(other)),
    };
    Ok(Went { saw })
}

/// Has the node use a client; what it sends is compared (numbers aside) and
/// answered, and then what it saw is compared.
async fn check(what: &str, exchange: &[(&str, &str, &str)], saw: &str) {
    let mut peer = Peer::start(Node::new(|_| ()).handle(go)).await;
    let go =
        format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"go","msg_id":1,"what":"{what}"}}}}"#);
    peer.send(&go).await;
    for (service, expected, answer) in exchange {
        let line = peer.line().await;
        let (before, after) = line.split_once(r#","msg_id":"#).expect("a request");
        let (number, fields) = after.split_once(',').unwrap_or((after.trim_end_matches('}'), "}}"));
        let request = format!("{before},{fields}").replace(",}}", "}}");
        let expected = format!(r#"{{"src":"n0","dest":"{service}","body":{{{expected}}}}}"#);
        assert_eq!(request, expected);
        if !answer.is_empty() {
            peer.send(&format!(
                r#"{{"src":"{service}","dest":"n0","body":{{"in_reply_to":{number},{answer}}}}}"#
            ))
            .await;
        }
    }
    let reply = peer.line().await;
    let saw = serde_json::to_string(saw).unwrap();
    assert_eq!(
        reply,
        format!(
            r#"{{"src":"n0","dest":"c1","body":{{"type":"go_ok","in_reply_to":1,"saw":{saw}}}}}"#
        )
    );
}

const MISSING: &str = r#""type":"error","code":20,"text":"not found""#;
const RACE: &str = r#""type":"error","code":22,"text":"expected 1, had 2""#;
const BUSY: &str = r#""type":"error","code":11,"text":"busy""#;
const CAS_OK: &str = r#""type":"cas_ok""#;
const READ: &str = r#""type":"read","key":"key""#;

#[tokio::test(start_paused = true)]
async fn a_read_returns_the_value_or_that_there_is_none() {
    let ok = r#""type":"read_ok","value":[1,2]"#;
    check("read", &[("lin-kv", READ, ok)], "Some([1, 2])").await;
    check("read", &[("lin-kv", READ, MISSING)], "None").await;
}

#[tokio::test(start_paused = true)]
async fn a_write_takes_any_key_and_value() {
    let write = r#""type":"write","key":7,"value":[1,2]"#;
    check("write", &[("lww-kv", write, r#""type":"write_ok""#)], "()").await;
}

#[tokio::test(start_paused = true)]
async fn a_cas_tells_a_missing_key_from_another_value() {
    let cas = r#""type":"cas","key":[1],"from":"a","to":"b""#;
    check("cas", &[("lin-kv", cas, CAS_OK)], "Set").await;
    check("cas", &[("lin-kv", cas, RACE)], "OtherValue").await;
    check("cas", &[("lin-kv", cas, MISSING)], "NoSuchKey").await;
    let create = r#""type":"cas","key":"key","from":1,"to":2,"create_if_not_exists":true"#;
    check("create", &[("seq-kv", create, CAS_OK)], "true").await;
}

#[tokio::test(start_paused = true)]
async fn the_caller_chooses_the_patience() {
    let timeout = CallError::Timeout { dest: "lin-kv".to_owned(), after: HALF };
    let saw = format!("{:?}", Err::<Option<u64>, _>(timeout));
    check("impatient", &[("lin-kv", READ, "")], &saw).await;
}

const FIVE: &str = r#""type":"read_ok","value":5"#;
const SIX: &str = r#""type":"read_ok","value":6"#;
const FIVE_TO_SIX: &str = r#""type":"cas","key":"key","from":5,"to":6"#;
const SIX_TO_SEVEN: &str = r#""type":"cas","key":"key","from":6,"to":7"#;

#[tokio::test(start_paused = true)]
async fn an_update_starts_again_after_a_lost_race() {
    check(
        "update",
        &[
            ("lin-kv", READ, FIVE),
            ("lin-kv", FIVE_TO_SIX, RACE),
            ("lin-kv", READ, SIX),
            ("lin-kv", SIX_TO_SEVEN, CAS_OK),
        ],
        "Some(7)",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_cas_timed_out_says_that_it_does_not_know() {
    check(
        "update",
        &[("lin-kv", READ, FIVE), ("lin-kv", FIVE_TO_SIX, "")],
        "unknown: lin-kv did not answer within 1s",
    )
    .await;
    check(
        "update",
        &[("lin-kv", READ, FIVE), ("lin-kv", FIVE_TO_SIX, BUSY)],
        "not done: lin-kv answered temporarily-unavailable (11): busy",
    )
    .await;
}
