//! Processes in real time and nodes in virtual time held against each other: both have the
//! same world, so they come to the same.
//!
//! This program is the tests and the nodes: with the arguments `node` and a name it runs the
//! latter. So the tests need nothing that `cargo test` does not build.

mod amnesia;
mod conformance;
mod killed;

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use amnesia::Kind;
use workbench::ProcessOptions;

/// Tests with their names.
macro_rules! tests {
    ($($test:path),+ $(,)?) => {
        [$((stringify!($test), $test as fn())),+]
    };
}

#[expect(clippy::print_stdout, reason = "it stands for the test harness")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["node", "forgets"] => return maelstrom::run(amnesia::node(Kind::Forgets)),
        ["node", "remembers"] => return maelstrom::run(amnesia::node(Kind::Remembers)),
        ["node", "broadcast"] => return maelstrom::run(broadcast::node()),
        ["node", "synced-broadcast"] => return maelstrom::run(killed::synced_broadcast()),
        ["node", "lin-kv"] => return maelstrom::run(killed::lin_kv()),
        ["node", "g-counter"] => return maelstrom::run(g_counter::node()),
        _ => {}
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let run = |(name, test): &(&str, fn())| {
        if filter.is_none_or(|filter| name.contains(filter)) {
            test();
            println!("test {name} ... ok");
        }
    };
    thread::scope(|scope| {
        // They wait for processes more than they work.
        for test in &PROCESSES {
            scope.spawn(|| run(test));
        }
        SIMULATIONS.iter().for_each(run);
    });
    ExitCode::SUCCESS
}

/// Nodes of this name as processes, with what they write in a directory.
fn processes(node: &str, directory: &Path) -> ProcessOptions {
    ProcessOptions {
        bin: std::env::current_exe().expect("this program"),
        args: vec!["node".into(), node.into()],
        node_log_dir: directory.join("node-logs"),
        work_dir: directory.join("nodes"),
        journal: false,
        trace: false,
        watchdog: None,
    }
}

const SIMULATIONS: [(&str, fn()); 3] = tests![
    amnesia::a_node_that_forgets_is_found_in_most_simulations,
    amnesia::the_original_sees_less_of_it,
    amnesia::a_node_that_remembers_is_valid_in_simulations,
];

const PROCESSES: [(&str, fn()); 8] = tests![
    amnesia::a_node_that_forgets_is_found_within_five_seeds_as_processes,
    amnesia::a_node_that_remembers_is_valid_as_processes,
    conformance::broadcast_comes_to_the_same,
    conformance::broadcast_meets_the_same_faults,
    conformance::g_counter_comes_to_the_same,
    killed::broadcast_has_what_it_acknowledged,
    killed::broadcast_has_what_it_acknowledged_and_synced,
    killed::lin_kv_has_what_it_acknowledged,
];
