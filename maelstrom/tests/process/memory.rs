//! Calls that have ended leave nothing behind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use maelstrom::{CallError, Context, Empty, Error, Host, Node};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::sync::Notify;

maelstrom::message_types! { "go": struct Go {} -> Empty; }

#[derive(Default)]
struct Done {
    memory: Mutex<Vec<u64>>,
    notify: Notify,
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_million_calls_that_time_out_leave_memory_flat() {
    /// A thousand calls at a time, a thousand times; memory after each tenth.
    async fn million(context: Context<Arc<Done>>, _: Go) -> Result<Empty, Error> {
        let nobody = "n1".into();
        for round in 0..1000 {
            let call = || context.call(&nobody, &Go {}, Duration::from_millis(1));
            let ended = join_all((0..1000).map(|_| call())).await;
            assert!(ended.iter().all(|end| matches!(end, Err(CallError::Timeout { .. }))));
            if round % 100 == 99 {
                context.state().memory.lock().unwrap().push(resident_kib());
            }
        }
        context.state().notify.notify_one();
        Ok(Empty {})
    }

    let done = Arc::new(Done::default());
    let state = Arc::clone(&done);
    let node = Node::new(move |_| state).handle(million);
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    let init = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]}}"#;
    let go = r#"{"src":"c1","dest":"n0","body":{"type":"go","msg_id":5}}"#;
    ours.write_all(format!("{init}\n{go}\n").as_bytes()).await.unwrap();
    let (input, output) = (BufReader::new(theirs), tokio::io::sink());
    node.run_until(input, output, Host::seeded(1), done.notify.notified()).await.unwrap();
    let memory = done.memory.lock().unwrap();
    let grown = memory[9].saturating_sub(memory[0]);
    assert!(grown < 2048, "grew by {grown} KiB over 900,000 calls: {memory:?}");
}
