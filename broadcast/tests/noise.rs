//! Noise between valid requests, made of what clients and peers send.

use workbench::fuzz::Fuzz;
use workbench::host::Program;

#[test]
fn noise_between_valid_requests_changes_nothing() {
    let bodies = [
        r#"{"type":"read"}"#,
        r#"{"type":"broadcast","message":{"a":[1,"two",null]}}"#,
        r#"{"type":"broadcast","message":7}"#,
        r#"{"type":"topology","topology":{"n0":["n1"]}}"#,
        r#"{"type":"spread","answer":{"nonce":3506511938},"path":[0,2]}"#,
        r#"{"type":"spread","runs":[[1,1006948173632174,0,[4]]],"up":{"epoch":202799346,"since":0,"upto":4}}"#,
        r#"{"type":"digest","nonce":3506511938,"path":[0]}"#,
    ];
    let fuzz = Fuzz { seed: 1, bodies: bodies.map(str::to_owned).to_vec() };
    fuzz.run(&Program::new(broadcast::node), |round| round < 5_000).unwrap();
}
