//! Colour, where it is wanted.

use std::fmt::Display;
use std::io::IsTerminal;

/// How to emphasise text on an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    is_coloured: bool,
}

impl Style {
    /// Text as it is.
    pub const PLAIN: Self = Self { is_coloured: false };

    /// Colour if the output is a terminal, unless `NO_COLOR` is set to anything
    /// (<https://no-color.org>).
    pub fn of(output: &impl IsTerminal) -> Self {
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_coloured: output.is_terminal() && !is_refused }
    }

    /// What is good.
    pub fn good(self, text: impl Display) -> String {
        self.paint("1;32", text)
    }

    /// What is wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    /// What deserves a look.
    pub fn doubtful(self, text: impl Display) -> String {
        self.paint("1;33", text)
    }

    /// What matters.
    pub fn strong(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_plain() {
        assert_eq!(Style::PLAIN.bad("no"), "no");
        assert_eq!(Style { is_coloured: true }.bad("no"), "\x1b[1;31mno\x1b[0m");
    }
}
