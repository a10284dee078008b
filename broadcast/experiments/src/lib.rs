//! What only broadcast needs measured, in virtual time.
//!
//! - [`frontier`]: messages against latency over the range of its setting.
//! - [`excess`]: how much later than by flooding values arrive under partitions.
//! - [`scale`]: clusters of growing size.
//! - [`sparse`]: few nodes have a link to each other.
//! - [`losses`]: what kills cost a node that keeps values in memory.
//! - [`oracle`]: what a run under faults has to show.
//! - [`bars`]: what was measured beside its bound, which [`broadcast::thresholds`] has.

pub mod bars;
pub mod excess;
pub mod frontier;
pub mod losses;
pub mod oracle;
pub mod scale;
pub mod sparse;

use std::io::Write as _;
use std::time::Duration;

use broadcast::config::Config;
use simulator::Program;

/// The node, with the arguments that its binary takes.
///
/// # Errors
///
/// When it does not take them.
pub fn program(arguments: &[String]) -> anyhow::Result<Program> {
    let config = Config::parse(arguments.to_vec(), |_| None)?;
    Ok(Program::new(move || broadcast::node_with(config.clone())))
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
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Writes to standard output. That nobody reads it is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
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
