//! `workbench inspect`: what a node keeps on its disk.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use maelstrom::disk::Disk;
use maelstrom::journal::{Finding, Sync, inspect as read};

use super::{Exit, printable};

/// How much of a record's text is printed.
const SHOWN: usize = 60;

/// What the command line of `workbench inspect` says.
#[derive(Args, Clone, Debug)]
pub(super) struct InspectFlags {
    /// Leave out records and pieces of snapshots
    #[arg(long)]
    heads: bool,

    /// Print JSON Lines, with the records' whole texts
    #[arg(long)]
    json: bool,

    /// The directory of a node that uses the library's journal
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

pub(super) fn inspect(flags: &InspectFlags) -> anyhow::Result<Exit> {
    ensure!(flags.directory.is_dir(), "{} is no directory", flags.directory.display());
    let mut output = BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Valid;
    let printed = read(&Disk::in_directory(&flags.directory), &mut |finding| {
        let is_content = matches!(finding, Finding::Record { .. } | Finding::Piece { .. });
        if matches!(finding, Finding::Corrupt(_)) {
            exit = Exit::Invalid;
        }
        match (flags.heads && is_content, flags.json) {
            (true, _) => Ok(()),
            (false, true) => {
                serde_json::to_writer(&mut output, &finding)?;
                output.write_all(b"\n")
            }
            (false, false) => print(&mut output, &finding),
        }
    });
    // Nobody may be reading.
    let _ = output.flush();
    printed?;
    Ok(exit)
}

fn print(output: &mut impl Write, finding: &Finding<'_>) -> io::Result<()> {
    match finding {
        Finding::File { file, bytes, owner, incarnation, first, sync, .. } => {
            let sync = match sync {
                Sync::Never => "not synced".to_owned(),
                Sync::EveryGroup => "every group synced".to_owned(),
                Sync::Interval(interval) => format!("synced every {interval:?}"),
            };
            let holds = match file.starts_with("snapshot") {
                true => "all records before",
                false => "records from",
            };
            writeln!(
                output,
                "{file}: {bytes} bytes, {holds} {first}, of {owner}, incarnation {incarnation}, {sync}"
            )
        }
        Finding::Record { offset, index, bytes, content } => {
            writeln!(output, "  record {index} at {offset}, {bytes} bytes: {}", shorten(content))
        }
        Finding::Piece { offset, bytes, content } => {
            writeln!(output, "  piece at {offset}, {bytes} bytes: {}", shorten(content))
        }
        Finding::Broken(fault) => {
            writeln!(output, "  broken from byte {}: {}", fault.offset, fault.what)
        }
        Finding::Sound { snapshot, end, torn } => {
            let from = snapshot.unwrap_or(0);
            writeln!(output, "sound: {} records from {from} on", end - from)?;
            torn.iter().try_for_each(|torn| writeln!(output, "torn: {torn}"))
        }
        Finding::Corrupt(fault) => writeln!(output, "corrupt: {fault}"),
        other => writeln!(output, "{other:?}"),
    }
}

fn shorten(content: &str) -> String {
    let mut shown: String = content.chars().take(SHOWN).collect();
    if shown.len() < content.len() {
        shown.push('…');
    }
    printable(&shown)
}
