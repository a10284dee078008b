//! Runs the node on standard input and output.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use kafka_log::{HELP, Options};

fn main() -> ExitCode {
    if env::args().skip(1).any(|argument| argument == "--help") {
        return match io::stdout().write_all(HELP.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match Options::parse(env::args().skip(1)) {
        Ok(options) => maelstrom::run(kafka_log::node(options)),
        Err(error) => {
            eprintln!("kafka-log: {error}");
            ExitCode::from(2)
        }
    }
}
