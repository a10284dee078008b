//! `workbench new`: a node to begin with, and `workbench doc`: what it is asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use simulator::Workload;

use super::replay::quote;
use super::{Exit, print, values};
use crate::templates::{LANGUAGES, Language, documentation};

/// What the command line of `workbench new` says.
#[derive(Args, Clone, Debug)]
pub(super) struct NewFlags {
    /// The folder that is made; if there is one of that name, it has to be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// The language
    #[arg(long, value_name = "LANGUAGE", value_parser = language())]
    lang: &'static Language,

    /// The workload whose messages are to be answered
    #[arg(short, long, value_name = "NAME", default_value = "echo",
          value_parser = values::workload())]
    workload: Workload,
}

fn language() -> impl TypedValueParser<Value = &'static Language> {
    let values = LANGUAGES.iter().map(|it| PossibleValue::new(it.name).aliases(it.aliases));
    PossibleValuesParser::new(values).try_map(|name| {
        let is_named = |it: &&Language| it.name == name || it.aliases.contains(&name.as_str());
        LANGUAGES.iter().find(is_named).ok_or("there is no node in it")
    })
}

pub(super) fn new(flags: &NewFlags) -> anyhow::Result<Exit> {
    let NewFlags { folder, lang, workload } = flags;
    let shown = folder.display();
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => bail!("{shown} is not empty, and nothing in it is to be lost: name another"),
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => bail!("{shown} cannot be the folder of a node: {error}"),
    }
    for (name, text) in lang.files(*workload) {
        let file = folder.join(name);
        write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        print(&format!("{}\n", file.display()));
    }
    let needs = lang.needs;
    let test = lang.test(&quote(folder.as_os_str()), *workload);
    let rest = match workload {
        Workload::Echo => "",
        _ => " It answers echo;\nthe rest is for you to write, and until then the test is invalid.",
    };
    print(&format!(
        "\nThe node needs {needs}, and nothing else.{rest} This tests it:\n\n  {test}\n"
    ));
    Ok(Exit::Valid)
}

/// Writes a file; one that names its interpreter may be executed.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)?;
    if text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt as _;
        let mut permissions = fs::metadata(file)?.permissions();
        // Whoever may read it.
        permissions.set_mode(permissions.mode() | ((permissions.mode() & 0o444) >> 2));
        fs::set_permissions(file, permissions)?;
    }
    Ok(())
}

/// What the command line of `workbench doc` says.
#[derive(Args, Clone, Debug)]
pub(super) struct DocFlags {
    /// Which workload; all when none is named
    #[arg(value_name = "WORKLOAD", value_parser = values::workload())]
    workload: Option<Workload>,
}

pub(super) fn doc(flags: &DocFlags) -> Exit {
    let is_asked = |workload: &Workload| flags.workload.is_none_or(|asked| asked == *workload);
    for workload in Workload::ALL.into_iter().filter(is_asked) {
        let text = documentation(workload).replace(", answered\n", "\n");
        print(&format!("{}\n\n{text}\n", workload.name().to_uppercase()));
    }
    Exit::Valid
}
