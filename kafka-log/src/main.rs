//! Runs the node on standard input and output.

use std::env;
use std::process::ExitCode;

use kafka_log::Options;

fn main() -> ExitCode {
    match Options::parse(env::args().skip(1)) {
        Ok(options) => maelstrom::run(kafka_log::node(options)),
        Err(error) => {
            eprintln!("kafka-log: {error}");
            ExitCode::from(2)
        }
    }
}
