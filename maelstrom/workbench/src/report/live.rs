//! What a person sees while a test runs, on standard error: one line that is
//! rewritten on a terminal, a line every few seconds elsewhere.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Stderr, Write as _};
use std::time::Duration;

use simulator::{Phase, Progress};

/// Time between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);
/// Over how many reports of progress the rate is taken: about a second.
const WINDOW: usize = 5;

#[derive(Debug)]
pub(crate) struct Live {
    output: Stderr,
    is_terminal: bool,
    is_line_open: bool,
    pace: Pace,
    last_phase: Option<Phase>,
    next: Duration,
}

impl Live {
    pub(crate) fn new() -> Self {
        let output = io::stderr();
        Self {
            is_terminal: output.is_terminal(),
            output,
            is_line_open: false,
            pace: Pace::default(),
            last_phase: None,
            next: Duration::ZERO,
        }
    }

    /// Shows where the test stands, if it is time to.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        let rate = self.pace.update(progress);
        if self.is_terminal {
            self.rewrite(&line(progress, rate));
        } else if self.last_phase != Some(progress.phase) || progress.elapsed >= self.next {
            self.next = progress.elapsed + INTERVAL;
            self.print(&line(progress, rate));
        }
        self.last_phase = Some(progress.phase);
    }

    /// Prints a line of its own.
    pub(crate) fn print(&mut self, line: &str) {
        self.clear();
        // Nobody may be reading; that is no reason to end a test.
        let _ = writeln!(self.output, "{line}");
    }

    /// Takes the moving line away.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_line_open) {
            let _ = write!(self.output, "\r\x1b[2K");
        }
    }

    fn rewrite(&mut self, line: &str) {
        let _ = write!(self.output, "\r\x1b[2K{line}");
        let _ = self.output.flush();
        self.is_line_open = true;
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

/// How fast operations come at present.
#[derive(Debug, Default)]
struct Pace {
    window: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Operations a second over the last second or so.
    fn update(&mut self, progress: &Progress) -> f64 {
        let now = (progress.elapsed, progress.tally.invoked);
        let (then, before) = self.window.front().copied().unwrap_or_default();
        self.window.push_back(now);
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let seconds = now.0.saturating_sub(then).as_secs_f64();
        let count = now.1.saturating_sub(before) as f64;
        if seconds > 0.0 { count / seconds } else { 0.0 }
    }
}

/// What a test does, in a word or two.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Init => "starting nodes",
        Phase::Setup => "preparing nodes",
        Phase::Main => "running",
        Phase::Settling => "waiting for nodes to settle",
        Phase::Probing => "probing",
        Phase::Recovery => "waiting for recovery",
        Phase::Final => "final operations",
        Phase::Finished => "done",
    }
}

fn line(progress: &Progress, rate: f64) -> String {
    let phase = phase(progress.phase);
    if matches!(progress.phase, Phase::Init | Phase::Setup) {
        return format!("  {phase}");
    }
    let tally = &progress.tally;
    let mut line = format!(
        "  {:>5.1} s  {phase}  {} operations  {rate:.0}/s",
        progress.elapsed.as_secs_f64(),
        tally.invoked
    );
    for (count, what) in [(tally.failed, "failed"), (tally.indeterminate, "in doubt")] {
        if count > 0 {
            line.push_str(&format!("  {count} {what}"));
        }
    }
    for fault in &progress.faults {
        line.push_str(&format!("  [{fault}]"));
    }
    line
}

#[cfg(test)]
mod tests {
    use simulator::Tally;

    use super::*;

    fn progress(millis: u64, invoked: u64) -> Progress {
        Progress {
            phase: Phase::Main,
            elapsed: Duration::from_millis(millis),
            tally: Tally { invoked, ok: invoked, failed: 2, indeterminate: 0 },
            faults: vec!["partition"],
        }
    }

    #[test]
    fn a_line_tells_time_pace_trouble_and_faults() {
        let line = line(&progress(12_340, 1234), 99.6);
        assert_eq!(line, "   12.3 s  running  1234 operations  100/s  2 failed  [partition]");
    }

    #[test]
    fn the_pace_is_that_of_the_last_second() {
        let mut pace = Pace::default();
        for tick in 1..=10 {
            pace.update(&progress(tick * 200, tick * 20));
        }
        // Five reports without any operation.
        for tick in 11..=15 {
            pace.update(&progress(tick * 200, 200));
        }
        assert_eq!(pace.update(&progress(3_200, 200)), 0.0);
    }
}
