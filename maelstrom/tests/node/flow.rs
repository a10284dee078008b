//! Flow: long lines, bursts, slow readers, panics, the end of input.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Host, Node, Request, RunError};
use serde::Deserialize;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep};

use crate::common::{
    Add, Counted, Echo, Endless, INIT, INIT_OK, Peer, node, replies_to, serve, serve_for,
};

fn echo(number: usize) -> String {
    format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"echo","msg_id":{number},"echo":1}}}}"#)
}

fn echo_ok(number: usize) -> String {
    format!(
        r#"{{"src":"n0","dest":"c1","body":{{"type":"echo_ok","in_reply_to":{number},"echo":1}}}}"#
    )
}

#[tokio::test]
async fn a_message_of_16_mib_comes_back() {
    let text = "x".repeat(16 << 20);
    let request = format!(
        r#"{{"src":"c1","dest":"n0","body":{{"type":"echo","msg_id":1,"echo":"{text}"}}}}"#
    );
    let (output, _) = replies_to(request.as_bytes()).await;
    assert_eq!(
        output.len(),
        request.len() + "_ok".len() + "in_reply_to".len() - "msg_id".len() + 1
    );
    assert!(output.contains(&text));
}

#[tokio::test]
async fn lines_may_arrive_a_byte_at_a_time() {
    let input = format!("{INIT}\n{}\n{}", echo(1), echo(2));
    let slow = BufReader::with_capacity(1, input.as_bytes());
    let mut output = Vec::new();
    node().run(slow, &mut output, Host::seeded(1)).await.unwrap();
    assert_eq!(
        String::from_utf8(output).unwrap(),
        format!("{INIT_OK}\n{}\n{}\n", echo_ok(1), echo_ok(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_written_at_once_and_in_order() {
    let requests: Vec<String> = (0..100).map(echo).collect();
    let input = format!("{INIT}\n{}\n", requests.join("\n"));
    let output = Counted::default();
    node().run(input.as_bytes(), output.clone(), Host::seeded(1)).await.unwrap();
    let written = output.0.lock().unwrap();
    let replies: Vec<String> = (0..100).map(echo_ok).collect();
    let expected = format!("{INIT_OK}\n{}\n", replies.join("\n"));
    assert_eq!(String::from_utf8_lossy(&written.bytes), expected);
    assert_eq!((written.writes, written.flushes), (1, 1));
}

#[tokio::test]
async fn a_lone_message_is_answered_before_the_next_one_comes() {
    let mut peer = Peer::start(node()).await;
    peer.send(&echo(1)).await;
    assert_eq!(peer.line().await, echo_ok(1));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_node_from_reading() {
    let taken = Arc::new(AtomicUsize::new(0));
    let lines = format!("{INIT}\n{}\n", echo(1)).into_bytes();
    let input = BufReader::new(Endless(Arc::clone(&taken), lines));
    let (_unread, output) = tokio::io::duplex(1024);
    let running = node().run(input, output, Host::seeded(1));
    assert!(tokio::time::timeout(Duration::from_millis(200), running).await.is_err());
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < 256 * 1024, "took {taken} bytes without having written the answers");
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_crash_and_others_go_on() {
    async fn broken(_: Context<()>, _: Echo) -> Result<Echo, Error> {
        panic!("out of luck")
    }
    let node = Node::new(|_| ())
        .handle(broken)
        .handle(|_: Context<()>, _: Add| async { Ok::<_, Error>(Empty {}) });
    let add = r#"{"src":"c1","dest":"n0","body":{"type":"add","msg_id":2,"delta":1}}"#;
    let (output, _) = serve(node, format!("{INIT}\n{}\n{add}\n", echo(1)).as_bytes()).await;
    let lines: Vec<&str> = output.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            r#"{"src":"n0","dest":"c1","body":{"type":"error","in_reply_to":1,"code":13,"text":"`echo` panicked: out of luck"}}"#,
            r#"{"src":"n0","dest":"c1","body":{"type":"add_ok","in_reply_to":2}}"#
        ]
    );
}

maelstrom::message_types! {
    /// `{"type":"wait","millis":…}`: answered after so long.
    "wait": struct Wait { millis: u64 } -> Empty;
}

fn waiting() -> Node<()> {
    Node::new(|_| ()).handle(|_: Context<()>, Wait { millis }: Wait| async move {
        sleep(Duration::from_millis(millis)).await;
        Ok(Empty {})
    })
}

fn wait(number: usize, millis: u64) -> String {
    format!(
        r#"{{"src":"c1","dest":"n0","body":{{"type":"wait","msg_id":{number},"millis":{millis}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_lets_others_go_on_and_finishes_after_the_end_of_input() {
    let input = format!("{INIT}\n{}\n{}\n{}", wait(1, 300), wait(2, 100), wait(3, 200));
    let (output, _) = serve(waiting(), input.as_bytes()).await;
    let order: Vec<bool> = output
        .lines()
        .skip(1)
        .zip([2, 3, 1])
        .map(|(l, n)| l.contains(&format!(":{n}}}")))
        .collect();
    assert_eq!(order, [true; 3], "{output}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_does_not_keep_the_node() {
    let start = tokio::time::Instant::now();
    let input = format!("{INIT}\n{}", wait(1, u64::from(u32::MAX)));
    let (output, _) = serve(waiting(), input.as_bytes()).await;
    assert_eq!(output, format!("{INIT_OK}\n"));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn too_many_waiting_requests_are_turned_away() {
    let requests: Vec<String> = (0..17_000).map(|number| wait(number, 1000)).collect();
    let input = format!("{INIT}\n{}", requests.join("\n"));
    let (output, stats) = serve(waiting(), input.as_bytes()).await;
    let refused = output.lines().filter(|line| line.contains(r#""code":11"#)).count();
    let served = output.lines().filter(|line| line.contains("wait_ok")).count();
    assert_eq!((served, refused), (16_384, 616));
    assert_eq!(stats.refused, 616);
}

#[tokio::test(start_paused = true)]
async fn tasks_that_handlers_leave_behind_count_as_they_do() {
    let node = Node::new(|_| ()).handle(async |context: Context<()>, Wait { millis }: Wait| {
        context.spawn(sleep(Duration::from_millis(millis)));
        Ok(Empty {})
    });
    let requests: Vec<String> = (0..20_000).map(|number| wait(number, 1000)).collect();
    let input = format!("{INIT}\n{}", requests.join("\n"));
    let (_, stats) = serve(node, input.as_bytes()).await;
    // The node looks at its tasks after every thousand or so.
    assert!((20_000 - 16_384 - 1024..=20_000 - 16_384).contains(&stats.refused), "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_node_as_the_end_of_input_does() {
    let lines = format!("{INIT}\n{}", wait(1, 1500));
    let output = serve_for(waiting(), &lines, Duration::from_secs(1)).await;
    assert!(output.ends_with("\"wait_ok\",\"in_reply_to\":1}}\n"), "{output}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_node_whose_output_nobody_reads_within_six_seconds() {
    let (_unread, output) = tokio::io::duplex(64);
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let requests: Vec<String> = (0..100).map(echo).collect();
    ours.write_all(format!("{INIT}\n{}\n", requests.join("\n")).as_bytes()).await.unwrap();
    let begun = Instant::now();
    let shutdown = sleep(Duration::from_secs(1));
    node().run_until(BufReader::new(theirs), output, Host::seeded(1), shutdown).await.unwrap();
    let took = begun.elapsed() - Duration::from_secs(1);
    assert!((4..6).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_broken_output_ends_the_node_with_an_error() {
    let (reader, writer) = tokio::io::duplex(64);
    drop(reader);
    let input = format!("{INIT}\n");
    let ended = node().run(input.as_bytes(), writer, Host::seeded(1)).await;
    assert!(matches!(ended, Err(RunError::Output(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn init_is_answered_after_its_hooks_and_a_failed_one_can_be_repeated() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let node = node().on_init(move |_| {
        let attempt = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(Duration::from_millis(10)).await;
            if attempt == 0 { Err(Error::unavailable("not yet")) } else { Ok(()) }
        }
    });
    let mut peer = Peer::connect(node);
    peer.send(&format!("{INIT}\n{}", echo(7))).await;
    let refused = peer.line().await;
    assert!(refused.contains(r#""in_reply_to":7,"code":11"#), "served before init was done");
    assert_eq!(
        peer.line().await,
        r#"{"src":"n0","dest":"c0","body":{"type":"error","in_reply_to":1,"code":11,"text":"not yet"}}"#
    );
    peer.send(INIT).await;
    assert_eq!(peer.line().await, INIT_OK);
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn periodic_and_spawned_tasks_run_and_survive_panics() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let (counter, spawned) = (Arc::clone(&ticks), Arc::new(AtomicUsize::new(0)));
    let spawn_counter = Arc::clone(&spawned);
    let node = Node::new(|_| ()).every(Duration::from_millis(100), move |context: Context<()>| {
        let tick = counter.fetch_add(1, Ordering::Relaxed);
        let spawned = Arc::clone(&spawn_counter);
        async move {
            context.spawn(async move {
                spawned.fetch_add(1, Ordering::Relaxed);
                panic!("in a task");
            });
            assert_ne!(tick, 2, "in a tick");
        }
    });
    serve_for(node, INIT, Duration::from_millis(1050)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 10);
    assert_eq!(spawned.load(Ordering::Relaxed), 10);
}

#[test]
#[should_panic(expected = "two handlers for messages of type `echo`")]
fn two_handlers_for_one_type_are_a_mistake() {
    let _ = node().handle(|_: Context<()>, request: Echo| async { Ok(request) });
}

#[test]
#[should_panic(expected = "a reply without fields is `Empty`")]
fn a_reply_that_is_no_object_is_a_mistake() {
    #[derive(Deserialize)]
    struct Unit {}
    impl Request for Unit {
        const TYPE: &'static str = "unit";
        type Reply = ();
    }
    let _ = node().handle(|_: Context<()>, _: Unit| async { Ok(()) });
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_delays_the_next_one_and_none_is_made_up_for() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&starts);
    let begin = Instant::now();
    let node = Node::new(|_| ()).every(Duration::from_millis(100), move |_: Context<()>| {
        let run = {
            let mut starts = starts.lock().unwrap();
            starts.push(begin.elapsed().as_millis());
            starts.len()
        };
        sleep(Duration::from_millis(if run == 2 { 350 } else { 0 }))
    });
    serve_for(node, INIT, Duration::from_millis(800)).await;
    assert_eq!(*seen.lock().unwrap(), [100, 200, 550, 650, 750]);
}
