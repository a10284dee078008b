//! Clients from outside, by HTTP and WebSocket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client};

use crate::support::{Cluster, Process, WORKBENCH, await_port, free_port};

/// What does not answer at once is given so long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Gateway {
    port: u16,
    process: Process,
    token: Option<&'static str>,
}

struct Answer {
    status: u16,
    head: String,
    text: String,
}

impl Answer {
    fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Gateway {
    fn start(cluster: &Cluster, flags: &str) -> Self {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let url = cluster.url();
        let mut args = vec!["gateway", &url, "--listen", &address];
        args.extend(flags.split_whitespace());
        let process = Process::start(WORKBENCH, &args, &cluster.log("gateway"));
        await_port(port);
        Self { port, process, token: None }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request, and whatever headers.
    fn send(&self, line: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let bearer = self.token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let (length, bearer) = (body.len(), bearer.unwrap_or_default());
        let head = format!(
            "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{bearer}{headers}\r\n\
             {body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), text: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), "Host: localhost\r\n", "")
    }

    fn post(&self, node: &str, body: &Value) -> Answer {
        self.send(&format!("POST /{node}"), "Host: localhost\r\n", &body.to_string())
    }

    /// Waits until it says this of how things are.
    #[track_caller]
    fn await_health(&self, is_it: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let health = self.get("/health").body();
            if is_it(&health) {
                return;
            }
            assert!(Instant::now() < until, "{health}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn is_ok(health: &Value) -> bool {
    health["status"] == "ok"
}

#[test]
fn clients_ask_nodes_and_hear_what_became_of_it() {
    let cluster = Cluster::new("gateway", false);
    let flags = "--bin lin-kv --node-count 3 --timeout 2 --max-body 1000";
    let gateway = Gateway::start(&cluster, flags);
    gateway.await_health(is_ok);
    let read = json!({"type": "read", "key": "x"});
    let write = json!({"type": "write", "key": "x", "value": 7, "msg_id": "mine"});
    let written = gateway.post("n0", &write);
    assert_eq!(written.status, 200, "{}", written.text);
    assert_eq!(written.body(), json!({"type": "write_ok", "in_reply_to": "mine"}));
    assert_eq!(gateway.post("n1", &read).body(), json!({"type": "read_ok", "value": 7}));

    let long = json!({"type": "write", "key": "x", "value": "x".repeat(2000)});
    for (node, body, status, code) in [
        ("n2", json!({"type": "cas", "key": "x", "from": 1, "to": 2}), 412, 22),
        ("n2", json!({"type": "read", "key": "y"}), 404, 20),
        ("n2", json!({"type": "fly"}), 501, 10),
        ("n3", read.clone(), 404, 1),
        ("n0", json!([1]), 400, 12),
        ("n0", json!({"type": "init", "node_id": "n1"}), 501, 10),
        ("n0", long, 413, 12),
    ] {
        let answer = gateway.post(node, &body);
        assert_eq!((answer.status, &answer.body()["code"]), (status, &json!(code)), "{body}");
        assert!(answer.head.contains("maelstrom-outcome: not-done"), "{}", answer.head);
    }
    let refused = r#"requests_total{node="n0",type="other",outcome="malformed-request"} 2"#;
    let metrics = gateway.get("/metrics").text;
    assert!(metrics.contains(refused), "one is too long, one is no object: {metrics}");
    let status = |line: &str, headers: &str| gateway.send(line, headers, "").status;
    assert_eq!(status("GET /health", "Host: evil.example\r\n"), 421);
    assert_eq!(status("POST /n0", "Host: localhost\r\nOrigin: http://evil.example\r\n"), 403);
    assert_eq!(status("DELETE /n0", "Host: localhost\r\n"), 405);
}

#[test]
fn a_request_to_a_node_that_is_gone_is_lost_and_counted() {
    let mut cluster = Cluster::new("gateway-gone", false);
    let gateway = Gateway::start(&cluster, "--bin lin-kv --node-count 3 --timeout 2");
    gateway.await_health(is_ok);
    let read = json!({"type": "read", "key": "x"});
    let written = gateway.post("n0", &json!({"type": "write", "key": "x", "value": 7}));
    assert_eq!(written.status, 200, "{}", written.text);

    // Nobody knows yet that this agent is gone, and nobody can say what became of the request.
    cluster.agents.remove(2).kill();
    let lost = gateway.post("n2", &read);
    assert_eq!((lost.status, &lost.body()["code"]), (504, &json!(0)));
    assert!(lost.head.contains("maelstrom-outcome: unknown"), "{}", lost.head);
    assert_eq!(gateway.post("n1", &read).status, 200, "the others go on");
    cluster.agents.push(cluster.agent("c", false));
    let restarted = r#"maelstrom_gateway_node_restarts_total{node="n2"} 1"#;
    let until = Instant::now() + PATIENCE;
    while !gateway.get("/metrics").text.contains(restarted) {
        assert!(Instant::now() < until, "nobody noticed the agent");
    }
    gateway.await_health(is_ok);
    let metrics = gateway.get("/metrics").text;
    for line in [
        r#"maelstrom_gateway_requests_total{node="n0",type="write",outcome="ok"} 1"#,
        r#"maelstrom_gateway_requests_total{node="n2",type="read",outcome="timeout"} 1"#,
        r#"maelstrom_gateway_request_seconds_count{type="write"} 1"#,
        "maelstrom_gateway_nats_connected 1",
        "maelstrom_gateway_waiting 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let until = Instant::now() + PATIENCE;
    while gateway.post("n2", &read).body()["value"] != 7 {
        assert!(Instant::now() < until, "it has to catch up");
    }
}

#[test]
fn requests_of_a_websocket_do_not_wait_for_each_other() {
    let cluster = Cluster::new("socket", false);
    let gateway = Gateway::start(&cluster, "--bin echo --node-count 2 --max-body 1000");
    gateway.await_health(is_ok);
    let url = format!("ws://localhost:{}/n1", gateway.port);
    let (mut socket, _) = client(&url, gateway.connect()).unwrap();
    let mut say = |text: String| socket.send(Message::text(text)).unwrap();
    for number in 0..500 {
        let body = json!({"type": "echo", "echo": number, "msg_id": format!("id {number}")});
        say(body.to_string());
    }
    say("nonsense".to_owned());
    let mut hear = || serde_json::from_str::<Value>(socket.read().unwrap().to_text().unwrap());
    let (mut echoes, mut errors) = (Vec::new(), 0);
    for _ in 0..501 {
        let body = hear().unwrap();
        match body["type"].as_str() {
            Some("echo_ok") => {
                assert_eq!(body["in_reply_to"], format!("id {}", body["echo"]));
                echoes.push(body["echo"].as_u64().unwrap());
            }
            _ => {
                assert_eq!((&body["type"], &body["code"]), (&json!("error"), &json!(12)));
                errors += 1;
            }
        }
    }
    echoes.sort_unstable();
    assert_eq!((echoes, errors), ((0..500).collect(), 1));
    let long = json!({"type": "echo", "echo": "x".repeat(2000)});
    socket.send(Message::text(long.to_string())).unwrap();
    let refused = socket.read().unwrap().into_text().unwrap();
    assert!(refused.contains("at most 1000 bytes"), "{refused}");
    assert!(matches!(socket.read().unwrap(), Message::Close(_)));
}

#[test]
fn a_node_that_ends_is_started_again_and_nobody_waits_for_it() {
    let mut cluster = Cluster::new("fragile", false);
    let script = cluster.directory.join("fragile");
    let text = r#"#!/bin/sh
        read -r init
        id=$(echo "$init" | sed 's/.*"msg_id": *\([0-9]*\).*/\1/')
        node=$(echo "$init" | sed 's/.*"node_id": *"\([^"]*\)".*/\1/')
        echo '{"src":"'$node'","dest":"c1","body":{"type":"init_ok","in_reply_to":'$id'}}'
        read -r request
        exit 3
    "#;
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    cluster.agents.clear();
    cluster.agents.push(cluster.agent_with("a", false, &[script]));
    cluster.await_agents();
    let gateway = Gateway::start(&cluster, "--bin fragile --node-count 1 --timeout 60");
    for restarts in 1..3 {
        gateway.await_health(is_ok);
        let answer = gateway.post("n0", &json!({"type": "echo"}));
        assert_eq!((answer.status, &answer.body()["code"]), (500, &json!(13)), "{}", answer.text);
        gateway.await_health(is_ok);
        let line = format!("node_restarts_total{{node=\"n0\"}} {restarts}");
        assert!(gateway.get("/metrics").text.contains(&line));
    }
}

#[test]
fn more_requests_than_may_wait_are_refused_and_the_rest_comes_to_its_end_before_the_gateway() {
    let cluster = Cluster::new("waiting", false);
    let flags = "--bin echo --node-count 1 --timeout 60 --max-waiting 2";
    let mut gateway = Gateway::start(&cluster, flags);
    gateway.await_health(is_ok);
    cluster.agents.iter().for_each(|agent| agent.signal(Signal::SIGSTOP));
    let echo = json!({"type": "echo", "echo": "hello"});
    thread::scope(|scope| {
        let ask = || gateway.post("n0", &echo);
        let waiting = [scope.spawn(ask), scope.spawn(ask)];
        let until = Instant::now() + PATIENCE;
        while !gateway.get("/metrics").text.contains("gateway_waiting 2") {
            assert!(Instant::now() < until);
        }
        let refused = gateway.post("n0", &echo);
        assert_eq!((refused.status, &refused.body()["code"]), (503, &json!(11)));
        assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
        gateway.process.signal(Signal::SIGTERM);
        cluster.agents.iter().for_each(|agent| agent.signal(Signal::SIGCONT));
        for answer in waiting {
            assert_eq!(answer.join().unwrap().status, 200);
        }
    });
    assert!(gateway.process.0.wait().unwrap().success());
}

#[test]
fn whoever_comes_from_elsewhere_needs_the_token() {
    let cluster = Cluster::new("token", false);
    let url = cluster.url();
    let args = ["gateway", &url, "--bin", "echo", "--listen", "0.0.0.0:0"];
    let refused = Command::new(WORKBENCH).args(args).stdout(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("--token-file"), "{text}");

    let file = cluster.directory.join("token");
    fs::write(&file, "correct horse battery\n").unwrap();
    let flags = format!("--bin echo --node-count 1 --token-file {}", file.display());
    let mut gateway = Gateway::start(&cluster, &flags);
    assert_eq!(gateway.get("/health").status, 401);
    gateway.token = Some("correct horse batterx");
    assert_eq!(gateway.get("/metrics").status, 401);
    gateway.token = Some("correct horse battery");
    gateway.await_health(is_ok);
    let echo = json!({"type": "echo", "echo": 1});
    let answer = gateway.send("POST /n0", "Host: gateway.example\r\n", &echo.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[test]
fn while_etcd_or_nats_is_away_clients_hear_so_and_nothing_is_lost_that_was_acknowledged() {
    let mut cluster = Cluster::new("away", true);
    let gateway = Gateway::start(&cluster, "--bin lin_kv_proxy --node-count 1 --timeout 2");
    gateway.await_health(is_ok);
    let read = json!({"type": "read", "key": "x"});
    let written = gateway.post("n0", &json!({"type": "write", "key": "x", "value": 7}));
    assert_eq!(written.status, 200, "{}", written.text);

    cluster.etcd.take().unwrap().kill();
    gateway.await_health(|health| health["status"] == "degraded");
    let health = gateway.get("/health");
    assert_eq!(health.status, 200, "nodes are there");
    let agents = health.body()["agents"].clone();
    let told = agents.as_object().unwrap().values().all(|agent| agent["etcd"].is_string());
    assert!(told, "{agents}");
    // The node leaves open what became of its calls.
    let failed = gateway.post("n0", &read);
    assert_eq!((failed.status, &failed.body()["code"]), (500, &json!(13)), "{}", failed.text);
    cluster.start_etcd();
    gateway.await_health(is_ok);
    assert_eq!(gateway.post("n0", &read).body(), json!({"type": "read_ok", "value": 7}));

    cluster.nats.take().unwrap().kill();
    gateway.await_health(|health| health["status"] == "down");
    assert_eq!(gateway.get("/health").status, 503);
    let refused = gateway.post("n0", &read);
    assert_eq!((refused.status, &refused.body()["code"]), (503, &json!(11)), "{}", refused.text);
    assert!(refused.head.contains("maelstrom-outcome: not-done"), "{}", refused.head);
    let metrics = gateway.get("/metrics").text;
    assert!(metrics.contains("maelstrom_gateway_nats_connected 0"), "{metrics}");
    cluster.start_nats();
    gateway.await_health(is_ok);
    // The agent may be connected later than the gateway.
    let until = Instant::now() + PATIENCE;
    while gateway.post("n0", &read).body() != json!({"type": "read_ok", "value": 7}) {
        assert!(Instant::now() < until, "requests do not arrive any more");
    }
    let metrics = gateway.get("/metrics").text;
    for line in ["maelstrom_gateway_nats_connected 1", "maelstrom_gateway_nats_outages_total 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}
