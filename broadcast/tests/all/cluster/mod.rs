//! Clusters of broadcast nodes in virtual time: the machines alone, over the bench's
//! network, with its faults.
//!
//! Values that take too long while all kinds of partitions come and go are measured on
//! whole nodes, against flooding, by `broadcast-experiments delay`; costs and latencies
//! without faults by the tests of the challenges.

mod disks;
mod faults;
mod partitions;
mod scale;
mod world;
