//! What belongs to a process as a whole, in a binary of its own: its memory, and the locks
//! that it holds.

mod lock;
mod memory;
