//! The state machine under every hardship, thousands of times.
//!
//! `world` is a cluster in virtual time: replicas, their disks, a network that
//! delays, loses, repeats and cuts, and clients. `oracle` says whether what the
//! clients saw is what was promised; it knows nothing of how it is done.
//! `swarm` runs the one and asks the other, with seeds and with broken replicas;
//! `scenarios` are single situations, told step by step.

mod oracle;
mod scenarios;
mod swarm;
mod world;
