//! Every figure that the documentation claims, measured again, with the sentence that
//! it belongs to; and whether the documents say just that.
//!
//! - [`list`]: the figures that there are.
//! - [`document`]: where documents have them.
//! - The others measure what no command of its own measures.

mod arithmetic;
mod broadcast;
mod cluster;
mod counter;
mod document;
mod list;
mod log;
mod raft;
mod transactions;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use simulator::swarm::parallel;

use crate::print;
use document::Document;
use list::{DOCUMENTS, FIGURES};

/// What the command line of `simulate figures` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which figures; all when none is named
    #[arg(value_name = "FIGURE")]
    names: Vec<String>,

    /// Leave out those that take long
    #[arg(long)]
    quick: bool,

    /// Fail unless the documents say what is measured
    #[arg(long)]
    check: bool,

    /// Write what is measured into the documents
    #[arg(long, conflicts_with = "check")]
    write: bool,

    /// Where the documents are
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
}

/// A figure, or a table of them.
pub(crate) struct Figure {
    /// How documents and the command line call it.
    name: &'static str,
    /// Whether it is measured within a few seconds.
    is_quick: bool,
    /// The sentence or the table, with what is measured.
    measure: fn() -> anyhow::Result<String>,
}

impl Figure {
    const fn quick(name: &'static str, measure: fn() -> anyhow::Result<String>) -> Self {
        Self { name, is_quick: true, measure }
    }

    const fn slow(name: &'static str, measure: fn() -> anyhow::Result<String>) -> Self {
        Self { name, is_quick: false, measure }
    }
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let figures = measure(&chosen(flags)?, &documents(&flags.root)?)?;
    let mut is_as_measured = true;
    // Read again: somebody may have edited them while it was measured.
    for document in documents(&flags.root)? {
        let text = document.with(&figures)?;
        if flags.write && document.replace(&flags.root, &text)? {
            print(&format!("{}: written\n", document.path()));
        }
        if flags.check {
            let differences = document.differences(&text);
            is_as_measured &= differences.is_empty();
            let lines = differences.iter().map(|line| format!("{}: {line}\n", document.path()));
            print(&lines.collect::<String>());
        }
    }
    Ok(is_as_measured)
}

fn documents(root: &Path) -> anyhow::Result<Vec<Document>> {
    DOCUMENTS.iter().map(|path| Document::read(root, path)).collect()
}

fn chosen(flags: &Flags) -> anyhow::Result<Vec<&'static Figure>> {
    for name in &flags.names {
        let names = FIGURES.map(|figure| figure.name).join(", ");
        ensure!(FIGURES.iter().any(|figure| figure.name == name), "there are {names}");
    }
    let is_named = |figure: &Figure| flags.names.iter().any(|name| name == figure.name);
    let is_asked = |figure: &&Figure| flags.names.is_empty() || is_named(figure);
    let is_in_time = |figure: &&Figure| figure.is_quick || !flags.quick;
    Ok(FIGURES.iter().filter(is_asked).filter(is_in_time).collect())
}

/// Measures figures and prints each, with where it is claimed; by name.
fn measure(
    figures: &[&'static Figure],
    documents: &[Document],
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let mut texts = BTreeMap::new();
    let (mut problem, mut turn) = (None, figures.iter());
    parallel::each(
        0..figures.len() as u64,
        |number| (figures[number as usize].measure)(),
        |text| {
            let name = turn.next().map_or("", |figure| figure.name);
            match text.context(name) {
                Ok(text) => {
                    print(&format!("# {name} ({})\n\n{text}\n\n", claimed(name, documents)));
                    texts.insert(name, text);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    problem = Some(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    problem.map_or(Ok(texts), Err)
}

/// The documents that claim a figure.
fn claimed(name: &str, documents: &[Document]) -> String {
    let claim = |document: &&Document| document.claims().any(|claim| claim == name);
    let paths: Vec<&str> = documents.iter().filter(claim).map(Document::path).collect();
    if paths.is_empty() { "claimed nowhere".to_owned() } else { paths.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_claimed_and_every_claim_is_measured() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let documents = documents(&root).unwrap();
        for figure in FIGURES {
            assert_ne!(claimed(figure.name, &documents), "claimed nowhere", "{}", figure.name);
        }
        let names = FIGURES.map(|figure| figure.name);
        for claim in documents.iter().flat_map(Document::claims) {
            assert!(names.contains(&claim), "{claim} is not measured");
        }
    }
}
