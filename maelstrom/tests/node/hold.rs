//! What is for other nodes and services is held back until they are surely there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maelstrom::{CallError, Context, Error, Node};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::common::{Add, INIT, INIT_OK, Peer, node, serve, serve_for};

const SECOND: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_secs(2);

maelstrom::message_types! {
    /// `{"type":"hello","number":…}`.
    "hello": struct Hello { number: u32 };
    "flood": struct Flood { text: String };
}

fn hello(dest: &str, number: u32) -> String {
    format!(r#"{{"src":"n0","dest":"{dest}","body":{{"type":"hello","number":{number}}}}}"#)
}

/// Greets others, a service and a client while it starts.
fn greeter() -> Node<()> {
    node().receive(async |_: Context<()>, _: Hello| {}).on_init(async |context| {
        for (number, dest) in (0..).zip(["n1", "lin-kv", "c7", "n1", "n0"]) {
            context.send(&dest.into(), &Hello { number });
        }
        Ok(())
    })
}

/// The order in which what [`greeter`] says leaves when `init_ok` does not wait.
fn greetings() -> [String; 4] {
    [hello("n1", 0), hello("lin-kv", 1), hello("n1", 3), hello("n0", 4)]
}

/// A peer of [`greeter`], after all that is not held.
async fn greeted() -> (Peer, Instant) {
    let mut peer = Peer::connect(greeter());
    let begun = Instant::now();
    peer.send(INIT).await;
    assert_eq!(peer.line().await, hello("c7", 2), "a client is there");
    assert_eq!(peer.line().await, INIT_OK);
    (peer, begun)
}

/// The greetings come, and then the node's own answer, after this time.
async fn assert_released(peer: &mut Peer, begun: Instant, after: Duration, answer: Option<&str>) {
    for greeting in greetings() {
        assert_eq!(peer.line().await, greeting);
    }
    if let Some(answer) = answer {
        assert_eq!(peer.line().await, answer);
    }
    assert_eq!(begun.elapsed(), after);
}

#[tokio::test(start_paused = true)]
async fn two_seconds_after_init_everybody_is_there() {
    let (mut peer, begun) = greeted().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "init was not answered at once");
    // The clock of Tokio has a grain of a millisecond.
    for greeting in greetings() {
        assert_eq!(peer.line().await, greeting);
    }
    assert!((HOLD..HOLD + Duration::from_millis(2)).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_clients_request_shows_that_everybody_is_there() {
    let (mut peer, begun) = greeted().await;
    peer.send(r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":2,"echo":5}}"#).await;
    let answer = r#"{"src":"n0","dest":"c1","body":{"type":"echo_ok","in_reply_to":2,"echo":5}}"#;
    assert_released(&mut peer, begun, Duration::ZERO, Some(answer)).await;
}

#[tokio::test(start_paused = true)]
async fn another_nodes_message_shows_it_too() {
    let (mut peer, begun) = greeted().await;
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"hello","number":9}}"#).await;
    assert_released(&mut peer, begun, Duration::ZERO, None).await;
}

#[tokio::test(start_paused = true)]
async fn neither_init_again_nor_a_message_before_it_shows_anything() {
    let mut peer = Peer::connect(greeter());
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"hello","msg_id":4,"number":9}}"#).await;
    let refused = peer.line().await;
    assert!(refused.contains(r#""dest":"n1","body":{"type":"error","in_reply_to":4,"code":11"#));
    let begun = Instant::now();
    peer.send(&format!("{INIT}\n{INIT}")).await;
    assert_eq!(peer.line().await, hello("c7", 2));
    assert_eq!([peer.line().await, peer.line().await], [INIT_OK, INIT_OK]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(peer.line().await, hello("n1", 0));
    assert!(begun.elapsed() >= HOLD);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_leaves_when_the_node_ends() {
    let expected = [hello("c7", 2), INIT_OK.to_owned()].into_iter().chain(greetings());
    let expected: String = expected.flat_map(|line| [line, "\n".to_owned()]).collect();
    let (output, _) = serve(greeter(), format!("{INIT}\n").as_bytes()).await;
    assert_eq!(output, expected, "at the end of input");

    assert_eq!(serve_for(greeter(), INIT, SECOND).await, expected, "at a shutdown");
}

/// Asks `lin-kv` for something before `init` is answered.
fn caller() -> Node<()> {
    node().on_init(async |context| {
        let answer = context.call(&"lin-kv".into(), &Add { delta: 1 }, SECOND).await;
        answer.map(drop).map_err(|error| match error {
            CallError::Timeout { .. } => Error::unavailable("lin-kv is slow"),
            other => Error::crash(other),
        })
    })
}

/// Waits for the call, and returns its number.
async fn call(peer: &mut Peer) -> String {
    let call = peer.line().await;
    let number = call
        .strip_prefix(r#"{"src":"n0","dest":"lin-kv","body":{"type":"add","msg_id":"#)
        .and_then(|rest| rest.strip_suffix(r#","delta":1}}"#));
    number.unwrap_or_else(|| panic!("no call: {call}")).to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_await_a_call_whose_timeout_is_shorter_than_the_hold() {
    let mut peer = Peer::connect(caller());
    let begun = Instant::now();
    peer.send(INIT).await;
    let number = call(&mut peer).await;
    assert!(begun.elapsed() >= HOLD);
    sleep(SECOND / 2).await;
    peer.send(&format!(
        r#"{{"src":"lin-kv","dest":"n0","body":{{"type":"add_ok","in_reply_to":{number}}}}}"#
    ))
    .await;
    assert_eq!(peer.line().await, INIT_OK);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_hook_awaits_another_one_turns_that_ones_requests_away_meanwhile() {
    let node = node().on_init(async |context| {
        context.call(&"n1".into(), &Add { delta: 1 }, SECOND).await?;
        Ok(())
    });
    let mut peer = Peer::connect(node);
    peer.send(INIT).await;
    assert!(peer.line().await.contains(r#""dest":"n1","body":{"type":"add""#));
    peer.send(r#"{"src":"n1","dest":"n0","body":{"type":"add","msg_id":7,"delta":1}}"#).await;
    let refused = peer.line().await;
    assert!(refused.contains(r#""dest":"n1","body":{"type":"error","in_reply_to":7,"code":11"#));
    // Were n1 such a node, too, it would have answered the same.
    assert!(peer.line().await.contains(r#""in_reply_to":1,"code":0"#), "init is refused");
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_held_call_begins_when_it_leaves() {
    let mut peer = Peer::connect(caller());
    peer.send(INIT).await;
    call(&mut peer).await;
    let left = Instant::now();
    assert!(peer.line().await.contains("lin-kv is slow"));
    assert!((SECOND..SECOND + Duration::from_millis(2)).contains(&left.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_held_call_ends_with_the_input() {
    let begun = Instant::now();
    let (output, _) = serve(caller(), format!("{INIT}\n").as_bytes()).await;
    assert!(output.contains(r#""dest":"lin-kv""#), "{output}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_floods_others_while_it_is_held_back_is_slowed_down() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let node = node().on_init(move |context| {
        let counter = Arc::clone(&counter);
        async move {
            let flooder = context.clone();
            context.spawn(async move {
                while counter.fetch_add(1, Ordering::Relaxed) < 100 {
                    flooder.send(&"n1".into(), &Flood { text: "x".repeat(1 << 20) });
                    yield_now().await;
                }
            });
            Ok(())
        }
    });
    let mut peer = Peer::connect(node);
    peer.send(INIT).await;
    assert_eq!(peer.line().await, INIT_OK);
    sleep(SECOND).await;
    assert_eq!(sent.load(Ordering::Relaxed), 16, "more than 16 MiB are held");
    for _ in 0..100 {
        assert!(peer.line().await.contains(r#""type":"flood""#));
    }
}
