//! Which run of the store a command looks at.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use simulator::trace::Trace;

/// Which run is looked at.
#[derive(Args, Clone, Debug)]
pub(super) struct RunFlags {
    /// The folder of a run, or its name in ./store, such as latest or echo/latest
    #[arg(value_name = "RUN", default_value = "store/latest")]
    run: PathBuf,
}

impl RunFlags {
    /// A file of the run.
    pub(super) fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let in_store = Path::new("store").join(&self.run);
        let folder = [&self.run, &in_store].into_iter().find(|folder| folder.is_dir());
        let run = self.run.display();
        let folder = folder.with_context(|| {
            format!("{run} is no folder of a run: a test keeps those in the store where it was run")
        })?;
        let path = folder.join(name);
        ensure!(path.is_file(), "{} has no {name}", folder.display());
        Ok(path)
    }

    pub(super) fn trace(&self) -> anyhow::Result<Trace> {
        let path = self.path("trace.jsonl")?;
        read_trace(&path)
    }
}

/// The trace in this file.
pub(super) fn read_trace(path: &Path) -> anyhow::Result<Trace> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Trace::read(BufReader::new(file)).with_context(|| format!("{}", path.display()))
}
