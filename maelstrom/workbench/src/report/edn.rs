//! A run's history and results as the original leaves them: `history.edn` and
//! `results.edn`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use checkers::history::Op;
use checkers::{Report, edn};

/// Where the original keeps what clients did.
pub(crate) const HISTORY: &str = "history.edn";

/// Writes both files to this folder.
pub(crate) fn write<'a>(
    folder: &Path,
    report: &Report,
    history: impl Iterator<Item = &'a Op>,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(folder.join(HISTORY))?);
    for op in history {
        writeln!(file, "{}", op.to_edn())?;
    }
    file.flush()?;
    fs::write(folder.join("results.edn"), edn::results(&serde_json::to_value(report)?))
}
