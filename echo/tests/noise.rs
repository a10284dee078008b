//! Noise between valid requests.

use workbench::fuzz::Fuzz;
use workbench::host::Program;

#[test]
fn noise_between_valid_requests_changes_nothing() {
    let bodies = [r#"{"type":"echo","echo":[1,"two"]}"#, r#"{"type":"echo_ok","in_reply_to":1}"#];
    let fuzz = Fuzz { seed: 1, bodies: bodies.map(str::to_owned).to_vec() };
    fuzz.run(&Program::new(echo::node), |round| round < 20_000).unwrap();
}
