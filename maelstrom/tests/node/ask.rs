//! Calls to all other nodes at once: who is waited for, and for how long.

use std::time::Duration;

use maelstrom::{CallError, Context, Empty, Error, Node, NodeId};
use tokio::time::Instant;

use crate::common::{Add, Peer};

const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1","n2","n3","n4"]}}"#;
const SECOND: Duration = Duration::from_secs(1);

maelstrom::message_types! {
    "all": struct All {} -> struct Saw { saw: String };
    "quorum": struct Quorum {} -> Saw;
    "each": struct Each {} -> Empty;
    "seen": struct Seen { by: NodeId, ok: bool };
}

const ADD: Add = Add { delta: 1 };

async fn all(context: Context<()>, _: All) -> Result<Saw, Error> {
    let show = |(peer, answer): (NodeId, Result<Empty, CallError>)| match answer {
        Ok(Empty {}) => format!("{peer}: ok"),
        Err(error) => format!("{peer}: {error}"),
    };
    let answers = context.call_all(&ADD, SECOND).await;
    Ok(Saw { saw: answers.into_iter().map(show).collect::<Vec<_>>().join("; ") })
}

async fn quorum(context: Context<()>, _: Quorum) -> Result<Saw, Error> {
    let answers = context.call_quorum(&ADD, SECOND).await?;
    let peers: Vec<String> = answers.iter().map(|(peer, _)| peer.to_string()).collect();
    Ok(Saw { saw: peers.join(", ") })
}

async fn each(context: Context<()>, _: Each) -> Result<Empty, Error> {
    context.call_each(ADD, SECOND, |context, by, answer| {
        context.send(&"c1".into(), &Seen { by, ok: answer.is_ok() });
    });
    Ok(Empty {})
}

/// A node of five that has been asked for `what`, with the numbers of its calls.
async fn ask(what: &str) -> (Peer, Vec<String>) {
    let mut peer = Peer::connect(Node::new(|_| ()).handle(all).handle(quorum).handle(each));
    peer.send(INIT).await;
    peer.line().await;
    peer.send(&format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"{what}","msg_id":2}}}}"#))
        .await;
    if what == "each" {
        assert_eq!(reply(&mut peer).await, r#"{"type":"each_ok","in_reply_to":2}"#);
    }
    let mut numbers = Vec::new();
    for to in 1..5 {
        let line = peer.line().await;
        let before = format!(r#"{{"src":"n0","dest":"n{to}","body":{{"type":"add","msg_id":"#);
        let number =
            line.strip_prefix(&before).and_then(|rest| rest.strip_suffix(r#","delta":1}}"#));
        numbers.push(number.unwrap_or_else(|| panic!("no call of n{to}: {line}")).to_owned());
    }
    (peer, numbers)
}

async fn answer(peer: &mut Peer, numbers: &[String], from: usize, body: &str) {
    let number = &numbers[from - 1];
    peer.send(&format!(
        r#"{{"src":"n{from}","dest":"n0","body":{{"in_reply_to":{number},{body}}}}}"#
    ))
    .await;
}

/// The body of what the client gets next.
async fn reply(peer: &mut Peer) -> String {
    let line = peer.line().await;
    let body = line.strip_prefix(r#"{"src":"n0","dest":"c1","body":"#);
    body.and_then(|rest| rest.strip_suffix('}')).expect("a message to the client").to_owned()
}

const OK: &str = r#""type":"add_ok""#;
const BUSY: &str = r#""type":"error","code":11,"text":"busy""#;

#[tokio::test(start_paused = true)]
async fn all_are_waited_for_up_to_the_timeout() {
    let (mut peer, numbers) = ask("all").await;
    let asked = Instant::now();
    answer(&mut peer, &numbers, 3, OK).await;
    answer(&mut peer, &numbers, 1, BUSY).await;
    answer(&mut peer, &numbers, 4, OK).await;
    let saw = "n3: ok; n1: n1 answered temporarily-unavailable (11): busy; n4: ok; n2: n2 did not answer within 1s";
    let expected = format!(r#"{{"type":"all_ok","in_reply_to":2,"saw":"{saw}"}}"#);
    assert_eq!(reply(&mut peer).await, expected);
    assert_eq!(asked.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_majority_is_enough_and_counts_the_node_itself() {
    let (mut peer, numbers) = ask("quorum").await;
    let asked = Instant::now();
    answer(&mut peer, &numbers, 2, BUSY).await;
    answer(&mut peer, &numbers, 4, OK).await;
    answer(&mut peer, &numbers, 1, OK).await;
    assert_eq!(reply(&mut peer).await, r#"{"type":"quorum_ok","in_reply_to":2,"saw":"n4, n1"}"#);
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_the_outcome_is_unknown_as_soon_as_that_is_known() {
    let (mut peer, numbers) = ask("quorum").await;
    let asked = Instant::now();
    answer(&mut peer, &numbers, 4, OK).await;
    for from in 1..4 {
        answer(&mut peer, &numbers, from, BUSY).await;
    }
    let text =
        "1 of 2 answers that make a majority; n3 answered temporarily-unavailable (11): busy";
    let expected = format!(r#"{{"type":"error","in_reply_to":2,"code":13,"text":"{text}"}}"#);
    assert_eq!(reply(&mut peer).await, expected);
    assert_eq!(asked.elapsed(), Duration::ZERO);

    let (mut peer, _) = ask("quorum").await;
    let text = "0 of 2 answers that make a majority; n3 did not answer within 1s";
    let expected = format!(r#"{{"type":"error","in_reply_to":2,"code":0,"text":"{text}"}}"#);
    assert_eq!(reply(&mut peer).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_is_a_majority() {
    let mut peer = Peer::connect(Node::new(|_| ()).handle(quorum));
    peer.send(&INIT.replace(r#","n1","n2","n3","n4""#, "")).await;
    peer.line().await;
    peer.send(r#"{"src":"c1","dest":"n0","body":{"type":"quorum","msg_id":2}}"#).await;
    assert_eq!(reply(&mut peer).await, r#"{"type":"quorum_ok","in_reply_to":2,"saw":""}"#);
}

#[tokio::test(start_paused = true)]
async fn each_answer_is_handled_when_it_comes_and_nobody_waits_for_the_slowest() {
    let (mut peer, numbers) = ask("each").await;
    let asked = Instant::now();
    for (from, answer_body, ok) in [(3, OK, true), (1, BUSY, false), (2, OK, true)] {
        answer(&mut peer, &numbers, from, answer_body).await;
        let seen = format!(r#"{{"type":"seen","by":"n{from}","ok":{ok}}}"#);
        assert_eq!(reply(&mut peer).await, seen);
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(reply(&mut peer).await, r#"{"type":"seen","by":"n4","ok":false}"#);
    assert_eq!(asked.elapsed(), SECOND);
}
