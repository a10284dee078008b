//! Figures in documents: the text between two markers.
//!
//! ```text
//! <!-- figures: NAME -->
//! The text of the figure NAME, as it was measured.
//! <!-- /figures -->
//! ```
//!
//! What stands before the first marker in its line (the indentation of a list, `//!` of
//! a module header) stands before each line of the text.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};

const BEGIN: &str = "<!-- figures: ";
const END: &str = "<!-- /figures -->";
/// Where lines of text end.
const WIDTH: usize = 88;

/// A document, or a source file with its header, and where its figures are.
pub(super) struct Document {
    path: String,
    text: String,
}

impl Document {
    /// # Errors
    ///
    /// When there is no such file below `root`.
    pub(super) fn read(root: &Path, path: &str) -> anyhow::Result<Self> {
        let file = root.join(path);
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Its path below the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The names of the figures that it claims.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(begins).map(|(_, name)| name)
    }

    /// With these figures, by name, in it. Others stay as they are.
    ///
    /// # Errors
    ///
    /// When a marker has no end.
    pub(super) fn with(&self, figures: &BTreeMap<&str, String>) -> anyhow::Result<String> {
        let mut text = String::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            push(&mut text, line);
            let Some((prefix, name)) = begins(line) else { continue };
            let mut old = Vec::new();
            let end = lines.by_ref().find(|line| {
                let is_end = line.trim_end().ends_with(END);
                old.extend((!is_end).then_some(*line));
                is_end
            });
            let end = end.with_context(|| format!("{}: `{name}` has no end", self.path))?;
            ensure!(old.iter().all(|line| begins(line).is_none()), "`{name}` has no end");
            match figures.get(name) {
                Some(figure) => wrap(figure, prefix).iter().for_each(|line| push(&mut text, line)),
                None => old.into_iter().for_each(|line| push(&mut text, line)),
            }
            push(&mut text, end);
        }
        Ok(text)
    }

    /// Where this text differs from the document's: pairs of lines, what it has and what
    /// it should have.
    pub(super) fn differences<'a>(&'a self, text: &'a str) -> Vec<String> {
        let (has, should): (Vec<&str>, Vec<&str>) =
            (self.text.lines().collect(), text.lines().collect());
        let lacking = has.iter().filter(|line| !should.contains(line));
        let new = should.iter().filter(|line| !has.contains(line));
        let lines = lacking.map(|line| format!("-{line}")).chain(new.map(|l| format!("+{l}")));
        lines.collect()
    }

    /// Writes this text instead; whether anything changed.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn replace(&self, root: &Path, text: &str) -> anyhow::Result<bool> {
        if text == self.text {
            return Ok(false);
        }
        std::fs::write(root.join(&self.path), text)
            .with_context(|| format!("cannot write {}", self.path))?;
        Ok(true)
    }
}

/// The prefix and the name, if a figure begins in this line.
fn begins(line: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = line.split_once(BEGIN)?;
    Some((prefix, rest.trim_end().strip_suffix("-->")?.trim_end()))
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The lines of a figure's text. Tables stay as they are, paragraphs are filled.
fn wrap(text: &str, prefix: &str) -> Vec<String> {
    let width = WIDTH.saturating_sub(prefix.chars().count());
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with('|') {
            lines.push(line.to_owned());
        } else {
            lines.extend(fill(line, width));
        }
    }
    lines.iter().map(|line| format!("{prefix}{line}").trim_end().to_owned()).collect()
}

/// The words of a paragraph in lines of this width.
fn fill(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let last = lines.len() - 1;
        let length = lines[last].chars().count();
        if length > 0 && length + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            let space = if length > 0 { " " } else { "" };
            lines[last] += &format!("{space}{word}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "README.md".to_owned(), text: text.to_owned() }
    }

    const OLD: &str = "before\n\n//! <!-- figures: a -->\n//! It takes 3 s.\n//! <!-- /figures \
                       -->\n<!-- figures: b -->\nTwo.\n<!-- /figures -->\nafter\n";

    #[test]
    fn what_is_measured_stands_between_the_markers_and_all_else_stays() {
        let document = document(OLD);
        assert_eq!(document.claims().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(document.with(&BTreeMap::new()).unwrap(), OLD);
        let long = format!("It takes{} 4 s.\n\n| a table |", " much longer".repeat(7));
        let text = document.with(&BTreeMap::from([("a", long)])).unwrap();
        assert_eq!(
            document.differences(&text),
            [
                "-//! It takes 3 s.",
                "+//! It takes much longer much longer much longer much longer much longer much \
                 longer",
                "+//! much longer 4 s.",
                "+//!",
                "+//! | a table |"
            ]
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_marker_without_an_end_is_an_error() {
        let [first, second] = ["<!-- figures: a -->", "<!-- figures: b -->"];
        for text in [format!("{first}\n"), format!("{first}\n{second}\n{END}\n")] {
            assert!(document(&text).with(&BTreeMap::new()).is_err(), "{text}");
        }
    }
}
