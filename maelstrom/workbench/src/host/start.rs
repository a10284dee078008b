//! Why a program cannot be started, in words: the operating system says the same
//! of a program that is not there and of one whose interpreter is not.

use std::ffi::OsStr;
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
        (io::ErrorKind::PermissionDenied, Some(interpreter)) => refused(&interpreter),
        (io::ErrorKind::PermissionDenied, None) => "May it be executed?".to_owned(),
        (io::ErrorKind::NotFound, None) if is_binary => {
            "The file is there, but the loader that it names is not: it was built for another system, \
             or for another C library."
                .to_owned()
        }
        _ if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
            no_program(program, &beginning, is_binary)
        }
        _ => "The file is there.".to_owned(),
    }
}

fn missing(interpreter: &str) -> String {
    let text = format!(
        "The file is there, but the interpreter that its first line names is not: there is no \
         {interpreter:?}."
    );
    if interpreter.ends_with('\r') {
        return format!("{text} {OF_WINDOWS}");
    }
    if !interpreter.starts_with('/') {
        return format!(
            "{text} A first line names it by its whole path, or as #!/usr/bin/env python3 does."
        );
    }
    text
}

fn refused(interpreter: &str) -> String {
    if interpreter.is_empty() {
        return "Its first line names no interpreter.".to_owned();
    }
    if is_executable(Path::new(interpreter)) {
        return format!(
            "May {interpreter} be executed, the interpreter that its first line names?"
        );
    }
    format!("{interpreter}, which its first line names, is no program.")
}

/// What is wrong with a file that the system cannot run.
fn no_program(program: &Path, beginning: &[u8], is_binary: bool) -> String {
    let extension = program.extension().and_then(OsStr::to_str).unwrap_or_default();
    match (beginning, extension) {
        (b"", _) => "The file is empty.".to_owned(),
        (_, "class" | "jar") => "The file is there, but it is run by java: give a script that begins with \
             #!/bin/sh and runs it, by its whole path."
            .to_owned(),
        _ if is_binary => {
            "The file is there, but was built for another system or processor, or is no program as yet."
                .to_owned()
        }
        (_, "go" | "rs" | "c" | "cc" | "cpp" | "java" | "kt" | "scala" | "cs" | "hs" | "zig" | "swift") => {
            "The file is there, but it is source: build it, and give the program that comes of it."
                .to_owned()
        }
        ([0xef, 0xbb, 0xbf, ..], _) => "The file is there, but begins with a byte order mark, before its \
             first line: store it as UTF-8 without one."
            .to_owned(),
        ([b'#', b'!', ..], _) => "The file is there, but its first line names no interpreter.".to_owned(),
        _ if beginning.windows(2).any(|two| two == b"#!") && beginning.trim_ascii_start().starts_with(b"#!") => {
            "The file is there, but something stands before the #! of its first line.".to_owned()
        }
        _ => format!(
            "The file is there, but it is neither a program nor a script: the first line of a script has \
             to name its interpreter, for instance #!/usr/bin/env {}.",
            runner(extension)
        ),
    }
}

/// What runs files that end so.
fn runner(extension: &str) -> &'static str {
    match extension {
        "js" | "mjs" | "cjs" => "node",
        "rb" => "ruby",
        "pl" => "perl",
        "lua" => "lua",
        "sh" => "sh",
        "ex" | "exs" => "elixir",
        "jl" => "julia",
        "php" => "php",
        _ => "python3",
    }
}

const OF_WINDOWS: &str =
    "The line ends with a carriage return: the file has the line ends of Windows.";

/// What may be wrong with a program that was started, and did not find what it runs.
pub(super) fn not_found(program: &Path) -> String {
    let is_of_windows = beginning(program).is_some_and(|beginning| {
        let first = beginning.split(|&byte| byte == b'\n').next().unwrap_or_default();
        first.starts_with(b"#!") && first.ends_with(b"\r")
    });
    if is_of_windows {
        return format!("{} has a first line that is not found. {OF_WINDOWS}", program.display());
    }
    "A node runs in a folder of its own: names of files have to be whole paths.".to_owned()
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
        let file = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
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
        let text = said("relative", b"#!no-such-python\n");
        assert!(
            text.contains("no \"no-such-python\". A first line names it by its whole path"),
            "{text}"
        );
        let text = said("folder", b"#!/usr/bin\n");
        assert_eq!(text, "/usr/bin, which its first line names, is no program.");
    }

    #[test]
    fn a_script_without_an_interpreter_is_told_what_its_first_line_lacks() {
        let text = said("none", b"import sys\n");
        assert!(text.contains("#!/usr/bin/env python3"), "{text}");
        assert!(said("node.mjs", b"console.log(1)\n").contains("#!/usr/bin/env node"));
        assert!(said("node.rb", b"puts 1\n").contains("#!/usr/bin/env ruby"));
        assert_eq!(said("empty", b""), "The file is empty.");
        for (name, content, what) in [
            (
                "binary",
                &b"\x7fELF\x02\x01\x01\x00 of some other machine"[..],
                "another system or processor",
            ),
            ("Node.class", b"\xca\xfe\xba\xbe\0\0\0\x41", "run by java"),
            ("node.jar", b"PK\x03\x04", "run by java"),
            ("node.go", b"package main\n", "it is source: build it"),
            ("mark", b"\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark"),
            ("late", b"\n#!/bin/sh\n", "something stands before the #!"),
            ("nobody", b"#!\n", "names no interpreter"),
        ] {
            let text = said(name, content);
            assert!(text.contains(what), "{name}: {text}");
        }
    }

    #[test]
    fn what_is_not_there_is_asked_for() {
        let text = hint(Path::new("/no/such/node"), &io::ErrorKind::NotFound.into());
        assert!(text.contains("has it been built?"), "{text}");
    }
}
