//! Clusters of broadcast nodes in virtual time: the machines alone, over the bench's
//! network, with its faults.
//!
//! Values that take too long while partitions come and go are measured on whole nodes,
//! against flooding, by `simulate excess`; costs and latencies without faults by the tests
//! of the challenges.

mod faults;
mod scale;
mod world;
