//! Runs the `lin-kv` node on standard input and output.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use lin_kv::HELP;

fn main() -> ExitCode {
    if env::args().skip(1).any(|argument| argument == "--help") {
        return match io::stdout().write_all(HELP.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match lin_kv::parse(env::args().skip(1)) {
        Ok(options) => maelstrom::run(lin_kv::node(options)),
        Err(error) => {
            eprintln!("lin-kv: {error}");
            ExitCode::from(2)
        }
    }
}
