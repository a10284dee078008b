//! The driver: what it makes of a machine's outputs, and when it has the machine handle
//! what.

mod journal;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maelstrom::machine::{
    Client, Driver, Input, Machine, Outputs, Record, Service, ServiceCall, Time,
};
use maelstrom::{Context, Error, Message, Node, Request};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::common::{INIT, INIT_OK, Peer, serve};

const MS: Duration = Duration::from_millis(1);

/// What a client wants of a [`Clerk`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wish {
    /// A reply at once.
    Now,
    /// A reply in so many milliseconds.
    Later(u64),
    /// A refusal when patience ends.
    Never,
    /// No reply even then.
    Nothing,
    /// What a service has, looked up after so many milliseconds.
    LookUp(u64),
    /// A reply when so many bytes are safe.
    Note(u64),
    /// A message to the other node, of either type.
    Tell(bool),
    /// Two replies; the first counts.
    Twice,
    /// A panic in so many milliseconds, when it is woken.
    Trip(u64),
    /// A reply at the end of time.
    AtTheEnd,
    /// A message that has no JSON form, and then as for `Note`.
    Mumble(u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Do {
    wish: Wish,
}

#[derive(Debug, Serialize, Deserialize)]
struct Done {
    done: String,
}

impl Request for Do {
    const TYPE: &'static str = "do";
    type Reply = Done;
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ping {
    number: u64,
}

impl Message for Ping {
    const TYPE: &'static str = "ping";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pong {}

impl Message for Pong {
    const TYPE: &'static str = "pong";
}

/// It has no JSON form.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mumble {
    #[serde(serialize_with = "fail")]
    words: (),
}

fn fail<S: serde::Serializer>(_: &(), _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("no words"))
}

impl Message for Mumble {
    const TYPE: &'static str = "mumble";
}

maelstrom::messages! {
    #[derive(Clone, Debug)]
    enum Word {
        Ping,
        Pong,
        Mumble,
    }
}

/// So many bytes, if that many are possible.
#[derive(Debug)]
struct Note(u64);

impl Record for Note {
    fn encode(&self) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(self.0).map_err(io::Error::other)?;
        Ok(vec![b'x'; bytes])
    }
}

/// A machine that does what it is asked.
struct Clerk {
    due: BTreeMap<(Time, Client), Wish>,
    waiting: BTreeMap<Client, Wish>,
    notes: VecDeque<Client>,
    events: Arc<Mutex<Vec<String>>>,
}

impl Clerk {
    fn new(events: &Arc<Mutex<Vec<String>>>) -> Self {
        let (due, waiting, notes) = Default::default();
        Self { due, waiting, notes, events: Arc::clone(events) }
    }

    fn requested(&mut self, now: Time, client: Client, wish: Wish, out: &mut Outputs<Self>) {
        match wish {
            Wish::Now => out.reply(client, format!("{wish:?}")),
            Wish::Twice => {
                out.reply(client, "first".to_owned());
                out.reply(client, "second".to_owned());
            }
            Wish::Later(millis) | Wish::Trip(millis) => {
                self.due.insert((now + millis as u32 * MS, client), wish);
            }
            Wish::AtTheEnd => {
                self.due.insert((Time::MAX, client), wish);
            }
            Wish::Mumble(number) => {
                out.send(1, Mumble { words: () });
                self.requested(now, client, Wish::Note(number), out);
            }
            Wish::Never | Wish::Nothing => {
                self.waiting.insert(client, wish);
            }
            Wish::LookUp(millis) => {
                let call = ServiceCall::read(Service::LinKv, "key").timeout(500 * MS);
                out.call(client, call.after(millis as u32 * MS));
            }
            Wish::Note(number) => {
                out.write(Note(number));
                self.notes.push_back(client);
            }
            Wish::Tell(ping) => {
                match ping {
                    true => out.send(1, Ping { number: client.0 }),
                    false => out.send(1, Pong {}),
                }
                out.reply(client, "told".to_owned());
            }
        }
    }

    fn give_up(&mut self, client: Client, out: &mut Outputs<Self>) {
        if let Some(Wish::Never) = self.waiting.remove(&client) {
            out.fail(client, Error::unavailable("never"));
        }
    }
}

impl Machine for Clerk {
    type Request = Wish;
    type Reply = String;
    type Message = Word;
    type Call = Client;
    type Record = Note;

