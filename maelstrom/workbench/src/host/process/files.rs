//! What goes wrong with nodes' files.

use std::path::PathBuf;

use simulator::{DiskFault, Message, RunError};

use super::Processes;
use crate::host::disk;

impl Processes {
    pub(super) fn directory(&self, node: usize) -> PathBuf {
        self.options.work_dir.join(format!("n{node}"))
    }

    /// Breaks the files of a node that was just killed.
    pub(super) fn break_files(&mut self, node: usize, fault: DiskFault) -> Result<(), RunError> {
        if let Some(killed) = &self.nodes[node] {
            killed.await_death();
        }
        let directory = self.directory(node);
        disk::damage(&directory, fault, &mut self.chance)
            .map_err(RunError::io(format!("break a file in {}", directory.display())))
    }

    /// A node that keeps no files may run as often as it likes.
    pub(super) fn launch_twin(&mut self, node: usize, init: &Message) -> Result<(), RunError> {
        if disk::is_empty(&self.directory(node)) || self.twins.has(node) {
            return Ok(());
        }
        let mut process = self.launch(node, "-twin", false)?;
        process.enqueue(init);
        self.twins.add(node, process, self.began.elapsed());
        Ok(())
    }
}
