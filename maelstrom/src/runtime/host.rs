//! What surrounds a node.

use std::env;
use std::path::PathBuf;

use rand::rngs::{StdRng, SysRng};
use rand::{SeedableRng, TryRng};

use crate::disk::Disk;
use crate::runtime::panics::Panics;

/// What surrounds a node: where its chance comes from, and where its files and its
/// panics go.
#[derive(Clone, Debug)]
pub struct Host {
    /// Seeds the node's generators of random numbers.
    pub seed: [u8; 32],
    /// A directory of the node's own, which survives its restarts, if there is
    /// one.
    pub directory: Option<PathBuf>,
    /// What the node gets for its disk, if that is not its directory.
    pub disk: Option<Disk>,
    /// Where its panics are counted and told.
    pub panics: Panics,
}

impl Host {
    /// A process of its own: entropy from the operating system, and the
    /// directory that the environment variable `NODE_DIRECTORY` names.
    ///
    /// Not the working directory: Maelstrom starts all nodes of all tests in
    /// the same one, where a node would find what its namesake of an earlier
    /// test left behind.
    ///
    /// # Panics
    ///
    /// When the operating system has no entropy to give.
    pub fn process() -> Self {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).expect("entropy from the operating system");
        let directory = env::var_os("NODE_DIRECTORY").map(PathBuf::from);
        Self { seed, directory, disk: None, panics: Panics::default() }
    }

    /// The same chance in every run, and no directory: for tests.
    pub fn seeded(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self { seed: bytes, directory: None, disk: None, panics: Panics::default() }
    }

    pub(crate) fn rng(&self) -> StdRng {
        StdRng::from_seed(self.seed)
    }
}
