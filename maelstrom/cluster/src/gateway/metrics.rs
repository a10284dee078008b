//! What Prometheus reads.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How many types of requests are told apart: clients choose them, and each is kept for good.
const KINDS: usize = 50;
/// How long their names may be.
const LONGEST_KIND: usize = 50;
const OTHER: &str = "other";

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Asked, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
    kinds: Mutex<BTreeSet<String>>,
    pub(super) waiting: Gauge,
    pub(super) connections: Gauge,
    pub(super) nats: Gauge,
    pub(super) outages: Counter,
    pub(super) ready: Family<Node, Gauge>,
    pub(super) restarts: Family<Node, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Asked {
    node: String,
    r#type: String,
    /// `ok`, or an error's name.
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Kind {
    r#type: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(super) struct Node {
    pub(super) node: String,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 15));
        let mut metrics = Self {
            registry: Registry::with_prefix("maelstrom_gateway"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            kinds: Mutex::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
            nats: Gauge::default(),
            outages: Counter::default(),
            ready: Family::default(),
            restarts: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests, by their end", metrics.requests.clone());
        let help = "Time from a request to its end";
        registry.register("request_seconds", help, metrics.seconds.clone());
        registry.register("waiting", "Requests that have no reply yet", metrics.waiting.clone());
        registry.register("connections", "Connections of clients", metrics.connections.clone());
        registry.register("nats_connected", "Whether NATS is there", metrics.nats.clone());
        registry.register("nats_outages", "How often NATS was away", metrics.outages.clone());
        registry.register("node_ready", "Whether a node takes requests", metrics.ready.clone());
        let help = "How often a node was started again";
        registry.register("node_restarts", help, metrics.restarts.clone());
        metrics
    }

    /// A request came to its end.
    pub(super) fn ended(&self, node: &str, kind: &str, outcome: &'static str, after: Duration) {
        let kind = self.known(kind);
        self.seconds.get_or_create(&Kind { r#type: kind.clone() }).observe(after.as_secs_f64());
        let asked = Asked { node: node.to_owned(), r#type: kind, outcome };
        self.requests.get_or_create(&asked).inc();
    }

    /// In OpenMetrics' text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let written = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        written.map_or_else(|_| String::new(), |()| text)
    }

    /// The name of a type of requests, as long as there are not too many.
    fn known(&self, kind: &str) -> String {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.contains(kind) {
            return kind.to_owned();
        }
        if kinds.len() >= KINDS || kind.len() > LONGEST_KIND {
            return OTHER.to_owned();
        }
        kinds.insert(kind.to_owned());
        kind.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_make_it_keep_more_and_more() {
        let metrics = Metrics::new();
        for number in 0..10 * KINDS {
            metrics.ended("n0", &format!("type {number}"), "ok", Duration::from_millis(3));
        }
        metrics.ended("n0", &"x".repeat(1 << 20), "ok", Duration::from_millis(3));
        let text = metrics.text();
        let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!(lines("requests_total{"), KINDS + 1);
        assert_eq!(lines("request_seconds_count{"), KINDS + 1);
        let other = format!("type=\"{OTHER}\",outcome=\"ok\"}} {}", 9 * KINDS + 1);
        assert_eq!(lines(&other), 1, "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
