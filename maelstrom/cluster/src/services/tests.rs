//! Promises of the services, held against three servers of etcd that replicate and die.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::ServiceName;
use tokio::time::{Instant, sleep};

use super::*;
use crate::etcd::Access;

mod histories;

const RUN: &str = "1d";

/// Servers of etcd, which end with this.
struct Servers {
    directory: PathBuf,
    /// For clients, and for each other.
    ports: Vec<[u16; 2]>,
    children: Vec<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Servers {
    async fn start(name: &str, count: usize) -> Self {
        let directory = format!("services-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        let ports = (0..count).map(|_| [free_port(), free_port()]).collect();
        let mut servers = Self { directory, ports, children: Vec::new() };
        servers.children = (0..count).map(|number| servers.child(number)).collect();
        servers.await_answer().await;
        servers
    }

    fn url(port: u16) -> String {
        format!("http://127.0.0.1:{port}")
    }

    fn child(&self, number: usize) -> Child {
        let [clients, peers] = self.ports[number].map(Self::url);
        let all = self.ports.iter().enumerate();
        let all: Vec<String> =
            all.map(|(number, ports)| format!("s{number}={}", Self::url(ports[1]))).collect();
        let log = std::fs::File::create(self.directory.join(format!("s{number}.log"))).unwrap();
        Command::new("etcd")
            .args(["--name", &format!("s{number}"), "--initial-cluster", &all.join(",")])
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .arg("--data-dir")
            .arg(self.directory.join(format!("s{number}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd; on Debian, apt-get install etcd-server")
    }

    /// A client that begins with this server.
    fn etcd(&self, first: usize) -> Etcd {
        let count = self.ports.len();
        let urls = (0..count).map(|number| Self::url(self.ports[(first + number) % count][0]));
        Etcd::new(&Access { endpoints: urls.collect(), ..Access::default() }).unwrap()
    }

    /// Services of a run, whose client begins with this server.
    fn services(&self, first: usize, run: &str) -> Services {
        Services::new(self.etcd(first), run).unwrap()
    }

    async fn await_answer(&self) {
        let (etcd, until) = (self.etcd(0), Instant::now() + Duration::from_secs(60));
        while let Err(failure) = etcd.put("x", b"x", 0).await {
            assert!(Instant::now() < until, "{failure}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn kill(&mut self, number: usize) {
        self.children[number].kill().unwrap();
        self.children[number].wait().unwrap();
    }

    fn restart(&mut self, number: usize) {
        self.children[number] = self.child(number);
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn ask(services: &Services, service: ServiceName, node: usize, body: Value) -> Value {
    let body = RawValue::from_string(body.to_string()).unwrap();
    let reply = services.handle(service, node, &body).await.unwrap();
    serde_json::from_str(reply.get()).unwrap()
}

fn read(key: &str) -> Value {
    json!({"type": "read", "key": key, "msg_id": 1})
}

fn write(key: &str, value: impl Into<Value>) -> Value {
    json!({"type": "write", "key": key, "value": value.into(), "msg_id": 1})
}

fn cas(key: &str, from: u64, to: u64) -> Value {
    let create = true;
    json!({"type": "cas", "key": key, "from": from, "to": to, "create_if_not_exists": create,
           "msg_id": 1})
}

const LIN: ServiceName = ServiceName::LinKv;
const SEQ: ServiceName = ServiceName::SeqKv;
const LWW: ServiceName = ServiceName::LwwKv;
const TSO: ServiceName = ServiceName::LinTso;

#[tokio::test]
async fn services_answer_as_those_of_the_bench_do() {
    let servers = Servers::start("answers", 1).await;
    let services = servers.services(0, RUN);
    for service in [LIN, SEQ] {
        let missing = ask(&services, service, 0, read("k")).await;
        assert_eq!((&missing["code"], &missing["in_reply_to"]), (&json!(20), &json!(1)));
        let object = json!({"a": [1], "b": "x"});
        assert_eq!(ask(&services, service, 0, write("k", object)).await["type"], "write_ok");
        let other = json!({"type": "cas", "key": "k", "from": {"a": [1]}, "to": 2, "msg_id": 1});
        assert_eq!(ask(&services, service, 0, other).await["code"], 22);
        // The same value, spelt otherwise.
        let same = r#"{"type": "cas", "key": "k", "from": { "b":"x", "a":[1] }, "to": 2}"#;
        let same = RawValue::from_string(same.to_owned()).unwrap();
        let reply = services.handle(service, 1, &same).await.unwrap();
        assert_eq!(reply.get(), r#"{"type":"cas_ok","in_reply_to":null}"#);
        assert_eq!(ask(&services, service, 1, read("k")).await["value"], 2);
        assert_eq!(ask(&services, service, 0, json!({"type": "ts"})).await["code"], 10);
    }
    let reply = json!({"type": "write_ok", "in_reply_to": 3});
    let reply = RawValue::from_string(reply.to_string()).unwrap();
    assert!(services.handle(LIN, 0, &reply).await.is_none());
    assert_eq!(ask(&services, LWW, 0, cas("k", 0, 1)).await["code"], 20, "it creates nothing");
}

#[tokio::test]
async fn keys_and_values_are_any_json() {
    let servers = Servers::start("json", 1).await;
    let services = servers.services(0, RUN);
    let long = "x".repeat(1_000_000);
    let keys =
        json!([null, 1, "1", "", "a/b", "a", "a/", "\0", "clock", "0/a", {"a": [1, null]}, "ключ"]);
    let keys = keys.as_array().unwrap();
    for service in [LIN, SEQ, LWW] {
        for (number, key) in keys.iter().enumerate() {
            let body = json!({"type": "write", "key": key, "value": number, "msg_id": 1});
            // Both replicas of `lww-kv` get it.
            for _ in 0..20 {
                assert_eq!(ask(&services, service, 0, body.clone()).await["type"], "write_ok");
            }
        }
        for (number, key) in keys.iter().enumerate() {
            let body = json!({"type": "read", "key": key, "msg_id": 1});
            assert_eq!(ask(&services, service, 0, body).await["value"], number, "{key}");
        }
        for value in [json!(null), json!(false), json!([]), json!(long)] {
            for _ in 0..20 {
                let done = ask(&services, service, 0, write("k", value.clone())).await;
                assert_eq!(done["type"], "write_ok");
            }
            let seen = ask(&services, service, 0, read("k")).await;
            assert_eq!((&seen["type"], &seen["value"]), (&json!("read_ok"), &value));
        }
        // One key and one value, each spelt in two ways.
        for (body, reply) in [
            (
                r#"{"type": "write", "key": {"a": 1, "b": 2}, "value": {"c": 1, "d": 2}}"#,
                "write_ok",
            ),
            (r#"{"type": "cas", "key": {"b":2,"a":1}, "from": {"d":2,"c":1}, "to": 3}"#, "cas_ok"),
        ] {
            let body = RawValue::from_string(body.to_owned()).unwrap();
            for _ in 0..if reply == "cas_ok" { 1 } else { 20 } {
                let said = services.handle(service, 0, &body).await.unwrap();
                assert!(said.get().contains(reply), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn runs_do_not_see_each_others_keys_and_leave_none_behind() {
    let servers = Servers::start("runs", 1).await;
    let [one, other] = ["1e", "1f"].map(|run| servers.services(0, run));
    ask(&one, LIN, 0, write("k", 1)).await;
    ask(&other, LIN, 0, write("k", 2)).await;
    one.forget().await;
    assert_eq!(ask(&one, LIN, 0, read("k")).await["code"], 20);
    assert_eq!(ask(&one, LIN, 0, write("k", 1)).await["code"], 13, "the run is over");
    assert_eq!(ask(&other, LIN, 0, read("k")).await["value"], 2);
    assert!(other.keep().await.unwrap());
    assert!(!one.keep().await.unwrap());
}

#[tokio::test]
async fn timestamps_go_up_whoever_asks() {
    let servers = Servers::start("timestamps", 1).await;
    let services = [0, 1].map(|_| servers.services(0, RUN));
    let mut last = 0;
    for number in 0..20 {
        let reply = ask(&services[number % 2], TSO, number, json!({"type": "ts"})).await;
        assert!(reply["ts"].as_u64().unwrap() > last, "{reply}");
        last = reply["ts"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn replicas_come_to_have_what_was_written_last() {
    let servers = Servers::start("replicas", 1).await;
    let services = servers.services(0, RUN);
    for value in 0..10 {
        assert_eq!(ask(&services, LWW, 0, write("k", value)).await["type"], "write_ok");
    }
    // Each request is one chance in four that the newer goes over.
    let mut quiet = 0;
    for _ in 0..300 {
        let reply = ask(&services, LWW, 0, read("k")).await;
        quiet = if reply["value"] == 9 { quiet + 1 } else { 0 };
    }
    assert!(quiet > 50, "{quiet}");
}

/// How a session sees two keys of `seq-kv`, of which one is written after the other.
async fn watch(services: &Services, node: usize, last: u64) {
    let mut seen = [0; 2];
    let until = Instant::now() + Duration::from_secs(120);
    while seen != [last; 2] {
        assert!(Instant::now() < until, "{seen:?} of {last}");
        let mut now = [0; 2];
        for (place, key) in [(1, "second"), (0, "first")] {
            services.etcd.turn_to_next();
            let reply = ask(services, SEQ, node, read(key)).await;
            now[place] = reply["value"].as_u64().unwrap_or_default();
            assert!(now[place] >= seen[place], "{key} went back from {seen:?}: {reply}");
        }
        assert!(now[0] >= now[1], "what was written before is seen before: {now:?}");
        seen = now;
    }
}

/// Adds one to a key until it was added so often. Returns the greatest value that it wrote.
async fn count(services: &Services, service: ServiceName, node: usize, times: u64) -> u64 {
    let (mut done, mut own) = (0, 0);
    while done < times {
        services.etcd.turn_to_next();
        let reply = ask(services, service, node, read("count")).await;
        let seen = reply["value"].as_u64().unwrap_or_default();
        assert!(seen >= own, "a session sees what it wrote: {seen}, {own}");
        if ask(services, service, node, cas("count", seen, seen + 1)).await["type"] == "cas_ok" {
            (done, own) = (done + 1, seen + 1);
        }
    }
    own
}

#[tokio::test]
async fn sessions_see_changes_in_one_order_whichever_server_they_ask() {
    let servers = Servers::start("sessions", 3).await;
    // Whoever goes from server to server meets those that are behind.
    let services = [0, 1, 2].map(|number| servers.services(number, RUN));
    let [one, two, three] = &services;
    let writes = async {
        for value in 1..=200 {
            ask(one, SEQ, 0, write("first", value)).await;
            ask(one, SEQ, 0, write("second", value)).await;
        }
    };
    let counts = async {
        let counts = [count(one, SEQ, 4, 20), count(two, SEQ, 5, 20), count(three, SEQ, 6, 20)];
        let [a, b, c] = counts;
        let (a, b, c) = tokio::join!(a, b, c);
        assert_eq!(a.max(b).max(c), 60, "each was counted once");
    };
    tokio::join!(writes, watch(two, 1, 200), watch(three, 2, 200), counts);
}

#[tokio::test]
async fn what_etcd_acknowledged_it_has_and_what_it_did_not_is_in_doubt() {
    let mut servers = Servers::start("deaths", 1).await;
    let services = servers.services(0, RUN);
    let (mut done, mut in_doubt, mut last, mut was_away) = (0, 0, 0, false);
    for step in 0..400 {
        match step {
            100 | 200 => servers.kill(0),
            110 | 210 => {
                servers.restart(0);
                servers.await_answer().await;
            }
            _ => {}
        }
        if (100..110).contains(&step) || (200..210).contains(&step) {
            sleep(Duration::from_millis(20)).await;
        }
        let reply = ask(&services, LIN, 0, read("count")).await;
        match reply["code"].as_u64() {
            None => last = reply["value"].as_u64().unwrap(),
            Some(20) => {}
            Some(11 | 13) => {
                was_away = true;
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            Some(_) => panic!("{reply}"),
        }
        assert!((done..=done + in_doubt).contains(&last), "{last}: {done}, {in_doubt} in doubt");
        let reply = ask(&services, LIN, 0, cas("count", last, last + 1)).await;
        match reply["code"].as_u64() {
            None => done += 1,
            Some(13) => in_doubt += 1,
            Some(11) => {}
            Some(_) => panic!("nobody else writes: {reply}"),
        }
    }
    assert!(was_away && done > 100, "{done}");
}