    fn handle(&mut self, now: Time, input: Input<Self>, out: &mut Outputs<Self>) {
        self.events.lock().unwrap().push(format!("{} {input:?}", now.as_millis()));
        match input {
            Input::Request(client, wish) => self.requested(now, client, wish, out),
            Input::GiveUp(client) => self.give_up(client, out),
            Input::Returned(client, answer) => match answer.value::<u64>() {
                Ok(value) => out.reply(client, format!("{value:?}")),
                Err(error) => out.fail(client, error.into()),
            },
            Input::Written(records) => {
                for client in self.notes.drain(..usize::try_from(records).unwrap()) {
                    out.reply(client, "noted".to_owned());
                }
            }
            Input::WriteFailed(error) => {
                for client in self.notes.drain(..) {
                    out.fail(client, Error::crash(&error));
                }
            }
            Input::Compact => out.snapshot([Ok(b"all of it".to_vec())].into_iter()),
            Input::Start | Input::Message(..) | Input::Wake | Input::Stalled(_) => {}
        }
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, client), wish) = entry.remove_entry();
            assert!(!matches!(wish, Wish::Trip(_)), "tripped");
            out.reply(client, format!("{wish:?}"));
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.due.keys().next().map(|(due, _)| *due)
    }
}

type Events = Arc<Mutex<Vec<String>>>;

async fn fulfil(context: Context<Driver<Clerk>>, Do { wish }: Do) -> Result<Done, Error> {
    let done = match wish {
        Wish::Never | Wish::Nothing => context.ask_within(300 * MS, wish).await?,
        _ => context.ask(wish).await?,
    };
    Ok(Done { done })
}

fn node(events: &Events) -> Node<Driver<Clerk>> {
    let events = Arc::clone(events);
    Driver::node(move |_, _| Clerk::new(&events)).handle(fulfil)
}

/// A clerk at work, and what it handled.
async fn clerk() -> (Peer, Events) {
    let events = Events::default();
    (Peer::start(node(&events)).await, events)
}

