//! All tests of the node, in one binary: each has to be linked, and tests of one binary run
//! beside each other.

mod directories;
mod node;
