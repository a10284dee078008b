//! Whole nodes, joined by a network without faults, in virtual time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use maelstrom::Host;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::sleep;

/// Running nodes, and one client.
struct Cluster {
    nodes: BTreeMap<String, UnboundedSender<String>>,
    tasks: BTreeMap<String, Vec<JoinHandle<()>>>,
    lines: UnboundedSender<String>,
    arrived: UnboundedReceiver<String>,
    /// Messages between nodes.
    messages: Rc<Cell<u64>>,
}

#[derive(Deserialize)]
struct Addresses {
    src: String,
    dest: String,
}

impl Cluster {
    async fn start(count: usize) -> Self {
        let (lines, arrived) = unbounded_channel();
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            tasks: BTreeMap::new(),
            lines,
            arrived,
            messages: Rc::default(),
        };
        let ids: Vec<String> = (0..count).map(|index| format!("n{index}")).collect();
        for (seed, id) in (0..).zip(&ids) {
            cluster.spawn(id, seed);
        }
        for id in &ids {
            cluster.init(id, &ids).await;
        }
        cluster
    }

    fn spawn(&mut self, id: &str, seed: u64) {
        let (sender, mut inbox) = unbounded_channel::<String>();
        let (mut write, input) = tokio::io::duplex(1 << 16);
        let (output, read) = tokio::io::duplex(1 << 16);
        let node = async move {
            let input = BufReader::new(input);
            txn_kv::node()
                .run(input, output, Host::seeded(seed))
                .await
                .expect("memory never fails");
        };
        let feed = async move {
            while let Some(line) = inbox.recv().await {
                let written = write.write_all(format!("{line}\n").as_bytes()).await;
                written.expect("the node reads on");
            }
        };
        let lines = self.lines.clone();
        let collect = async move {
            let mut output = BufReader::new(read).lines();
            while let Some(line) = output.next_line().await.expect("UTF-8") {
                // Nobody listens when the test is over.
                let _ = lines.send(line);
            }
        };
        self.nodes.insert(id.to_owned(), sender);
        let tasks = [
            tokio::task::spawn_local(node),
            tokio::task::spawn_local(feed),
            tokio::task::spawn_local(collect),
        ];
        self.tasks.insert(id.to_owned(), tasks.into());
    }

    async fn init(&mut self, id: &str, ids: &[String]) {
        let ids = serde_json::to_string(ids).unwrap();
        let body = format!(r#"{{"type":"init","msg_id":1,"node_id":"{id}","node_ids":{ids}}}"#);
        let reply = self.ask(id, &body).await;
        assert!(reply.contains("init_ok"), "{reply}");
    }

    /// Kills a node without a directory, and starts it again.
    async fn restart(&mut self, id: &str, seed: u64) {
        for task in &self.tasks[id] {
            task.abort();
        }
        let ids: Vec<String> = self.nodes.keys().cloned().collect();
        self.spawn(id, seed);
        self.init(id, &ids).await;
    }

    /// Asks a node, and delivers what nodes say until it answers.
    async fn ask(&mut self, id: &str, body: &str) -> String {
        let line = format!(r#"{{"src":"c1","dest":"{id}","body":{body}}}"#);
        self.nodes[id].send(line).unwrap();
        loop {
            let line = self.arrived.recv().await.expect("nodes run on");
            if let Some(answer) = self.deliver(line) {
                return answer;
            }
        }
    }

    /// Takes a line to where it belongs; returns it if that is the client.
    fn deliver(&self, line: String) -> Option<String> {
        let Addresses { src, dest } = serde_json::from_str(&line).unwrap();
        let Some(node) = self.nodes.get(&dest) else { return Some(line) };
        assert_ne!(src, dest);
        self.messages.set(self.messages.get() + 1);
        node.send(line).unwrap();
        None
    }

    /// Lets virtual time pass.
    async fn pass(&mut self, duration: Duration) {
        let mut end = Box::pin(sleep(duration));
        loop {
            tokio::select! {
                () = &mut end => return,
                line = self.arrived.recv() => {
                    let answer = self.deliver(line.expect("nodes run on"));
                    assert_eq!(answer, None, "nobody asked");
                }
            }
        }
    }

    async fn txn(&mut self, id: &str, txn: &str) -> String {
        let reply = self.ask(id, &format!(r#"{{"type":"txn","msg_id":2,"txn":{txn}}}"#)).await;
        let start = reply.find(r#""txn":"#).unwrap_or_else(|| panic!("answered {reply}"));
        reply[start + 6..reply.len() - 2].to_owned()
    }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn writes_spread_in_time_and_with_few_messages() {
    let test = async {
        let mut cluster = Cluster::start(2).await;
        cluster.pass(1000 * MS).await;
        let before = cluster.messages.get();
        for round in 0..10_u64 {
            for step in 0..100 {
                let value = round * 100 + step;
                let node = ["n0", "n1"][(value % 2) as usize];
                cluster.txn(node, &format!(r#"[["r",1,null],["w",{value},{value}]]"#)).await;
                cluster.pass(MS).await;
            }
            cluster.pass(100 * MS).await;
            for value in round * 100..(round + 1) * 100 {
                for node in ["n0", "n1"] {
                    let read = cluster.txn(node, &format!(r#"[["r",{value},null]]"#)).await;
                    assert_eq!(read, format!(r#"[["r",{value},{value}]]"#));
                }
            }
        }
        let messages = cluster.messages.get() - before;
        assert!(messages <= 100, "{messages} messages in two seconds");
        cluster.pass(5000 * MS).await;
        let before = cluster.messages.get();
        cluster.pass(3_600_000 * MS).await;
        assert_eq!(cluster.messages.get(), before, "there is nothing to say");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_directory_is_filled_again_by_the_others() {
    let test = async {
        let mut cluster = Cluster::start(3).await;
        cluster.txn("n2", r#"[["w","a",1],["w","b",2]]"#).await;
        cluster.pass(3000 * MS).await;
        cluster.restart("n2", 99).await;
        assert_eq!(cluster.txn("n2", r#"[["r","a",null]]"#).await, r#"[["r","a",null]]"#);
        cluster.txn("n2", r#"[["w","b",3]]"#).await;
        cluster.pass(5000 * MS).await;
        let read = r#"[["r","a",null],["r","b",null]]"#;
        // Written when it did not know of the 2 there: concurrent with it, and
        // ordered by the stamps alone. What matters is that all agree.
        let agreed = cluster.txn("n0", read).await;
        assert!(agreed.starts_with(r#"[["r","a",1],"#), "{agreed}");
        for node in ["n1", "n2"] {
            assert_eq!(cluster.txn(node, read).await, agreed);
        }
    };
    LocalSet::new().run_until(test).await;
}
