//! Panics in any part of a node: caught, counted, told; the node goes on.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use maelstrom::{Context, Empty, Error, Host, Message, Node, Panic, Panics, Request};
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt as _, BufReader};

/// A request whose fields decide where the node panics.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Where {
    Nowhere,
    Call,
    Poll,
    Task,
    Reading,
    Writing,
    Sending,
}

struct Ask(Where);

impl<'de> Deserialize<'de> for Ask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            at: Where,
        }
        let Fields { at } = Fields::deserialize(deserializer)?;
        assert!(at != Where::Reading, "while reading");
        Ok(Self(at))
    }
}

struct Fuse(bool);

impl Serialize for Fuse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "while writing");
        Empty {}.serialize(serializer)
    }
}

impl Message for Fuse {
    const TYPE: &'static str = "fuse";
}

impl Request for Ask {
    const TYPE: &'static str = "ask";
    type Reply = Fuse;
}

maelstrom::message_types! {
    /// A message whose handler never ends.
    "stay": struct Stay {};
}

fn handle(context: Context<()>, Ask(at): Ask) -> impl Future<Output = Result<Fuse, Error>> {
    assert!(at != Where::Call, "at the call");
    async move {
        assert!(at != Where::Poll, "when polled");
        if at == Where::Sending {
            let id = context.id().clone();
            context.send(&id, &Fuse(true));
        }
        if at == Where::Task {
            context.spawn(async { panic!("in a task") });
        }
        Ok(Fuse(at == Where::Writing))
    }
}

const INIT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]}}"#;

/// What a node answers to these lines, and its panics.
async fn run<S: Send + Sync + 'static>(node: Node<S>, lines: &[String]) -> (String, Vec<Panic>) {
    let (panics, mut output) = (Panics::kept(), Vec::new());
    let host = Host { panics: panics.clone(), ..Host::seeded(1) };
    let input = lines.join("\n");
    let stats = node.run(input.as_bytes(), &mut output, host).await.unwrap();
    let told = panics.take();
    assert_eq!((stats.panics, panics.count()), (told.len() as u64, told.len() as u64));
    (String::from_utf8(output).unwrap(), told)
}

fn ask(at: &str, id: u64) -> String {
    format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"ask","msg_id":{id},"at":"{at}"}}}}"#)
}

