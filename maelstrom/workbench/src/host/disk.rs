//! Breaking the files of a node that is down, where they are real.
//!
//! What a process synced cannot be known here, so nothing that may be synced is
//! taken away.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rand::RngExt as _;
use rand::rngs::StdRng;
use simulator::DiskFault;

/// The longest piece of a torn write that is left behind.
const PIECE: u64 = 7;

struct File {
    path: PathBuf,
    length: u64,
    modified: SystemTime,
}

pub(super) fn is_empty(directory: &Path) -> bool {
    files(directory).is_ok_and(|files| files.is_empty())
}

/// Does to the files in a directory what a fault does at a kill.
pub(super) fn damage(directory: &Path, fault: DiskFault, rng: &mut StdRng) -> io::Result<()> {
    let mut files = files(directory)?;
    files.retain(|file| file.length > 0);
    match fault {
        DiskFault::Torn => match files.iter().max_by_key(|file| file.modified) {
            Some(newest) => tear(newest, rng),
            None => Ok(()),
        },
        DiskFault::Flip => flip(&files, rng),
        _ => Ok(()),
    }
}

/// Appends the beginning of a write that was under way when the machine died: as a
/// record may begin, so a few bytes of the file's own beginning.
fn tear(file: &File, rng: &mut StdRng) -> io::Result<()> {
    let opened = OpenOptions::new().read(true).append(true).open(&file.path)?;
    let mut piece = [0; PIECE as usize];
    let most = file.length.min(PIECE);
    let count = usize::try_from(rng.random_range(1..=most)).map_err(io::Error::other)?;
    opened.read_exact_at(&mut piece[..count], 0)?;
    (&opened).write_all(&piece[..count])
}

fn flip(files: &[File], rng: &mut StdRng) -> io::Result<()> {
    let total: u64 = files.iter().map(|file| file.length).sum();
    if total == 0 || rng.random() {
        return Ok(());
    }
    let mut place = rng.random_range(0..total);
    for file in files {
        if place < file.length {
            let opened = OpenOptions::new().read(true).write(true).open(&file.path)?;
            let mut byte = [0];
            opened.read_exact_at(&mut byte, place)?;
            byte[0] ^= 1 << rng.random_range(0..8);
            return opened.write_all_at(&byte, place);
        }
        place -= file.length;
    }
    Ok(())
}

/// All files in a directory and those within, by path.
fn files(directory: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.is_file() {
                let (path, length) = (entry.path(), metadata.len());
                files.push(File { path, length, modified: metadata.modified()? });
            }
        }
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    /// The contents of a file after a fault, over many seeds.
    fn broken(name: &str, fault: DiskFault) -> Vec<Vec<u8>> {
        let directory = format!("workbench-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(directory.join("within")).unwrap();
        assert!(is_empty(&directory));
        let contents = |seed| {
            let path = directory.join("within/log");
            fs::write(&path, b"0123456789").unwrap();
            damage(&directory, fault, &mut StdRng::seed_from_u64(seed)).unwrap();
            fs::read(path).unwrap()
        };
        let all = (0..50).map(contents).collect();
        assert!(!is_empty(&directory));
        fs::remove_dir_all(directory).unwrap();
        all
    }

    #[test]
    fn a_torn_write_adds_a_few_bytes_and_takes_nothing_away() {
        let broken = broken("torn", DiskFault::Torn);
        let is_torn = |bytes: &Vec<u8>| {
            let piece = bytes.strip_prefix(b"0123456789").unwrap();
            !piece.is_empty() && piece.len() <= 7 && b"0123456".starts_with(piece)
        };
        assert!(broken.iter().all(is_torn), "{broken:?}");
    }

    #[test]
    fn one_bit_is_flipped_or_none() {
        let flipped = |bytes: &Vec<u8>| -> u32 {
            bytes.iter().zip(b"0123456789").map(|(a, b)| (a ^ b).count_ones()).sum()
        };
        let counts: Vec<u32> = broken("flip", DiskFault::Flip).iter().map(flipped).collect();
        assert!(
            counts.contains(&0) && counts.contains(&1) && counts.iter().all(|&count| count < 2)
        );
    }
}
