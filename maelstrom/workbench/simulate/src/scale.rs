//! Broadcast in clusters of growing size.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;
use workbench::checker::Validity;
use workbench::settings::{Settings, Workload};
use workbench::simulation::{Finished, Simulation};

use crate::nodes::Kind;
use crate::print;

/// What the command line of `simulate scale` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// How many nodes
    #[arg(value_name = "NUM", default_values_t = [5, 25, 100, 300, 1000])]
    nodes: Vec<usize>,

    /// Operations a second; every other one is a broadcast
    #[arg(long, value_name = "RATE", default_value = "400")]
    rate: f64,

    /// One-way latency, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value = "100")]
    latency: u64,

    /// For how many virtual seconds
    #[arg(long, value_name = "SECONDS", default_value = "20")]
    seconds: u64,

    /// Arguments of the broadcast program, after `--`
    #[arg(last = true, value_name = "NODE ARGS")]
    arguments: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    print(&format!(
        "{} operations a second (every other one a broadcast) for {} s, {} ms a hop\n\n\
         | nodes | values | messages a value | messages a value and node | stable latency, ms: \
         median / p99 / max |\n| ---: | ---: | ---: | ---: | ---: |\n",
        flags.rate, flags.seconds, flags.latency
    ));
    let program = Kind::find("broadcast").map_err(anyhow::Error::msg)?.program(&flags.arguments)?;
    let mut is_well = true;
    for &nodes in &flags.nodes {
        say_live(&format!("{nodes} nodes …"));
        let finished = Simulation::with(Settings::new(Workload::Broadcast), program.clone())
            .nodes(nodes)
            .rate(flags.rate)
            .seconds(flags.seconds)
            .latency(flags.latency)
            .run();
        say_live("");
        is_well &= finished.valid() == Validity::Valid;
        print(&row(nodes, &finished));
    }
    Ok(is_well)
}

fn row(nodes: usize, finished: &Finished) -> String {
    let count = finished.report.result("workload", "attempt-count");
    let values = count.and_then(serde_json::Value::as_f64);
    let (Ok(stats), Some(values)) = (&finished.ended, values) else {
        return format!("{finished}\n");
    };
    let each = stats.net.servers.msg_count as f64 / values;
    let [median, p99, most] = ["0.5", "0.99", "1"].map(|q| finished.stable_latency(q));
    let a_node = each / nodes as f64;
    format!("| {nodes} | {values} | {each:.1} | {a_node:.3} | {median} / {p99} / {most} |\n")
}

/// Replaces the line on a terminal; elsewhere nobody waits for it.
fn say_live(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = std::io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
    }
}
