//! Nodes of many kinds in the simulator, one module a subject. Those that are right pass;
//! those that are broken on purpose are found.

mod broken;
mod causes;
mod cluster;
mod injected_bugs;
mod local_faults;
mod scenario;
mod services;
mod simulation;
mod starts;
mod traces;
mod updates;
mod wire;
mod workloads;
