//! What a node did wrong that ends the test.
//!
//! The original only logs some of these and goes on without the message. A test
//! that goes on like that says little, and nobody reads the log, so here they end
//! it.

use std::fmt;
use std::time::Duration;

use maelstrom::protocol::reply_type;

use crate::net::LineError;

/// A node's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node n{node} {kind}")]
pub struct NodeFault {
    /// The node's number.
    pub node: usize,
    /// What it did.
    pub kind: FaultKind,
}

/// Kinds of fault. Their texts follow the node's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// It printed something that is not JSON.
    #[error("printed {line} to standard output, which is not JSON: {reason}")]
    NotJson {
        /// What it printed.
        line: Printed,
        /// What is wrong.
        reason: String,
    },
    /// It printed JSON that is not a message.
    #[error("printed {line}, which is not a message: {reason}")]
    NotAMessage {
        /// What it printed.
        line: Printed,
        /// What is wrong.
        reason: String,
    },
    /// It sent in the name of somebody who does not exist.
    #[error(
        "printed {line}, which claims to be from {src:?}, but there is nobody of that name; a node \
         has to send under its own name"
    )]
    UnknownSource {
        /// What it printed.
        line: Printed,
        /// The name it used.
        src: String,
    },
    /// It sent to somebody who does not exist.
    #[error(
        "printed {line}, which is for {dest:?}, but there is nobody of that name; there are the \
         nodes that `init` lists, the clients that sent it requests, and lin-kv, seq-kv, lww-kv \
         and lin-tso"
    )]
    UnknownDestination {
        /// What it printed.
        line: Printed,
        /// The name it used.
        dest: String,
    },
    /// It sent to somebody who does not exist yet.
    #[error(
        "printed {line}, which is for {dest:?}, before that name existed. Maelstrom sets nodes up \
         in parallel, each in its own time, and the services with n0. Such a message ends a \
         node's output there for good: what it prints later is never read. Without its `init_ok` \
         the test ends with 255, `Expected node … to respond to an init message`; after it, every \
         request to the node times out. A node may talk to others as soon as something other than `init` has come"
    )]
    TooEarly {
        /// What it printed.
        line: Printed,
        /// The name it used.
        dest: String,
    },
    /// It let a request before the test proper time out.
    #[error("did not answer `{request}` within {seconds} s{}", .instead.as_deref().unwrap_or_default())]
    Silent {
        /// The request's type.
        request: &'static str,
        /// How long the bench waited.
        seconds: u64,
        /// How many lines the node printed since.
        printed: u64,
        /// What it said instead, in words.
        instead: Option<String>,
    },
    /// It prints without ever ending the line.
    #[error("printed {bytes} bytes without an end of line")]
    EndlessLine {
        /// How many.
        bytes: usize,
    },
    /// It answered such a request with something else.
    #[error("answered `{request}` with {body}, which is no `{}`: {problem}", reply_type(.request))]
    Unwilling {
        /// The request's type.
        request: &'static str,
        /// The reply's body.
        body: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be asked for changes of its members.
    #[error(
        "answered a change of its members with {body}: the fault membership does not fit this workload's node, \
         which has no members to change. It is for nodes of lin-kv that know add_node, \
         remove_node and transfer"
    )]
    NoMembers {
        /// The reply's body.
        body: String,
    },
    /// Its process ended.
    #[error("ended before the test did, with {status}")]
    Exited {
        /// The exit status, in words.
        status: String,
    },
    /// Its machine was gone before the test began.
    #[error("was gone before the test began: {why}")]
    Lost {
        /// What is known of that, in words.
        why: String,
    },
    /// It closed its standard output.
    #[error("closed its standard output before the test ended")]
    ClosedOutput,
    /// It closed its standard input.
    #[error(
        "closed its standard input {:.1} s after it was started. Its messages come there until the \
         input ends", .after.as_secs_f64()
    )]
    ClosedInput {
        /// How long after its start.
        after: Duration,
    },
    /// A second process of it took the directory that it uses.
    #[error(
        "keeps files and runs, and yet a second process that \
         was started on the same directory answered `init` with `init_ok`. Each would overwrite \
         what the other writes; take a lock before using the directory, and refuse `init` without"
    )]
    TwoProcesses,
    /// It does not read.
    #[error(
        "does not read its standard input: {bytes} bytes are waiting for it. A node has to go on \
         reading while it handles requests"
    )]
    NotReading {
        /// How much was not read.
        bytes: usize,
    },
}