fn wish(msg_id: u64, wish: Wish) -> String {
    let wish = serde_json::to_string(&wish).unwrap();
    format!(r#"{{"src":"c1","dest":"n0","body":{{"type":"do","msg_id":{msg_id},"wish":{wish}}}}}"#)
}

fn done(in_reply_to: u64, text: &str) -> String {
    format!(
        r#"{{"src":"n0","dest":"c1","body":{{"type":"do_ok","in_reply_to":{in_reply_to},"done":"{text}"}}}}"#
    )
}

fn failed(in_reply_to: u64, code: u32, text: &str) -> String {
    format!(
        r#"{{"src":"n0","dest":"c1","body":{{"type":"error","in_reply_to":{in_reply_to},"code":{code},"text":"{text}"}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn replies_come_at_once_or_when_the_machine_gives_them() {
    let (mut peer, events) = clerk().await;
    let begun = Instant::now();
    peer.send(&wish(2, Wish::Later(700))).await;
    peer.send(&wish(3, Wish::Later(200))).await;
    peer.send(&wish(4, Wish::Now)).await;
    assert_eq!(peer.line().await, done(4, "Now"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(peer.line().await, done(3, "Later(200)"));
    assert_eq!(peer.line().await, done(2, "Later(700)"));
    let expected = [
        "0 Start",
        "0 Request(1, Later(700))",
        "0 Request(2, Later(200))",
        "0 Request(3, Now)",
        "200 Wake",
        "700 Wake",
    ];
    assert_eq!(*events.lock().unwrap(), expected, "it is started first, and woken when it wants");
}

#[tokio::test(start_paused = true)]
async fn a_machine_starts_when_others_can_be_talked_to_at_the_latest() {
    let (_peer, events) = clerk().await;
    sleep(1900 * MS).await;
    assert_eq!(events.lock().unwrap().len(), 0);
    sleep(200 * MS).await;
    assert_eq!(*events.lock().unwrap(), ["0 Start"]);
}

#[tokio::test(start_paused = true)]
async fn who_runs_out_of_patience_is_answered_whatever_the_machine_does() {
    let (mut peer, events) = clerk().await;
    let begun = Instant::now();
    peer.send(&wish(2, Wish::Never)).await;
    peer.send(&wish(3, Wish::Nothing)).await;
    assert_eq!(peer.line().await, failed(2, 11, "never"));
    let text = "no answer in time; it may have happened, or may yet";
    assert_eq!(peer.line().await, failed(3, 0, text));
    assert!((300 * MS..302 * MS).contains(&begun.elapsed()));
    assert_eq!(events.lock().unwrap()[3..], ["300 GiveUp(1)", "300 GiveUp(2)"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_ends_all_patience() {
    let events = Events::default();
    let lines = [INIT.to_owned(), wish(2, Wish::Never), wish(3, Wish::Later(9000))];
    let (output, _) = serve(node(&events), (lines.join("\n") + "\n").as_bytes()).await;
    let text = "no answer in time; it may have happened, or may yet";
    let expected = [INIT_OK.to_owned(), failed(2, 11, "never"), failed(3, 0, text), String::new()];
    assert_eq!(output, expected.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_after_its_pause_and_comes_back_with_its_tag() {
    let (mut peer, _) = clerk().await;
    let begun = Instant::now();
    peer.send(&wish(2, Wish::LookUp(100))).await;
    let line = peer.line().await;
    assert!((100 * MS..102 * MS).contains(&begun.elapsed()));
    let (_, rest) = line.split_once(r#""msg_id":"#).unwrap();
    let (msg_id, rest) = rest.split_once(',').unwrap();
    assert_eq!(rest, r#""key":"key"}}"#);
    let reply = r#""type":"read_ok","value":5"#;
    let reply =
        format!(r#"{{"src":"lin-kv","dest":"n0","body":{{{reply},"in_reply_to":{msg_id}}}}}"#);
    peer.send(&reply).await;
    assert_eq!(peer.line().await, done(2, "Some(5)"));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_comes_back_as_well() {
    let (mut peer, _) = clerk().await;
    peer.send(&wish(2, Wish::LookUp(0))).await;
    peer.line().await;
    assert_eq!(peer.line().await, failed(2, 0, "lin-kv did not answer within 500ms"));
}

#[tokio::test(start_paused = true)]
async fn messages_go_out_and_come_in_under_their_own_types() {
    let (mut peer, events) = clerk().await;
    peer.send(&wish(2, Wish::Tell(true))).await;
    assert_eq!(peer.line().await, r#"{"src":"n0","dest":"n1","body":{"type":"ping","number":1}}"#);
    assert_eq!(peer.line().await, done(2, "told"));
    peer.send(&wish(3, Wish::Tell(false))).await;
    assert_eq!(peer.line().await, r#"{"src":"n0","dest":"n1","body":{"type":"pong"}}"#);
    assert_eq!(peer.line().await, done(3, "told"));
    for (source, kind) in [("n1", "pong"), ("c1", "pong"), ("n1", r#"ping","number":"7"#)] {
        let body = format!(r#"{{"type":"{kind}"}}"#).replace("\"7\"", "7");
        peer.send(&format!(r#"{{"src":"{source}","dest":"n0","body":{body}}}"#)).await;
    }
    peer.send(&wish(4, Wish::Now)).await;
    assert_eq!(peer.line().await, done(4, "Now"));
    let heard: Vec<String> =
        events.lock().unwrap().iter().filter(|event| event.contains("Message")).cloned().collect();
    let expected = ["0 Message(1, Pong(Pong))", "0 Message(1, Ping(Ping { number: 7 }))"];
    assert_eq!(heard, expected, "a client says nothing that nodes say");
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_what_is_written_is_as_safe_as_it_will_be() {
    let (mut peer, _) = clerk().await;
    peer.send(&wish(2, Wish::Note(2))).await;
    assert_eq!(peer.line().await, done(2, "noted"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_cannot_be_made_fails_the_init_until_it_can() {
    let events = Events::default();
    let (failures, made) = (Mutex::new(2..4), Arc::clone(&events));
    let node = Driver::node_with_journal(move |_, _| match failures.lock().unwrap().next() {
        Some(number) => Err(Error::crash(format_args!("no disk {number}"))),
        None => Ok((Clerk::new(&made), None)),
    });
    // The last hook fails once, when the machine is at work already.
    let last = Mutex::new(Some(Error::crash("no luck")));
    let node = node.handle(fulfil).on_init(move |_| {
        let failure = last.lock().unwrap().take();
        async { failure.map_or(Ok(()), Err) }
    });
    let mut peer = Peer::connect(node);
    for text in ["no disk 2", "no disk 3", "no luck"] {
        peer.send(INIT).await;
        assert_eq!(peer.line().await, failed(1, 13, text).replace("\"c1\"", "\"c0\""));
    }
    peer.send(&[INIT, &wish(2, Wish::Later(100))].join("\n")).await;
    assert_eq!(peer.line().await, INIT_OK);
    assert_eq!(peer.line().await, done(2, "Later(100)"));
    let expected = ["0 Start", "0 Request(1, Later(100))", "100 Wake"];
    assert_eq!(*events.lock().unwrap(), expected, "it was made once");
}

#[tokio::test(start_paused = true)]
async fn the_first_reply_counts() {
    let (mut peer, _) = clerk().await;
    peer.send(&wish(2, Wish::Twice)).await;
    assert_eq!(peer.line().await, done(2, "first"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_woken_after_a_panic_and_whatever_it_waits_for() {
    let (mut peer, events) = clerk().await;
    peer.send(&wish(2, Wish::AtTheEnd)).await;
    peer.send(&wish(3, Wish::Trip(100))).await;
    peer.send(&wish(4, Wish::Later(200))).await;
    assert_eq!(peer.line().await, done(4, "Later(200)"));
    assert_eq!(events.lock().unwrap()[4..], ["100 Wake", "200 Wake"]);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_panics_takes_no_other_along() {
    let (mut peer, _) = clerk().await;
    peer.send(&[wish(2, Wish::Mumble(2)), wish(3, Wish::Note(3))].join("\n")).await;
    assert_eq!(peer.line().await, done(2, "noted"));
    assert_eq!(peer.line().await, done(3, "noted"));
}
