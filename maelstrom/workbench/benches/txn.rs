//! How long it takes to check 100,000 transactions.
//!
//! `cargo bench -p workbench --bench txn [-- <transactions>]`. The histories come
//! from the same small databases as in the tests, with ten processes, ten keys at
//! a time and 32 writes to each.

#[path = "../tests/txn_support/mod.rs"]
mod txn_support;

use txn_support::database::{self, Data, Isolation, Load};
use workbench::checker::txn::{Model, Options};

#[expect(clippy::print_stdout, reason = "that is what it is for")]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn main() {
    let transactions = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(100_000);
    println!("{transactions} transactions, checked for strict serializability");
    for data in [Data::Registers, Data::Lists] {
        for isolation in [
            Isolation::StrictSerializable,
            Isolation::StaleReads,
            Isolation::Snapshot,
            Isolation::LostUpdates,
            Isolation::ReadCommitted,
            Isolation::Dirty,
        ] {
            let load = Load {
                isolation,
                data,
                transactions,
                processes: 10,
                keys: 10,
                writes_per_key: 32,
                seed: 1,
            };
            let history = database::run(load);
            let start = std::time::Instant::now();
            let models = [Model::StrictSerializable];
            let outcome = match data {
                Data::Registers => history.registers(&models, Options::default()),
                Data::Lists => history.lists(&models, Options::default()),
            };
            let seconds = start.elapsed().as_secs_f64();
            let types = txn_support::types(&outcome).join(", ");
            println!("{data:?} {isolation:?}: {seconds:.2} s, {:?} [{types}]", outcome.valid);
        }
    }
}
