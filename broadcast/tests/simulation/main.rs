//! Broadcast nodes in a virtual network, in virtual time, with everything that
//! can go wrong decided by a seed.
//!
//! `BROADCAST_SEEDS` sets how many seeds each test runs; the default is few.

mod faults;
mod flood;
mod frontier;
mod net;
mod partitions;
mod scale;

/// The seeds to run, unless the environment asks for more.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("BROADCAST_SEEDS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(default)
}
