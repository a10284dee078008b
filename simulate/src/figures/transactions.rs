//! How far behind transactions are read in sparse networks, and what breaks txn-kv's disk.

use std::time::Duration;

use anyhow::Context as _;
use broadcast_experiments::{each, over, table};
use simulator::{DiskFault, Links, Settings, Simulation};

use super::cluster::TXN_KV;
use crate::challenges::parse;
use crate::nodes::Kind;

/// One node, killed every 2 s or so, at strict serializability.
const TEST: &str = "-w txn-rw-register --node-count 1 --concurrency 2 --rate 100 --time-limit 8 \
                    --consistency-models strict-serializable --nemesis kill --nemesis-interval 1";
/// How many seeds.
const SEEDS: u64 = 60;
/// How many nodes, how often the machine of one of them dies, and how long between deaths.
const NODES: usize = 5;
const KILLS: usize = 100;
const PAUSE: Duration = Duration::from_millis(400);

/// How many runs fail under faults of the disk.
pub(super) fn disk() -> anyhow::Result<String> {
    let faults: [&[DiskFault]; 4] = [
        &[DiskFault::LoseUnsynced],
        &[DiskFault::Torn],
        &[DiskFault::Full, DiskFault::Locked],
        &[DiskFault::Flip],
    ];
    let rows = faults.map(|faults| {
        let [synced, without] =
            [failures(faults, &["--sync=every-group"])?, failures(faults, &[])?];
        let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
        Ok(format!("`{}` | {synced} | {without}", names.join(",")))
    });
    let head = format!("of {SEEDS} runs fail under | with `--sync=every-group` | without");
    Ok(table(&head, rows.into_iter().collect::<anyhow::Result<Vec<_>>>()?))
}

fn failures(faults: &[DiskFault], arguments: &[&str]) -> anyhow::Result<usize> {
    let node = Kind::find("txn-kv")?;
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let runs = over(0..SEEDS, |seed| {
        let settings = Settings { disk: faults.to_vec(), ..parse(TEST, seed)?.0 };
        let finished = Simulation::with(settings, node.program(&arguments)?).run();
        Ok(node.check(&finished).is_err())
    })?;
    Ok(runs.into_iter().filter(|&fails| fails).count())
}

/// How long a write takes until all nodes read it, in networks that are not complete.
pub(super) fn sparse() -> anyhow::Result<String> {
    let networks =
        [(Links::default(), 20), (Links::Chain, 5), (Links::Chain, 20), (Links::Tree, 20)];
    let longest = each(&networks, |(links, nodes)| {
        let mut scene = TXN_KV.scene(*nodes, 100, links.clone())?;
        let took = TXN_KV.spread(&mut scene, *nodes);
        Ok(took.last().copied().unwrap_or_default() as f64 / 1e3)
    })?;
    Ok(format!(
        "At 100 ms a hop reads are up to {:.1} s behind among 20 nodes in a complete network, \
         {:.1} s in a chain of 5, {:.1} s in a chain of 20 and {:.1} s in a tree of 20.",
        longest[0], longest[1], longest[2], longest[3]
    ))
}

/// How large messages are once nodes have been killed often.
pub(super) fn kills() -> anyhow::Result<String> {
    let mut scene = TXN_KV.scene(NODES, 0, Links::default())?;
    for kill in 0..KILLS {
        // Without --sync=every-group its journal may have lost something then, so that a new incarnation begins.
        scene.kill_with(&[kill % NODES], &[DiskFault::LoseUnsynced]);
        scene.run_for(PAUSE);
        scene.restart();
        TXN_KV.write(&mut scene, kill % NODES, 0);
        scene.run_for(PAUSE);
    }
    scene.run_for(20 * PAUSE);
    let before = scene.journal().len();
    TXN_KV.write(&mut scene, 0, 0);
    scene.run_for(20 * PAUSE);
    let is_sent = |line: &&str| line.contains(" Send ") && line.contains("\"replicate\"");
    let sent = scene.journal()[before..].lines().filter(is_sent).map(str::len);
    let largest = sent.max().context("nothing was sent")?;
    Ok(format!(
        "After {KILLS} deaths of machines, each of which makes another incarnation of a node, the \
         largest message that a write of one key costs among {NODES} nodes has {largest} bytes."
    ))
}
