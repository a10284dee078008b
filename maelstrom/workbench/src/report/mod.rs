//! What people see of a test: while it runs, when it is over, and later in the
//! store.
//!
//! - [`live`]: one line that moves, or a line now and then.
//! - [`limits`]: limits of a challenge, next to what was measured.
//! - [`summary`]: what a report comes to, in rows and sentences.
//! - [`text`]: the summary on a terminal.
//! - [`table`]: several challenges, a line each.
//! - [`runs`]: several runs of one test likewise.
//! - [`export`]: a run in other programs' forms.
//! - [`edn`]: the files that the original leaves.
//! - [`html`]: the summary as a page, with pictures ([`chart`], [`svg`]).
//! - [`page`]: what such a page has to explore: every message and operation of the run.
//! - [`store`]: the folder that all of this is kept in.
//! - [`status`]: where a run stands, in that folder.
//! - [`trace`]: the file of the trace in it, and its limit.

pub(crate) mod chart;
pub(crate) mod edn;
pub(crate) mod export;
pub(crate) mod html;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod page;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod svg;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod trace;

pub use limits::{Comparison, Limit, LimitError, Metric};
pub use style::Style;
pub use summary::Summary;
pub use table::Row;
pub use text::Frame;

pub use table::render as table;
