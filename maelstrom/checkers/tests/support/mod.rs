//! Histories that are made up. The benchmark makes its own of the same.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod database;
pub(crate) mod kafka;
mod record;
pub(crate) mod register;

use checkers::history::Op;
use checkers::{Checker, Outcome};

pub(crate) use record::push;

pub(crate) fn check(mut checker: Box<dyn Checker>, history: &[Op]) -> Outcome {
    history.iter().for_each(|op| checker.observe(op));
    checker.finish()
}
