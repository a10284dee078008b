//! The same scenario with processes in real time and in virtual time.
//!
//! Other load on the machine makes processes late, so each has three attempts.

use std::path::Path;

use workbench::conformance::Comparison;
use workbench::nemesis::Fault;
use workbench::settings::Workload;
use workbench::simulation::Simulation;

fn scenario() -> Simulation {
    Simulation::new(Workload::Broadcast, broadcast::node)
        .nodes(5)
        .rate(50.0)
        .seconds(5)
        .latency(50)
        .seed(3)
}

fn compare(name: &str, scenario: &Simulation) -> Comparison {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let binary = Path::new(env!("CARGO_BIN_EXE_broadcast"));
    let comparison = Comparison::of(scenario, binary, &directory);
    comparison.processes.assert_valid();
    eprintln!(
        "{name}: {:.3} times the messages, slower by {} ms in the median, {} ms at worst",
        comparison.messages(),
        comparison.slower_by("0.5"),
        comparison.slower_by("1")
    );
    comparison
}

#[test]
fn both_hosts_come_to_the_same() {
    let is_close = |_| {
        let comparison = compare("calm", &scenario());
        comparison.assert_same_course();
        let [median, worst] = ["0.5", "1"].map(|quantile| comparison.slower_by(quantile).abs());
        (0.95..1.05).contains(&comparison.messages()) && median < 20.0 && worst < 60.0
    };
    assert!((0..3).any(is_close));
}

#[test]
fn both_hosts_bring_the_same_faults() {
    let faults = [Fault::Partition, Fault::OneWay, Fault::Loss];
    let is_close = |_| {
        let comparison = compare("faults", &scenario().nemesis(&faults, 1.0));
        comparison.assert_same_course();
        // Whom nodes ask when they are cut off is theirs to draw.
        (0.5..2.0).contains(&comparison.messages())
    };
    assert!((0..3).any(is_close));
}
