//! The original's notation, EDN, as far as histories and results need it.
//!
//! - [`to_json`]: what the original wrote, as the JSON that we read.
//! - [`results`]: results as the original's `results.edn` has them.
//! - [`Op::to_edn`](crate::history::Op::to_edn): an operation, as a line of its `history.edn`.
//!
//! Both ways it is text that becomes text, so that numbers keep their spelling and
//! integers any size. Keywords lose their colon on the way to JSON, sets and lists become
//! arrays, keys become strings, and tags are dropped; on the way back a place in an
//! operation or in results says what is a keyword there.
//!
//! The format: <https://github.com/edn-format/edn>.

mod read;
mod results;
mod write;

pub use self::read::to_json;
pub use self::results::results;
pub(crate) use self::write::{Place, Spelling, from_json};

/// Why a text is no EDN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no EDN at line {line}, column {column}: {what}")]
pub struct EdnError {
    /// Where reading failed: the line, counting from 1.
    pub line: usize,
    /// And the character in it, counting from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}
