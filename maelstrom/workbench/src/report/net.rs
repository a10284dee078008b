//! Message counts as a part of the report.

use serde_json::{Map, Value, json};

use crate::checker::{Outcome, Validity};
use crate::net::NetCounts;

/// The counts by the original's names, with messages per operation.
/// `operations` are the invocations of clients, reads and final reads included.
pub fn outcome(counts: &NetCounts, operations: u64) -> Outcome {
    let mut results = match serde_json::to_value(counts) {
        Ok(Value::Object(results)) => results,
        _ => Map::new(),
    };
    for (name, counts) in [("all", &counts.all), ("servers", &counts.servers)] {
        if operations > 0
            && let Some(Value::Object(result)) = results.get_mut(name)
        {
            let per_op = counts.msg_count as f64 / operations as f64;
            result.insert("msgs-per-op".to_owned(), json!(per_op));
        }
    }
    Outcome { valid: Validity::Valid, results, findings: Vec::new(), warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Counts;

    #[test]
    fn messages_are_counted_per_operation_of_a_client() {
        let counts = |count| Counts { send_count: count, recv_count: count, msg_count: count };
        let net = NetCounts { all: counts(50), clients: counts(20), servers: counts(30) };
        let results = outcome(&net, 20).results;
        assert_eq!(results["servers"]["msgs-per-op"], json!(1.5));
        assert_eq!(results["all"]["msgs-per-op"], json!(2.5));
        assert_eq!(results["clients"]["recv-count"], json!(20));
        assert_eq!(outcome(&net, 0).results["servers"].get("msgs-per-op"), None);
    }
}
