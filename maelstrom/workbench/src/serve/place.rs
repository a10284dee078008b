//! Paths that cannot leave the store.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// The folder that everything which is shown lies in. It may be made later.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(store: &Path) -> Self {
        Self(store.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What a path of a request names, if that is in the store. Links are followed as long
    /// as they lead inside.
    pub(super) fn find(&self, path: &str) -> Option<PathBuf> {
        let root = fs::canonicalize(&self.0).ok()?;
        let names = path.split('/').map(name).collect::<Option<PathBuf>>()?;
        let found = fs::canonicalize(root.join(names)).ok()?;
        found.starts_with(&root).then_some(found)
    }

    /// The folder of a run that a path of a request names, and its path from the store's.
    pub(super) fn run(&self, path: &str) -> Option<(String, PathBuf)> {
        let folder = self.find(path).filter(|folder| folder.is_dir())?;
        let root = fs::canonicalize(&self.0).ok()?;
        let id = folder.strip_prefix(root).ok()?.to_string_lossy().into_owned();
        Some((id, folder))
    }

    /// A file that a path of a request names, and its length.
    pub(super) fn open(&self, path: &str) -> Option<(File, u64)> {
        let file = self.find(path)?;
        // A pipe would have to be waited for, and a device may be endless.
        let length = fs::metadata(&file).ok().filter(fs::Metadata::is_file)?.len();
        Some((File::open(file).ok()?, length))
    }
}

/// What a part of a path names: a single file or folder, and nothing that means more to any
/// system.
fn name(part: &str) -> Option<OsString> {
    let name: Vec<u8> = percent_decode_str(part).collect();
    let means_more = |byte: &u8| matches!(byte, b'/' | b'\\' | b'\0');
    let is_plain = !matches!(&*name, b"" | b"." | b"..") && !name.iter().any(means_more);
    is_plain.then(|| OsString::from_vec(name))
}

/// Opens a file of a run's folder. A link counts as not there, as it may lead anywhere.
pub(super) fn open(run: &Path, name: &str) -> Option<File> {
    let path = run.join(name);
    fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    File::open(path).ok()
}

/// Reads a file of a run's folder that is to have at most so many bytes. None if it is not
/// there, or a link.
pub(super) fn read(run: &Path, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let path = run.join(name);
    match fs::symlink_metadata(&path) {
        Ok(file) if file.is_file() && file.len() > most => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(file) if file.is_file() => fs::read(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whatever_a_path_says_it_stays_inside() {
        let scratch = std::env::temp_dir().join(format!("workbench-place-{}", std::process::id()));
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(scratch.join("store/echo/one")).unwrap();
        fs::write(scratch.join("secret"), "secret").unwrap();
        fs::write(scratch.join("store/echo/one/a b%"), "inside").unwrap();
        for (link, target) in [
            ("store/latest", "echo/one"),
            ("store/out", "../secret"),
            ("store/echo/one/up", "../../.."),
            ("store/echo/one/root", "/"),
        ] {
            symlink(target, scratch.join(link)).unwrap();
        }
        let root = Root::new(&scratch.join("store"));
        for path in ["echo/one/a b%", "echo/one/a%20b%25", "latest/a%20b%"] {
            assert_eq!(root.open(path).map(|(_, length)| length), Some(6), "{path}");
        }
        for path in [
            "../secret",
            "%2e%2e/secret",
            ".%2E/secret",
            "echo/../../secret",
            "echo/one/..%2f..%2f..%2fsecret",
            "..%5csecret",
            "%252e%252e/secret",
            "%c0%ae%c0%ae/secret",
            "echo/one/a b%25%00",
            "echo/./one/a b%25",
            "echo//one/a b%25",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "out",
            "echo/one/up/secret",
            "echo/one/root/etc/passwd",
            "echo/one",
            "",
        ] {
            assert!(root.open(path).is_none(), "{path}");
        }
        fs::remove_dir_all(&scratch).unwrap();
    }
}
