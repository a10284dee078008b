//! Calls: replies find their call, and a call that ended leaves nothing behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use maelstrom::{CallError, Context, Error, Node};
use tokio::io::AsyncWriteExt as _;

use crate::common::{Add, Peer};

const SECOND: Duration = Duration::from_secs(1);

maelstrom::message_types! {
    /// `{"type":"go"}`: have the node call n1.
    "go": struct Go {} -> struct Went { saw: String };
    "bounce": struct Bounce { depth: u32 } -> Bounce;
    "gossip": struct Gossip { value: u64 };
}

async fn go(context: Context<()>, _: Go) -> Result<Went, Error> {
    let answer = context.call(&"n1".into(), &Add { delta: 1 }, SECOND).await;
    Ok(Went { saw: answer.map_or_else(|error| error.to_string(), |_| "add_ok".to_owned()) })
}

/// What the tests ask the node for.
trait Going {
    async fn go(&mut self) -> u64;
    async fn saw(&mut self) -> String;
}

impl Going for Peer {
    /// Has the node call, and returns the call's number.
    async fn go(&mut self) -> u64 {
        self.send(r#"{"src":"c1","dest":"n0","body":{"type":"go","msg_id":5}}"#).await;
        let call = self.line().await;
        let number = call
            .strip_prefix(r#"{"src":"n0","dest":"n1","body":{"type":"add","msg_id":"#)
            .and_then(|rest| rest.strip_suffix(r#","delta":1}}"#));
        number.unwrap_or_else(|| panic!("no call: {call}")).parse().unwrap()
    }

    /// What the node says that it saw.
    async fn saw(&mut self) -> String {
        let reply = self.line().await;
        let text = reply
            .strip_prefix(
                r#"{"src":"n0","dest":"c1","body":{"type":"go_ok","in_reply_to":5,"saw":"#,
            )
            .and_then(|rest| rest.strip_suffix("}}"));
        serde_json::from_str(text.unwrap_or_else(|| panic!("no reply: {reply}"))).unwrap()
    }
}

fn caller() -> Node<()> {
    Node::new(|_| ()).handle(go)
}

fn add_ok(src: &str, number: u64) -> String {
    format!(r#"{{"src":"{src}","dest":"n0","body":{{"type":"add_ok","in_reply_to":{number}}}}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_reply_finds_its_call() {
    let mut peer = Peer::start(caller()).await;
    let number = peer.go().await;
    peer.send(&add_ok("n1", number)).await;
    assert_eq!(peer.saw().await, "add_ok");
}

#[tokio::test(start_paused = true)]
async fn an_error_reply_is_seen_with_its_code() {
    let mut peer = Peer::start(caller()).await;
    let number = peer.go().await;
    peer.send(&format!(r#"{{"src":"n1","dest":"n0","body":{{"type":"error","in_reply_to":{number},"code":14,"text":"no"}}}}"#)).await;
    assert_eq!(peer.saw().await, "n1 answered abort (14): no");
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_and_a_duplicate_and_one_from_elsewhere_change_nothing() {
    let mut peer = Peer::start(caller()).await;
    let late = peer.go().await;
    assert_eq!(peer.saw().await, "n1 did not answer within 1s");
    peer.send(&add_ok("n1", late)).await;

    let number = peer.go().await;
    assert_ne!(number, late);
    peer.send(&add_ok("n1", late)).await;
    peer.send(&add_ok("n2", number)).await;
    assert_eq!(peer.saw().await, "n1 did not answer within 1s", "none of them was its reply");

    let number = peer.go().await;
    peer.send(&add_ok("n1", number)).await;
    peer.send(&add_ok("n1", number)).await;
    assert_eq!(peer.saw().await, "add_ok");
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_another_type_is_undecodable() {
    let mut peer = Peer::start(caller()).await;
    let number = peer.go().await;
    peer.send(&format!(
        r#"{{"src":"n1","dest":"n0","body":{{"type":"read_ok","in_reply_to":{number}}}}}"#
    ))
    .await;
    assert_eq!(
        peer.saw().await,
        "n1 answered something else than expected: a reply of type `read_ok` to a `add`"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_code_that_is_no_integer_is_undecodable() {
    let mut peer = Peer::start(caller()).await;
    let number = peer.go().await;
    peer.send(&format!(
        r#"{{"src":"n1","dest":"n0","body":{{"type":"error","in_reply_to":{number},"code":"14"}}}}"#
    ))
    .await;
    let saw = peer.saw().await;
    assert!(
        saw.starts_with("n1 answered something else than expected: code: invalid type: string"),
        "{saw}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_ends_calls_at_once() {
    let mut peer = Peer::start(caller()).await;
    peer.go().await;
    let start = tokio::time::Instant::now();
    peer.writer.shutdown().await.unwrap();
    assert_eq!(peer.saw().await, "the node is shutting down");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_call_each_other_inside_handlers_make_progress() {
    async fn bounce(context: Context<()>, Bounce { depth }: Bounce) -> Result<Bounce, Error> {
        if depth == 0 {
            return Ok(Bounce { depth });
        }
        let other = context.peers().next().expect("two nodes").clone();
        let Bounce { depth } = context.call(&other, &Bounce { depth: depth - 1 }, SECOND).await?;
        Ok(Bounce { depth: depth + 1 })
    }

    let node = || Node::new(|_| ()).handle(bounce);
    let mut first = Peer::start(node()).await;
    let mut second = Peer::start(node()).await;
    second.send(r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n0","n1"]}}"#).await;
    second.line().await;
    drop(second);
    // One node under both names: what it sends to n1 comes back to it as from n1.
    for request in 0..3 {
        first.send(&format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"bounce","msg_id":{request},"depth":6}}}}"#)).await;
    }
    let mut answered = 0;
    while answered < 3 {
        let line = first.line().await;
        if line.contains(r#""dest":"c1""#) {
            assert!(line.contains(r#""depth":6"#), "{line}");
            answered += 1;
        } else {
            let line = line.replace(r#""src":"n0","dest":"n1""#, r#""src":"n1","dest":"n0""#);
            first.send(&line).await;
        }
    }
}

/// Calls that are made together, each in a task of its own or all in one handler, and
/// time out together; how often they were polled.
async fn polls_of(calls: usize, each_in_a_task: bool) -> usize {
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    let node = Node::new(|_| ()).handle(move |context: Context<()>, _: Go| {
        let polls = Arc::clone(&counter);
        async move {
            let call = || {
                let (context, polls) = (context.clone(), Arc::clone(&polls));
                let call = async move {
                    let ended = context.call(&"n1".into(), &Add { delta: 1 }, SECOND).await;
                    assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
                };
                let mut call = Box::pin(call);
                std::future::poll_fn(move |cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    call.as_mut().poll(cx)
                })
            };
            if each_in_a_task {
                (0..calls).for_each(|_| context.spawn(call()));
                tokio::time::sleep(2 * SECOND).await;
            } else {
                join_all((0..calls).map(|_| call())).await;
            }
            Ok(Went { saw: "timeouts".to_owned() })
        }
    });
    let mut peer = Peer::start(node).await;
    peer.send(r#"{"src":"c1","dest":"n0","body":{"type":"go","msg_id":5}}"#).await;
    for _ in 0..calls {
        peer.line().await;
    }
    assert_eq!(peer.saw().await, "timeouts");
    polls.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn what_a_call_costs_does_not_grow_with_the_number_of_those_that_end_with_it() {
    for each_in_a_task in [true, false] {
        for calls in [1_000, 10_000] {
            let polls = polls_of(calls, each_in_a_task).await;
            assert_eq!(polls, 2 * calls, "{calls} calls, each in a task: {each_in_a_task}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_without_answer_go_to_their_handler() {
    let node =
        Node::new(|_| ()).receive(|context: Context<()>, Gossip { value }: Gossip| async move {
            context.send(&"n1".into(), &Gossip { value: value + 1 });
        });
    let mut peer = Peer::start(node).await;
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"gossip","value":7}}"#).await;
    assert_eq!(peer.line().await, r#"{"src":"n0","dest":"n1","body":{"type":"gossip","value":8}}"#);
    peer.send(r#"{"src":"c1","dest":"n0","body":{"type":"gossip","msg_id":3,"value":7}}"#).await;
    peer.line().await;
    let reply = peer.line().await;
    assert_eq!(reply, r#"{"src":"n0","dest":"c1","body":{"type":"gossip_ok","in_reply_to":3}}"#);
}
