//! The same scenario with processes in real time and in virtual time.

use std::path::Path;

use workbench::conformance::Comparison;
use workbench::settings::Workload;
use workbench::simulation::Simulation;

#[test]
fn both_hosts_come_to_the_same() {
    let scenario =
        Simulation::new(Workload::GCounter, g_counter::node).nodes(3).rate(50.0).seconds(5).seed(3);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let binary = Path::new(env!("CARGO_BIN_EXE_g-counter"));
    // Other load on the machine makes processes late.
    let is_close = |_| {
        let comparison = Comparison::of(&scenario, binary, &directory);
        comparison.processes.assert_valid();
        comparison.assert_same_course();
        eprintln!("{:.3} times the messages", comparison.messages());
        (0.95..1.05).contains(&comparison.messages())
    };
    assert!((0..3).any(is_close));
}
