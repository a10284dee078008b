//! The same seed in two processes, for every node crate: the same bytes.

use std::process::Command;

#[test]
fn every_node_does_the_same_twice() {
    // One challenge of each crate, with faults where it has any.
    let challenges = ["1", "2", "3c", "4", "5b", "6b", "raft-3"];
    let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .arg("determinism")
        .args(challenges)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.matches("the same bytes twice").count(), challenges.len(), "{said}");
}
