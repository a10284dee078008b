//! The command and the process host, with real processes. Nodes are scripts for `sh`,
//! `python3` and Node.js.
#![cfg(unix)]

mod answers;
mod causes;
mod challenge;
mod command_line;
mod completions;
mod differences;
mod guide;
mod interchange;
mod new;
mod process;
mod quirks;
mod runs;
mod serve;
mod told;

use std::fs;
use std::path::{Path, PathBuf};

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file that may be executed.
    fn write_script(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.0.join(name);
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A script in the folder of nodes.
fn node(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes").join(script)
}

/// Sentences may be broken over lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
