//! Many calls that end together: processor time a call, which must not grow with their
//! number.
//!
//! A node calls another one that never answers, 20,000, 80,000 and a million times at
//! once, from one handler or from a task for each call, and all calls time out in the
//! same moment. Exits with 1 when a threshold is missed.

#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use maelstrom::{CallError, Context, Empty, Host, Node};
use tokio::io::{AsyncWriteExt as _, BufReader, duplex, sink};
use tokio::sync::Notify;

const SIZES: [usize; 3] = [20_000, 80_000, 1_000_000];
const TIMEOUT: Duration = Duration::from_secs(1);
/// Seconds of processor time for the last size.
const MOST_SECONDS: f64 = 5.0;

const INPUT: &str = r#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]}}
{"src":"c1","dest":"n0","body":{"type":"go"}}
"#;

maelstrom::message_types! {
    "go": struct Go {};
    "ask": struct Ask {} -> Empty;
}

/// Who makes the calls.
#[derive(Clone, Copy)]
enum Caller {
    Tasks,
    Handler,
}

struct Shared {
    calls: usize,
    caller: Caller,
    /// Calls that have not ended.
    left: AtomicUsize,
    done: Notify,
}

fn main() -> Result<ExitCode> {
    println!("calls at once      a task each     one handler   threshold");
    let mut last = 0.0;
    for size in SIZES {
        let [tasks, handler] = [measure(size, Caller::Tasks)?, measure(size, Caller::Handler)?];
        println!("{size:>13}   {tasks:>10.2} s   {handler:>11.2} s");
        last = f64::max(tasks, handler);
    }
    println!(
        "at the last size at most {MOST_SECONDS} s: {}",
        if last <= MOST_SECONDS { "met" } else { "missed" }
    );
    Ok(if last <= MOST_SECONDS { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Processor time, in seconds, of so many calls, from when they are made to when the
/// last one has ended.
fn measure(calls: usize, caller: Caller) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let begun = processor_time()?;
    runtime.block_on(run(calls, caller))?;
    Ok(processor_time()? - begun)
}

async fn run(calls: usize, caller: Caller) -> Result<()> {
    let shared = Arc::new(Shared { calls, caller, left: calls.into(), done: Notify::new() });
    let state = Arc::clone(&shared);
    let node = Node::new(move |_| state).receive(go);
    let (mut ours, theirs) = duplex(1 << 16);
    ours.write_all(INPUT.as_bytes()).await?;
    let (input, shutdown) = (BufReader::new(theirs), shared.done.notified());
    node.run_until(input, sink(), Host::seeded(1), shutdown).await?;
    Ok(())
}

async fn go(context: Context<Arc<Shared>>, _: Go) {
    let Shared { calls, caller, .. } = **context.state();
    match caller {
        Caller::Tasks => (0..calls).for_each(|_| context.spawn(call(context.clone()))),
        Caller::Handler => drop(join_all((0..calls).map(|_| call(context.clone()))).await),
    }
}

async fn call(context: Context<Arc<Shared>>) {
    let ended = context.call(&"n1".into(), &Ask {}, TIMEOUT).await;
    assert!(matches!(ended, Err(CallError::Timeout { .. })), "{ended:?}");
    let Shared { left, done, .. } = &**context.state();
    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
        done.notify_one();
    }
}

fn processor_time() -> Result<f64> {
    let spent = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = spent.split(' ').next().context("an empty schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}
