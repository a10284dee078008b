//! Noise between valid requests, made of what clients send.

use kafka_log::Options;
use workbench::fuzz::Fuzz;
use workbench::host::Program;

#[test]
fn noise_between_valid_requests_changes_nothing() {
    let bodies = [
        r#"{"type":"list_committed_offsets","keys":["a"]}"#,
        r#"{"type":"send","key":"a","msg":[1]}"#,
        r#"{"type":"poll","offsets":{"a":0}}"#,
        r#"{"type":"commit_offsets","offsets":{"a":3}}"#,
    ];
    let bodies = bodies.map(str::to_owned).to_vec();
    let node = Program::new(|| kafka_log::node(Options::default()));
    let fuzz = Fuzz { seed: 1, bodies };
    fuzz.run(&node, |round| round < 5_000).unwrap();
}
