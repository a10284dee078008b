//! Why a program cannot be started, in words: the operating system says the same
//! of a program that is not there and of one whose interpreter is not.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// How much of a program is looked at.
const BEGINNING: u64 = 512;
/// What programs begin with that are no scripts: on Linux, on macOS, on Windows.
const BINARIES: [&[u8]; 4] = [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ"];

pub(super) fn hint(program: &Path, error: &io::Error) -> String {
    let Some(beginning) = beginning(program) else {
        return match error.kind() {
            io::ErrorKind::NotFound => "Is the path right, and has it been built?".to_owned(),
            _ => "May it be read and executed?".to_owned(),
        };
    };
    let is_binary = BINARIES.iter().any(|magic| beginning.starts_with(magic));
    let interpreter = interpreter(&beginning);
    match (error.kind(), interpreter) {
        (io::ErrorKind::NotFound, Some(interpreter)) => missing(&interpreter),
        (io::ErrorKind::PermissionDenied, Some(interpreter)) => format!(
            "May it be executed, and {interpreter}, the interpreter that its first line names?"
        ),
        (io::ErrorKind::PermissionDenied, None) => "May it be executed?".to_owned(),
        _ if is_binary => {
            "The file is there, but was built for another system or processor.".to_owned()
        }
        _ if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => no_program(&beginning),
        _ => "The file is there.".to_owned(),
    }
}

fn missing(interpreter: &str) -> String {
    let text = format!(
        "The file is there, but the interpreter that its first line names is not: there is no \
         {interpreter:?}."
    );
    match interpreter.strip_suffix('\r') {
        None => text,
        Some(_) => format!(
            "{text} The line ends with a carriage return: the file has the line ends of Windows."
        ),
    }
}

fn no_program(beginning: &[u8]) -> String {
    if beginning.is_empty() {
        return "The file is empty.".to_owned();
    }
    "The file is there, but it is neither a program nor a script: the first line of a script has \
     to name its interpreter, for instance #!/usr/bin/env python3."
        .to_owned()
}

fn beginning(program: &Path) -> Option<Vec<u8>> {
    let mut beginning = Vec::new();
    File::open(program).ok()?.take(BEGINNING).read_to_end(&mut beginning).ok()?;
    Some(beginning)
}

/// What the first line of a script names, spelt as it is there.
fn interpreter(beginning: &[u8]) -> Option<String> {
    let line = beginning.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    line.trim_matches([' ', '\t']).split([' ', '\t']).next().map(str::to_owned)
}

/// The program of a bare name, as `PATH` has it.
pub(crate) fn find_in_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Whether this is a name without a folder.
pub(crate) fn is_bare_name(path: &Path) -> bool {
    path.components().count() == 1 && path.file_name().is_some_and(|name| name == path)
}

/// Whether this is a file that may be executed, by somebody.
#[cfg(unix)]
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(file);
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Whether this is a file; who may execute it is not known here.
#[cfg(not(unix))]
pub(crate) fn is_executable(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a program with this content, tried for real.
    fn said(name: &str, content: &[u8]) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::env::temp_dir().join(format!("workbench-{}-{name}", std::process::id()));
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = std::process::Command::new(&file).spawn().unwrap_err();
        let said = hint(&file, &error);
        std::fs::remove_file(&file).unwrap();
        said
    }

    #[test]
    fn a_script_whose_interpreter_is_missing_is_told_which() {
        let text = said("missing", b"#! /no/such/interpreter -x\n");
        assert!(text.contains("there is no \"/no/such/interpreter\""), "{text}");
        let text = said("windows", b"#!/bin/sh\r\necho\r\n");
        assert!(text.contains("no \"/bin/sh\\r\"") && text.contains("Windows"), "{text}");
    }

    #[test]
    fn a_script_without_an_interpreter_is_told_what_its_first_line_lacks() {
        let text = said("none", b"import sys\n");
        assert!(text.contains("#!/usr/bin/env python3"), "{text}");
        assert_eq!(said("empty", b""), "The file is empty.");
        let text = said("binary", b"\x7fELF\x02\x01\x01\x00 of some other machine");
        assert!(text.contains("another system or processor"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_asked_for() {
        let text = hint(Path::new("/no/such/node"), &io::ErrorKind::NotFound.into());
        assert!(text.contains("has it been built?"), "{text}");
    }
}