/// A line of a node's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Counting from 1.
    pub number: u64,
    /// The line, shortened when it is long.
    pub text: String,
}

/// How much of a line is worth showing.
const SHOWN: usize = 500;

impl Printed {
    /// A line that a node printed, and its number.
    pub fn new(number: u64, line: &[u8]) -> Self {
        Self { number, text: shorten(&String::from_utf8_lossy(line)) }
    }

    /// A line that was not ended, between quotes.
    pub fn quote(line: &[u8]) -> String {
        format!("`{}`", shorten(&String::from_utf8_lossy(line)))
    }
}

/// What a node printed, as far as it is worth showing, with names for what cannot be seen.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", visible(&text[..end]), text.len()),
        None => visible(text),
    }
}

/// A text with names in the place of characters that nobody sees: `<NUL>`.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\0' => shown += "<NUL>",
            '\r' => shown += "<CR>",
            '\u{1b}' => shown += "<ESC>",
            '\u{feff}' => shown += "<BOM>",
            '\t' => shown.push(char),
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}' => {
                shown += &format!("<U+{:04X}>", u32::from(char));
            }
            _ if char.is_control() => shown += &format!("<U+{:04X}>", u32::from(char)),
            _ => shown.push(char),
        }
    }
    shown
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, `{}`", self.number, self.text)
    }
}

impl FaultKind {
    pub(super) fn of_line(error: LineError, line: Printed) -> Self {
        match error {
            LineError::NotJson(reason) => Self::NotJson { line, reason },
            LineError::NotAMessage(reason) => Self::NotAMessage { line, reason },
        }
    }

    /// Whether a line that it printed is all that is wrong.
    pub(crate) fn is_of_a_line(&self) -> bool {
        match self {
            Self::NotJson { .. }
            | Self::NotAMessage { .. }
            | Self::UnknownSource { .. }
            | Self::UnknownDestination { .. }
            | Self::TooEarly { .. } => true,
            Self::Silent { .. }
            | Self::EndlessLine { .. }
            | Self::Unwilling { .. }
            | Self::NoMembers { .. }
            | Self::Exited { .. }
            | Self::Lost { .. }
            | Self::ClosedOutput
            | Self::ClosedInput { .. }
            | Self::TwoProcesses
            | Self::NotReading { .. } => false,
        }
    }

    /// The same, by a node.
    pub fn of(self, node: usize) -> NodeFault {
        NodeFault { node, kind: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shortened() {
        let printed = Printed::new(3, "ä".repeat(2000).as_bytes());
        assert_eq!(printed.text.chars().filter(|&c| c == 'ä').count(), SHOWN);
        assert!(printed.text.ends_with("… (4000 bytes)"));
    }

    #[test]
    fn a_fault_names_the_node_the_line_and_the_way_out() {
        let line = Printed::new(2, b"hello");
        let fault = FaultKind::NotJson { line, reason: "only messages go there".to_owned() }.of(4);
        assert_eq!(
            fault.to_string(),
            "node n4 printed line 2, `hello` to standard output, which is not JSON: only messages go \
             there"
        );
    }

    #[test]
    fn what_nobody_sees_has_a_name() {
        let line = "\u{feff}a\0\u{1b}[1m\t\u{200b}b\u{85}\u{fffd}\r";
        let printed = Printed::new(1, line.as_bytes());
        assert_eq!(printed.text, "<BOM>a<NUL><ESC>[1m\t<U+200B>b<U+0085>\u{fffd}<CR>");
    }
}
