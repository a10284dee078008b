//! All tests of what this crate shows, in one binary: each has to be linked, and tests of one
//! binary run beside each other.

mod cluster;
mod explore;
mod map;
mod records;