#[tokio::test]
async fn wherever_a_request_makes_a_node_panic_it_is_told_and_the_next_one_is_answered() {
    for (at, place, text) in [
        ("call", "handler `ask`", "at the call"),
        ("poll", "handler `ask`", "when polled"),
        ("reading", "handler `ask`", "while reading"),
        ("writing", "handler `ask`", "while writing"),
        ("sending", "handler `ask`", "while writing"),
        ("task", "task", "in a task"),
    ] {
        let lines = [INIT.to_owned(), ask(at, 2), ask("nowhere", 3)];
        let (output, told) = run(Node::new(|_| ()).handle(handle), &lines).await;
        assert_eq!(told.len(), 1, "{at}: {told:?}");
        assert_eq!((told[0].place.as_str(), told[0].text.as_str()), (place, text));
        assert!(told[0].location.starts_with(file!()), "{:?}", told[0]);
        let answers: Vec<&str> = output.lines().skip(1).collect();
        let [first, second] = answers[..] else { panic!("{at}: {output}") };
        let crashed = format!(r#""code":13,"text":"`ask` panicked: {text}""#);
        assert!(at == "task" || first.contains(&crashed), "{at}: {first}");
        assert!(second.contains(r#""type":"ask_ok","in_reply_to":3"#), "{at}: {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_periodic_task_that_panics_is_told_each_time() {
    let node = Node::new(|_| ())
        .every(Duration::from_secs(1), async |_: Context<()>| panic!("every second"))
        .handle(async |_: Context<()>, Ask(_)| {
            tokio::time::sleep(Duration::from_millis(3500)).await;
            Ok(Fuse(false))
        });
    let (_, told) = run(node, &[INIT.to_owned(), ask("nowhere", 2)]).await;
    let told: Vec<&str> = told.iter().map(|panic| panic.place.as_str()).collect();
    assert_eq!(told, ["periodic task"; 3]);
}

#[tokio::test]
async fn a_hook_that_panics_is_told_and_init_is_refused() {
    let node = Node::new(|_| ()).on_init(async |_: Context<()>| panic!("hooked"));
    let (output, told) = run(node, &[INIT.to_owned()]).await;
    assert_eq!((told[0].place.as_str(), told[0].text.as_str()), ("hook", "hooked"));
    assert!(output.contains(r#""code":13,"text":"`init` panicked: hooked""#), "{output}");
}

#[tokio::test]
async fn a_state_that_cannot_be_made_is_told_and_every_init_is_refused() {
    let node = Node::<()>::new(|_| panic!("stateless"));
    let (output, told) = run(node, &[INIT.to_owned(), INIT.to_owned()]).await;
    assert_eq!((told.len(), told[0].place.as_str()), (1, "state"));
    let answers: Vec<&str> = output.lines().collect();
    assert!(answers[0].contains(r#""code":13,"text":"`init` panicked: stateless""#), "{output}");
    assert!(answers[1].contains(r#""code":13"#), "{output}");
}

/// Panics when it is dropped.
struct Rude(&'static str);

impl Drop for Rude {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// A future that is ready when it is first polled, and panics when it is dropped.
struct Ends(#[expect(dead_code, reason = "it is dropped")] Rude);

impl Future for Ends {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// As [`Ends`], but it has a reply to give.
struct Answers(#[expect(dead_code, reason = "it is dropped")] Rude);

impl Future for Answers {
    type Output = Result<Fuse, Error>;
    fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Fuse(false)))
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_panics_when_it_is_dropped_the_node_ends_in_order() {
    let node = Node::new(|_| Rude("state"))
        .handle(|context: Context<Rude>, Ask(at): Ask| {
            match at {
                // One task that ends, one that is dropped with the node.
                Where::Task => {
                    context.spawn(Ends(Rude("task")));
                    let waits = Rude("waiting task");
                    context.spawn(async move {
                        std::future::pending::<()>().await;
                        drop(waits);
                    });
                }
                Where::Poll => std::panic::panic_any(Rude("what was thrown")),
                _ => {}
            }
            Answers(Rude("handler"))
        })
        .receive(async |_: Context<Rude>, _: Stay| {
            let _rude = Rude("waiting handler");
            std::future::pending::<()>().await;
        });
    let stay = r#"{"src":"c1","dest":"n0","body":{"type":"stay"}}"#.to_owned();
    let lines = [INIT.to_owned(), stay, ask("task", 2), ask("poll", 3), ask("nowhere", 4)];
    let (output, told) = run(node, &lines).await;
    let told: Vec<(&str, &str)> =
        told.iter().map(|panic| (panic.place.as_str(), panic.text.as_str())).collect();
    let expected = [
        ("handler `ask`", "handler"),
        ("handler `ask`", "(no text)"),
        ("task", "task"),
        // The last line has no end, and waits for that of the input.
        ("handler `ask`", "handler"),
        ("handler `stay`", "waiting handler"),
        ("task", "waiting task"),
        ("state", "state"),
    ];
    assert_eq!(told, expected);
    let answers: Vec<&str> = output.lines().skip(1).collect();
    assert_eq!(answers.len(), 3, "{output}");
    assert!(answers[0].contains(r#""type":"ask_ok","in_reply_to":2"#), "{output}");
    assert!(answers[1].contains(r#""in_reply_to":3,"code":13"#), "{output}");
    assert!(answers[2].contains(r#""type":"ask_ok","in_reply_to":4"#), "{output}");
}

#[tokio::test]
async fn a_node_that_is_dropped_drops_what_panics() {
    let panics = Panics::kept();
    let host = Host { panics: panics.clone(), ..Host::seeded(1) };
    let node = Node::new(|_| Rude("state")).on_init(async |_: Context<Rude>| {
        let _rude = Rude("hook");
        std::future::pending().await
    });
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    ours.write_all(format!("{INIT}\n").as_bytes()).await.unwrap();
    let running = node.run(BufReader::new(theirs), tokio::io::sink(), host);
    assert!(tokio::time::timeout(Duration::from_millis(50), running).await.is_err());
    let told: Vec<String> = panics.take().into_iter().map(|panic| panic.place).collect();
    assert_eq!(told, ["hook", "state"]);
}
