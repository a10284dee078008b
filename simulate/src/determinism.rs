//! The same seed twice, in processes of their own: nothing else may be believed
//! before that is true.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;
use workbench::Challenge;

use crate::challenges::find;
use crate::{or_all, print};

/// What the command line of `simulate determinism` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which challenges: 3a, 3b, …; all when none is named
    #[arg(value_name = "CHALLENGE", value_parser = find)]
    challenges: Vec<&'static Challenge>,

    /// The seed
    #[arg(long, value_name = "NUM", default_value = "7")]
    seed: u64,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let folder = std::env::temp_dir().join(format!("determinism-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut all_same = true;
    for challenge in or_all(&flags.challenges, Challenge::ALL) {
        let first = record(challenge, flags.seed, &folder.join("first"))?;
        let second = record(challenge, flags.seed, &folder.join("second"))?;
        let is_same = first == second;
        let [history, journal] = first.map(|text| text.iter().filter(|&&b| b == b'\n').count());
        let verdict = if is_same { "the same bytes twice" } else { "DIFFERS" };
        print(&format!(
            "challenge {:<6} seed {}: {history} lines of history, {journal} of journal: {verdict}\n",
            challenge.id, flags.seed
        ));
        all_same &= is_same;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(all_same)
}

/// History and journal of a run in a process of its own.
fn record(challenge: &Challenge, seed: u64, file: &Path) -> anyhow::Result<[Vec<u8>; 2]> {
    let (history, journal) = (file.with_extension("history"), file.with_extension("journal"));
    let output = Command::new(std::env::current_exe()?)
        .arg("challenge")
        .args(["--seed", &seed.to_string()])
        .arg("--history")
        .arg(&history)
        .arg("--journal")
        .arg(&journal)
        .arg(challenge.id)
        .output()
        .context("cannot run this program again")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "challenge {} failed: {said}", challenge.id);
    Ok([std::fs::read(history)?, std::fs::read(journal)?])
}
