//! Runs the node on standard input and output.

use std::process::ExitCode;

use broadcast::config::Config;

fn main() -> ExitCode {
    match Config::parse(std::env::args().skip(1), |name| std::env::var(name).ok()) {
        Ok(config) => maelstrom::run(broadcast::node_with(config)),
        Err(error) => {
            eprintln!("broadcast: {error}");
            ExitCode::from(2)
        }
    }
}
