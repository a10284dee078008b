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

use amnesia::Kind;
use libtest_mimic::{Arguments, Trial};
use workbench::ProcessOptions;

/// Tests with their names.
macro_rules! tests {
    ($($test:path),+ $(,)?) => {
        &[$((stringify!($test), $test)),+]
    };
}

/// All that run processes, which wait more than they work; and one simulation beside them.
const AT_A_TIME: usize = 9;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["node", "forgets"] => maelstrom::run(amnesia::node(Kind::Forgets)),
        ["node", "remembers"] => maelstrom::run(amnesia::node(Kind::Remembers)),
        ["node", "broadcast"] => maelstrom::run(broadcast::node()),
        ["node", "synced-broadcast"] => maelstrom::run(killed::synced_broadcast()),
        ["node", "lin-kv"] => maelstrom::run(killed::lin_kv()),
        ["node", "g-counter"] => maelstrom::run(g_counter::node()),
        _ => run_tests(),
    }
}

fn run_tests() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, TESTS.iter().map(trial).collect()).exit_code()
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

const TESTS: &[(&str, fn())] = tests![
    amnesia::a_node_that_forgets_is_found_within_five_seeds_as_processes,
    amnesia::a_node_that_remembers_is_valid_as_processes,
    conformance::broadcast_comes_to_the_same,
    conformance::broadcast_meets_the_same_faults,
    conformance::g_counter_comes_to_the_same,
    killed::broadcast_has_what_it_acknowledged,
    killed::broadcast_has_what_it_acknowledged_and_synced,
    killed::lin_kv_has_what_it_acknowledged,
    amnesia::a_node_that_forgets_is_found_in_most_simulations,
    amnesia::the_original_sees_less_of_it,
    amnesia::a_node_that_remembers_is_valid_in_simulations,
];
