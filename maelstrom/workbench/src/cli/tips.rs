//! What was meant by a command line that is wrong.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::templates::LANGUAGES;

/// The same error, with what was meant, if that can be guessed.
pub(super) fn add(mut error: Error, args: &[String], cli: &Command) -> Error {
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let tips = match (words.as_slice(), error.kind()) {
        (["new", ..], ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument) => {
            language(&words[1..]).into_iter().collect()
        }
        (_, ErrorKind::UnknownArgument) => elsewhere(&error, cli),
        _ => Vec::new(),
    };
    if !tips.is_empty() {
        let tips = tips.into_iter().map(Into::into).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// A language that stands without its flag.
fn language(words: &[&str]) -> Option<String> {
    let is_language =
        |word: &&&str| LANGUAGES.iter().any(|it| it.name == **word || it.aliases.contains(word));
    let (language, others): (Vec<&str>, Vec<&str>) =
        words.iter().filter(|word| !word.starts_with('-')).partition(is_language);
    let (language, folder) = (language.first()?, others.first().unwrap_or(&"my-node"));
    Some(format!("the language is a flag: 'workbench new {folder} --lang {language}'"))
}

/// The subcommands that have the flag that this one has not.
fn elsewhere(error: &Error, cli: &Command) -> Vec<String> {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else {
        return Vec::new();
    };
    let Some(flag) = wrong.strip_prefix("--") else { return Vec::new() };
    let has_it = |command: &&Command| {
        let mut own = command.get_arguments().filter(|arg| !arg.is_hide_set());
        !command.is_hide_set() && own.any(|arg| arg.get_long() == Some(flag))
    };
    let such = cli.get_subcommands().filter(has_it);
    such.map(|command| format!("'workbench {} --{flag}' exists", command.get_name())).collect()
}
