//! Write Maelstrom nodes in async Rust.
