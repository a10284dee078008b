//! What only broadcast needs measured, in virtual time.
//!
//! - [`frontier`]: messages against latency over the range of its setting.
//! - [`delay`]: how much later than by flooding values arrive under partitions.
//! - [`scale`]: clusters of growing size.
//! - [`sparse`]: few nodes have a link to each other.
//! - [`losses`]: what kills cost a node that keeps values in memory.
//! - [`plot`]: messages against latency as a picture.
//! - [`oracle`]: what a run under faults has to show.
//! - [`thresholds`]: what was measured beside its bound, which [`broadcast::thresholds`] has.

pub mod delay;
pub mod frontier;
pub mod losses;
pub mod oracle;
pub mod plot;
pub mod scale;
pub mod sparse;
pub mod thresholds;

use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use broadcast::config::Config;
use simulator::swarm::parallel;
use simulator::{Program, Settings, Simulation, Workload};

/// What these arguments of the binary ask for. Under Maelstrom there is no directory, so a
/// node keeps everything in memory here unless it is told when to sync.
///
/// # Errors
///
/// When the binary does not take them.
pub fn config(arguments: &[String]) -> anyhow::Result<Config> {
    let mut config = Config::parse(arguments.to_vec(), |_| None)?;
    let is_sync = |argument: &String| argument.starts_with("--sync");
    config.in_memory |= !arguments.iter().any(is_sync);
    Ok(config)
}

/// The node, with the arguments that its binary takes: see [`config`].
///
/// # Errors
///
/// When it does not take them.
pub fn program(arguments: &[String]) -> anyhow::Result<Program> {
    let config = config(arguments)?;
    Ok(Program::new(move || broadcast::node_with(config.clone())))
}

/// A simulation of such nodes.
fn simulation(arguments: &[String]) -> anyhow::Result<Simulation> {
    Ok(Simulation::with(Settings::new(Workload::Broadcast), program(arguments)?))
}

/// What `run` makes of each seed, on all cores.
///
/// # Errors
///
/// The first of `run`.
pub fn over<T: Send>(
    seeds: Range<u64>,
    run: impl Fn(u64) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    parallel::over(seeds, run).into_iter().collect()
}

/// What `run` makes of each case, on all cores.
///
/// # Errors
///
/// The first of `run`.
pub fn each<C: Sync, T: Send>(
    cases: &[C],
    run: impl Fn(&C) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    over(0..cases.len() as u64, |case| run(&cases[case as usize]))
}

/// The lines of a table, with its head; columns of numbers to the right.
pub fn table(head: &str, rows: impl IntoIterator<Item = String>) -> String {
    let rows: Vec<String> = rows.into_iter().collect();
    let is_number = |column: usize| {
        let begins = |row: &String| row.split('|').nth(column)?.trim_start().chars().next();
        rows.iter().all(|row| begins(row).is_some_and(|first| first.is_ascii_digit()))
    };
    let rule = |column| if is_number(column) { " ---: |" } else { " --- |" };
    let rules: String = (0..head.split('|').count()).map(rule).collect();
    let lines = [format!("| {head} |"), format!("|{rules}")];
    let rows = rows.iter().map(|row| format!("| {row} |"));
    lines.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// A duration in milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Writes to standard output. That nobody reads it is no failure.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// How a command ends: whether all was well, or what kept it from finding out.
pub fn exit_code(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(255)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_numbers_to_the_right() {
        let rows = ["a | 1".to_owned()];
        assert_eq!(table("node | ms", rows), "| node | ms |\n| --- | ---: |\n| a | 1 |");
    }
}
