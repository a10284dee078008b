//! Turns: nobody waits for long because others have much to do, and the end comes in any
//! case.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maelstrom::{Context, Host, Node};
use tokio::io::{AsyncWriteExt as _, BufReader, duplex, sink};
use tokio::time::{Instant, sleep};

use crate::common::{Counted, Echo, Endless, INIT, INIT_OK, Peer, node};

const ECHO: &str = r#"{"src":"c1","dest":"n0","body":{"type":"echo","msg_id":2,"echo":1}}"#;
const ECHO_OK: &str =
    r#"{"src":"n0","dest":"c1","body":{"type":"echo_ok","in_reply_to":2,"echo":1}}"#;
const MILLISECOND: Duration = Duration::from_millis(1);

/// Takes a millisecond of the processor's time, as far as a node can tell.
fn work() {
    #[expect(clippy::disallowed_methods, reason = "a handler that does not await is the point")]
    std::thread::sleep(MILLISECOND);
}

/// In how many writes a hundred requests are answered.
async fn writes_of_a_hundred_answers(node: Node<()>) -> usize {
    let output = Counted::default();
    let input = format!("{INIT}\n{}", format!("{ECHO}\n").repeat(100));
    node.run(input.as_bytes(), output.clone(), Host::seeded(1)).await.unwrap();
    output.0.lock().unwrap().writes
}

#[tokio::test]
async fn answers_do_not_wait_for_all_the_input_that_has_arrived() {
    let node = Node::new(|_| ()).handle(async |_: Context<()>, request: Echo| {
        work();
        Ok(request)
    });
    // At least 100 ms, in turns of 4 ms; fewer turns only if a single step takes longer.
    let writes = writes_of_a_hundred_answers(node).await;
    assert!(writes >= 10, "{writes} writes");
}

#[tokio::test]
async fn answers_do_not_wait_for_all_handlers_that_go_on_together() {
    let node = Node::new(|_| ()).handle(async |_: Context<()>, request: Echo| {
        sleep(100 * MILLISECOND).await;
        work();
        Ok(request)
    });
    let writes = writes_of_a_hundred_answers(node).await;
    assert!(writes >= 10, "{writes} writes");
}

#[tokio::test]
async fn timers_go_off_while_there_is_always_something_to_read() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ticks);
    let node = node().every(20 * MILLISECOND, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let input = BufReader::new(Endless(Arc::default(), format!("{INIT}\n{ECHO}\n").into_bytes()));
    let running = node.run_until(input, sink(), Host::seeded(1), sleep(300 * MILLISECOND));
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
    assert!(ticks.load(Ordering::Relaxed) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_starts_itself_again_without_waiting_does_not_hang_the_node() {
    fn again(context: &Context<()>) {
        let this = context.clone();
        context.spawn(async move { again(&this) });
    }
    let node = node().on_init(async |context| {
        again(&context);
        Ok(())
    });
    let mut peer = Peer::start(node).await;
    peer.send(ECHO).await;
    assert_eq!(peer.line().await, ECHO_OK);
    peer.writer.shutdown().await.unwrap();
    assert!(peer.ended().await);
}

/// How long a node whose output nobody takes goes on after the end of its input or a
/// shutdown.
async fn end_of(node: Node<()>, shutdown: Option<Duration>) -> Duration {
    let (mut ours, input) = duplex(1 << 20);
    ours.write_all(format!("{INIT}\n{}", format!("{ECHO}\n").repeat(100)).as_bytes())
        .await
        .unwrap();
    let kept = shutdown.is_some().then_some(ours);
    let shutdown = async move {
        match shutdown {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let (_unread, output) = duplex(64);
    let begun = Instant::now();
    node.run_until(BufReader::new(input), output, Host::seeded(1), shutdown).await.unwrap();
    drop(kept);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_output_that_nobody_takes_does_not_keep_the_node() {
    let second = Duration::from_secs(1);
    assert_eq!(end_of(node(), None).await, 5 * second, "at the end of input");
    assert_eq!(end_of(node(), Some(second)).await, 6 * second, "at a shutdown");
    assert!(INIT_OK.len() > 64, "even the first answer is stuck");
}
