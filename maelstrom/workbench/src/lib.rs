//! A native test bench for Maelstrom nodes in any language.
//!
//! - [`settings`]: what a test run is asked to do.
//! - [`history`]: what clients did and saw, one operation at a time.
//! - [`checker`]: history in, verdict with witnesses out.

pub mod checker;
pub mod history;
pub mod settings;
