//! The store in a browser: real sockets, and requests as nobody's browser would send them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::process::wait_for;
use crate::{Scratch, node};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of the store in this folder.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(scratch: &Scratch) -> Self {
        Self::spawn(&mut command(scratch, &["serve", "--port", "0"]))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("no address: {line}")).parse().unwrap();
        Self { child, output, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What is answered to these bytes, until the connection is closed.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // What is no request is perhaps answered before all of it was read.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status and the body of what is answered to a request for this.
    fn get(&self, path: &str) -> (u16, String) {
        let answer = self.raw(
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)
                .as_bytes(),
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (status(head), body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Asks for what is pushed.
    fn events(&self, path: &str) -> Events {
        let mut stream = self.connect();
        let Self { address, .. } = self;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .unwrap();
        Events(BufReader::new(stream))
    }

    /// Ends it as Ctrl-C does. Its exit code, and what else it said.
    fn end(mut self) -> (Option<i32>, String) {
        kill(pid(&self.child), Signal::SIGINT).unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut rest).unwrap();
        }
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Events(BufReader<TcpStream>);

impl Events {
    /// The next event's data, and whether it is the last; `None` when nothing comes any more.
    fn next(&mut self) -> Option<(Value, bool)> {
        let mut is_last = false;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            is_last |= line.trim() == "event: last";
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((serde_json::from_str(data).unwrap(), is_last));
            }
        }
    }

    /// The first event of which this can be made.
    fn find<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        std::iter::from_fn(|| self.next())
            .find_map(|(event, _)| wanted(&event))
            .expect("it was pushed")
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn command(scratch: &Scratch, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    command.args(words).current_dir(&scratch.0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A test of echo that takes so many seconds.
fn test(scratch: &Scratch, seconds: &str) -> Child {
    let bin = node("echo.py").display().to_string();
    let words = ["test", "-w", "echo", "--bin", &bin, "--node-count", "1", "--time-limit", seconds];
    command(scratch, &words).spawn().unwrap()
}

fn write(store: &Path, file: &str, text: &str) {
    let path = store.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Ways that lead out of the store, or to what is no file of a run.
const OUTSIDE: [&str; 26] = [
    "/files/../secret",
    "/files/%2e%2e/secret",
    "/files/.%2e/secret",
    "/files/echo/1/../../../secret",
    "/files/echo/1/..%2f..%2f..%2fsecret",
    "/files/echo/1/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret",
    "/files/..\\secret",
    "/files/..%5csecret",
    "/files/%252e%252e/secret",
    "/files/%c0%ae%c0%ae/secret",
    "/files/%u002e%u002e/secret",
    "/files/....//secret",
    "/files/./../secret",
    "/files/..;/secret",
    "/files/echo/1/a%20b.log%00/../../../../secret",
    "/files/echo/1/secret.txt",
    "/files/echo/1/test.json",
    "/files/up/secret",
    "/files/up",
    "/files/",
    "/files/echo/1",
    "/../secret",
    "/runs/../secret",
    "/runs/%2e%2e",
    "/runs/%2e%2e/events",
    "/runs/up/echo",
];

pub(crate) fn nothing_outside_of_the_store_can_be_read() {
    let scratch = Scratch::new("escape");
    fs::write(scratch.0.join("secret"), "the secret").unwrap();
    let store = scratch.0.join("store");
    write(&store, "echo/1/results.json", r#"{"valid?": true}"#);
    write(&store, "echo/1/a b.log", "inside");
    symlink("../../../secret", store.join("echo/1/secret.txt")).unwrap();
    symlink("../../../secret", store.join("echo/1/test.json")).unwrap();
    symlink("../../../secret", store.join("echo/1/report.html")).unwrap();
    symlink("/", store.join("echo/1/root")).unwrap();
    symlink("..", store.join("up")).unwrap();
    let server = Server::start(&scratch);
    assert_eq!(server.get("/files/echo/1/a%20b.log"), (200, "inside".to_owned()));
    let absolute = scratch.0.join("secret").display().to_string();
    let absolute = [
        format!("/files/{absolute}"),
        format!("/files/{}", absolute.replace('/', "%2f")),
        format!("/files/echo/1/root{absolute}"),
        format!("{absolute}#"),
    ];
    for path in OUTSIDE.into_iter().chain(absolute.iter().map(String::as_str)) {
        let (status, body) = server.get(path);
        assert!(!body.contains("the secret") && status == 404, "{path}: {status} {body}");
    }
    assert_eq!(server.json("/runs/echo/1")["run"]["has-report"], false);
    assert_eq!(server.get("/files/echo/1/report.html").0, 404);
    let shown = server.json("/runs").to_string() + &server.json("/runs/echo/1").to_string();
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(server.end().0, Some(0));
}

pub(crate) fn only_this_machine_is_answered_and_only_who_reads() {
    let scratch = Scratch::new("foreign-hosts");
    write(&scratch.0.join("store"), "echo/1/results.json", r#"{"valid?": true}"#);
    let server = Server::start(&scratch);
    let port = server.address.port();
    let answer = |head: &str| server.raw(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes());
    for (head, expected) in [
        (format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}"), 200),
        ("GET / HTTP/1.1\r\nHost: localhost".to_owned(), 200),
        ("HEAD /runs HTTP/1.1\r\nHost: localhost:8081".to_owned(), 200),
        (format!("GET /runs HTTP/1.1\r\nHost: evil.example:{port}"), 421),
        ("GET /runs HTTP/1.1\r\nHost: 127.0.0.1.evil.example".to_owned(), 421),
        ("GET /runs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example".to_owned(), 400),
        ("GET /runs HTTP/1.0".to_owned(), 400),
        ("GET http://evil.example/runs HTTP/1.1\r\nHost: localhost".to_owned(), 421),
        ("POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0".to_owned(), 405),
        ("DELETE /files/echo/1/results.json HTTP/1.1\r\nHost: localhost".to_owned(), 405),
        ("GET /no-such-page HTTP/1.1\r\nHost: localhost".to_owned(), 404),
    ] {
        let answer = answer(&head);
        assert_eq!(status(&answer), expected, "{head}: {answer}");
        assert!(expected == 200 || !answer.contains("echo/1"), "{head}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    assert_eq!(status(&server.raw(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")), 400);
    for other in [SocketAddr::from(([127, 0, 0, 2], port)), (Ipv6Addr::LOCALHOST, port).into()] {
        assert!(TcpStream::connect(other).is_err(), "{other}");
    }
    assert_eq!(server.get("/runs").0, 200, "it is still there");
}

pub(crate) fn whatever_lies_in_the_store_is_shown_and_breaks_nothing() {
    let scratch = Scratch::new("malformed");
    let store = scratch.0.join("store");
    for (file, text) in [
        ("echo/20260101T000000.000Z/results.json", r#"{"valid?": true, "stats": {"count": 7}}"#),
        ("echo/20260102T000000.000Z/results.json", r#"{"valid?": tr"#),
        ("echo/20260103T000000.000Z/results.json", "\0\0\0"),
        ("echo/20260103T000000.000Z/test.json", ""),
        ("echo/20260104T000000.000Z/test.json", "[1, 2]"),
        ("echo/20260104T000000.000Z/history.jsonl", "{\"index\": 0\nnonsense\n"),
        ("echo/20260105T000000.000Z/results.edn", "{:valid? false, :stats {:count 3}}"),
        ("echo/<b>20260106/note.txt", "nobody's"),
        ("notes.txt", "no folder at all"),
    ] {
        write(&store, file, text);
    }
    let pipe = store.join("echo/20260101T000000.000Z/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("pipe", store.join("echo/20260101T000000.000Z/why.json")).unwrap();
    let server = Server::start(&scratch);
    let all = server.json("/runs");
    let states: Vec<_> = all.as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["ended", "unfinished", "damaged", "damaged", "ended", "foreign"]);
    assert_eq!(
        (&all[0]["verdict"], &all[0]["figures"][0]["value"]),
        (&"invalid".into(), &3.0.into())
    );
    for damaged in [&all[2], &all[3]] {
        assert!(damaged["problem"].as_str().unwrap().starts_with("results.json: "), "{all}");
    }
    for run in all.as_array().unwrap() {
        let id = run["id"].as_str().unwrap().replace('<', "%3C").replace('>', "%3E");
        assert_eq!(server.json(&format!("/runs/{id}"))["run"], *run);
        let (told, is_last) = server.events(&format!("/runs/{id}/events")).next().unwrap();
        assert!(is_last && told["run"] == *run, "{id}");
    }
    assert_eq!(server.get("/files/echo/20260101T000000.000Z/pipe").0, 404);
    assert_eq!(server.get("/runs/echo/20260107T000000.000Z").0, 404);
    symlink("echo/20260105T000000.000Z", store.join("latest")).unwrap();
    assert_eq!(server.json("/runs/latest")["run"], all[0]);
}

pub(crate) fn a_run_is_shown_while_it_is_under_way() {
    let scratch = Scratch::new("under-way");
    let server = Server::start(&scratch);
    let mut list = server.events("/runs/events");
    assert_eq!(list.next().unwrap().0["changed"], serde_json::json!([]), "no store yet");
    let mut bench = test(&scratch, "600");
    let id = list.find(|event| {
        let run = &event["changed"][0];
        (run["state"] == "under-way").then(|| run["id"].as_str().unwrap().to_owned())
    });
    let mut live = server.events(&format!("/runs/{id}/events"));
    let mut seen = live.find(|event| event["counts"][0].is_array().then(|| event.clone()));
    assert_eq!(
        (&seen["run"]["state"], &seen["counts"][0][0]),
        (&"under-way".into(), &"echo".into())
    );
    assert_eq!(seen["run"]["status"]["phase"], "running");
    assert!(seen["latencies"].as_str().unwrap().starts_with("<svg"), "{seen}");
    assert!(seen["last"][0].as_str().unwrap().starts_with(r#"{"index":0"#), "{seen}");
    let count = |event: &Value| event["counts"][0][1][0].as_u64();
    for _ in 0..3 {
        let before = count(&seen);
        seen = live.find(|event| (count(event) > before).then(|| event.clone()));
    }
    kill(pid(&bench), Signal::SIGINT).unwrap();
    let (last, is_last) = std::iter::from_fn(|| live.next()).last().unwrap();
    assert!(is_last && last["run"]["verdict"] == "unknown", "{last}");
    list.find(|event| (event["changed"][0]["verdict"] == "unknown").then_some(()));
    assert_eq!(bench.wait().unwrap().code(), Some(2));
    assert!(!scratch.0.join("store").join(id).join("status.json").exists());
}

pub(crate) fn a_bench_that_was_killed_leaves_a_run_without_results() {
    let scratch = Scratch::new("killed-bench");
    let server = Server::start(&scratch);
    let mut list = server.events("/runs/events");
    let mut bench = test(&scratch, "60");
    let phase = |event: &Value, state: &str, phase: &str| {
        let run = &event["changed"][0];
        (run["state"] == state && run["status"]["phase"] == phase).then_some(())
    };
    list.find(|event| phase(event, "under-way", "running"));
    bench.kill().unwrap();
    bench.wait().unwrap();
    list.find(|event| phase(event, "unfinished", "running"));
    fs::remove_dir_all(scratch.0.join("store/echo")).unwrap();
    list.find(|event| event["gone"][0].is_string().then_some(()));
}

pub(crate) fn a_port_that_is_taken_is_named_with_what_to_do() {
    let scratch = Scratch::new("port");
    let server = Server::start(&scratch);
    let port = server.address.port().to_string();
    let Output { status, stderr, .. } =
        command(&scratch, &["serve", "-p", &port]).output().unwrap();
    assert_eq!(status.code(), Some(255));
    let text = String::from_utf8(stderr).unwrap();
    assert!(text.contains(&format!("listens on 127.0.0.1:{port} already")), "{text}");
    assert!(text.contains("--port 0"), "{text}");
}

pub(crate) fn it_ends_at_once_however_many_look() {
    let scratch = Scratch::new("end");
    let server = Server::start(&scratch);
    let mut events = server.events("/runs/events");
    events.next().unwrap();
    let _silent = server.connect();
    let (code, _) = server.end();
    assert_eq!(code, Some(0));
    assert!(events.next().is_none(), "the connection is closed");
}

pub(crate) fn a_browser_is_opened_or_the_address_is_told() {
    let scratch = Scratch::new("open");
    let opened = scratch.0.join("opened");
    let open = |script: &str| {
        for name in ["xdg-open", "open"] {
            scratch.write_script(name, script);
        }
        let mut command = command(&scratch, &["serve", "--port", "0", "--open"]);
        Server::spawn(command.env("PATH", format!("{}:/usr/bin:/bin", scratch.0.display())))
    };
    let server = open("#!/bin/sh\necho \"$1\" > opened.new; mv opened.new opened\n");
    wait_for("the browser", || opened.exists());
    let address = fs::read_to_string(&opened).unwrap();
    assert_eq!(address, format!("http://{}/\n", server.address));
    assert!(!server.end().1.contains("browser"));

    let mut server = open("#!/bin/sh\nexit 3\n");
    let mut errors = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let told = errors.find_map(|line| line.ok().filter(|line| line.contains("browser")));
    let address = format!("open http://{}/ yourself", server.address);
    assert!(told.as_ref().is_some_and(|told| told.contains(&address)), "{told:?}");
}
