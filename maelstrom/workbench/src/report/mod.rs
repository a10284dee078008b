//! What people see of a test: while it runs, when it is over, and later in the
//! store.
//!
//! - [`live`]: one line that moves, or a line now and then.
//! - [`limits`]: limits of a challenge, next to what was measured.
//! - [`digest`]: what a report comes to, in rows and sentences.
//! - [`summary`]: the digest on a terminal.
//! - [`table`]: several tests, a line each.
//! - [`edn`]: reads the original's results.
//! - [`html`]: the digest as a page, with pictures ([`chart`], [`svg`]).
//! - [`store`]: the folder that all of this is kept in.

pub mod chart;
pub mod digest;
pub mod edn;
pub mod html;
pub mod limits;
pub mod live;
pub mod store;
pub mod style;
pub mod summary;
mod svg;
pub mod table;
