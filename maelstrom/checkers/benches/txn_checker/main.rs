//! The transactional checkers over sizes: the time for each unit of a history must
//! not grow with it.
//!
//! `cargo bench -p maelstrom-checkers --bench txn_checker [-- NAME]`, or `make bench-checkers`.
//! Making the histories is not counted. `NAME` chooses the rows that contain it.

#![expect(clippy::disallowed_methods, reason = "real seconds are what is measured")]

mod scaling;
mod txn;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut rows = txn::rows();
    rows.retain(|row| wanted.is_empty() || wanted.iter().any(|part| row.name.contains(part)));
    scaling::assert_linear(&rows);
}
