//! Values of flags: what is allowed, and a sentence that says so.

use std::error::Error;
use std::ffi::OsStr;
use std::str::FromStr;
use std::time::Duration;

use checkers::txn::Model;
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Arg, Command};
use simulator::{
    Availability, DiskFault, Fault, LatencyDist, Links, PlannedFault, SeqKv, Targets, Topology,
    Values, Workload,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concurrency {
    /// So many a node.
    PerNode(usize),
    /// So many in all.
    Total(usize),
}

impl Concurrency {
    pub(super) fn resolve(self, node_count: usize) -> usize {
        match self {
            Self::PerNode(count) => count.saturating_mul(node_count),
            Self::Total(count) => count,
        }
    }
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, is_per_node) = match text.strip_suffix('n') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        match digits.parse() {
            Ok(count @ 1..) if is_per_node => Ok(Self::PerNode(count)),
            Ok(count @ 1..) => Ok(Self::Total(count)),
            _ => Err("it is a number of clients, at least 1, with an n behind it if it is per \
                      node: 10, 1n, 2n"
                .to_owned()),
        }
    }
}

pub(super) fn workload() -> impl TypedValueParser<Value = Workload> {
    one_of(Workload::ALL.map(|workload| (workload.name(), workload)))
}

pub(super) fn latency_dist() -> impl TypedValueParser<Value = LatencyDist> {
    one_of(LatencyDist::ALL.map(|dist| (dist.name(), dist)))
}

pub(super) fn values() -> impl TypedValueParser<Value = Values> {
    one_of(Values::ALL.map(|values| (values.name(), values)))
}

pub(super) fn seq_kv() -> impl TypedValueParser<Value = SeqKv> {
    one_of(SeqKv::ALL.map(|kind| (kind.name(), kind)))
}

pub(super) fn disk_fault() -> impl TypedValueParser<Value = DiskFault> {
    one_of(DiskFault::ALL.map(|fault| (fault.name(), fault)))
}

pub(super) fn targets() -> impl TypedValueParser<Value = Targets> {
    one_of(Targets::ALL.map(|targets| (targets.name(), targets)))
}

pub(super) fn topology() -> impl TypedValueParser<Value = Topology> {
    one_of([
        ("grid", Topology::Grid),
        ("line", Topology::Line),
        ("total", Topology::Total),
        ("tree", Topology::Tree(2)),
        ("tree2", Topology::Tree(2)),
        ("tree3", Topology::Tree(3)),
        ("tree4", Topology::Tree(4)),
    ])
}

/// A consistency model.
pub(super) fn model() -> impl TypedValueParser<Value = Model> {
    suggesting(|| Model::all().map(Model::name).collect(), str::parse::<Model>)
}

/// Links by their form, or one by one.
pub(super) fn links() -> impl TypedValueParser<Value = Links> {
    suggesting(|| Links::shapes().collect(), str::parse::<Links>)
}

/// The word total, or a fraction.
pub(super) fn availability() -> impl TypedValueParser<Value = Availability> {
    suggesting(|| vec!["total"], available)
}

/// A fault, perhaps with an interval of its own, and another one until it comes again:
/// `kill`, `kill:2.5`, `loss:0.5/10`.
pub(super) fn fault() -> impl TypedValueParser<Value = PlannedFault> {
    suggesting(|| Fault::ALL.map(Fault::name).to_vec(), planned)
}

fn planned(text: &str) -> Result<PlannedFault, String> {
    let text = text.trim();
    let (name, intervals) = text.split_once(':').map_or((text, None), |(n, i)| (n, Some(i)));
    let (interval, calm) = match intervals.map(|both| (both, both.split_once('/'))) {
        Some((_, Some((interval, calm)))) => (Some(seconds(interval)?), Some(seconds(calm)?)),
        Some((interval, None)) => (Some(seconds(interval)?), None),
        None => (None, None),
    };
    let fault = Fault::ALL
        .into_iter()
        .find(|fault| fault.name() == name)
        .ok_or_else(|| format!("there are {}", Fault::ALL.map(Fault::name).join(", ")))?;
    Ok(PlannedFault { fault, interval, calm })
}

/// Parses a value of which some are named, which a shell can suggest, and others are not.
pub(super) fn suggesting<T, E>(
    named: fn() -> Vec<&'static str>,
    parse: fn(&str) -> Result<T, E>,
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Clone + 'static,
{
    Suggesting { named, parse }
}

#[derive(Clone)]
struct Suggesting<T, E> {
    named: fn() -> Vec<&'static str>,
    parse: fn(&str) -> Result<T, E>,
}

impl<T, E> TypedValueParser for Suggesting<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Clone + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let parse = self.parse;
        StringValueParser::new().try_map(move |text| parse(&text)).parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.named)().into_iter().map(PossibleValue::new)))
    }
}

fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    named: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(named.map(|(name, _)| name)).try_map(move |name| {
        let found = named.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value).ok_or("it has no meaning")
    })
}

fn available(text: &str) -> Result<Availability, String> {
    match text.parse::<f64>() {
        _ if text == "total" => Ok(Availability::Total),
        Ok(fraction) if (0.0..=1.0).contains(&fraction) => Ok(Availability::Fraction(fraction)),
        _ => Err("it is the word total, or the least fraction of operations that has to succeed, \
                  from 0 to 1"
            .to_owned()),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match number(text) {
        Some(rate) if rate >= 0.0 => Ok(rate),
        _ => Err("it is a number of operations a second, 0 for none; it cannot be negative".into()),
    }
}

/// A time in seconds that is not zero.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let is_time = |seconds: f64| seconds > 0.0;
    number(text)
        .filter(|seconds| is_time(*seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it is a number of seconds greater than 0".to_owned())
}

/// A time in whole seconds.
pub(super) fn whole_seconds(text: &str) -> Result<Duration, String> {
    let seconds: u32 = at_least_one(text).ok_or("it is a number of whole seconds, at least 1")?;
    Ok(Duration::from_secs(seconds.into()))
}

/// A time in whole milliseconds.
pub(super) fn millis(text: &str) -> Result<Duration, String> {
    let millis: u32 = text
        .parse()
        .map_err(|_| format!("it is a number of whole milliseconds, from 0 to {}", u32::MAX))?;
    Ok(Duration::from_millis(millis.into()))
}

/// A number of things of which there has to be one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    at_least_one(text).ok_or_else(|| "it is a whole number, at least 1".to_owned())
}

/// The names of all nodes: how many there are.
pub(super) fn node_names(text: &str) -> Result<usize, String> {
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_called = |(number, name): (usize, &&str)| **name == format!("n{number}");
    if names.iter().enumerate().all(is_called) {
        return Ok(names.len());
    }
    let expected: Vec<String> = (0..names.len()).map(|number| format!("n{number}")).collect();
    let (expected, count) = (expected.join(","), names.len());
    Err(format!("nodes are called {expected} here, in this order: --node-count {count} does"))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn at_least_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number| *number >= T::from(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_a_number_or_a_multiple_of_the_nodes() {
        assert_eq!("10".parse(), Ok(Concurrency::Total(10)));
        assert_eq!("2n".parse(), Ok(Concurrency::PerNode(2)));
        assert_eq!(Concurrency::PerNode(2).resolve(5), 10);
        for text in ["0", "0n", "n", "-1", "1.5n", "2m", ""] {
            assert!(text.parse::<Concurrency>().unwrap_err().contains("at least 1"), "{text}");
        }
    }

    #[test]
    fn availability_is_total_or_a_fraction() {
        assert_eq!(available("total"), Ok(Availability::Total));
        assert_eq!(available("0.5"), Ok(Availability::Fraction(0.5)));
        for text in ["1.1", "-0.1", "NaN", "all", ""] {
            assert!(available(text).unwrap_err().contains("from 0 to 1"), "{text}");
        }
    }

    #[test]
    fn times_and_rates_are_finite_and_not_negative() {
        assert_eq!(rate("0"), Ok(0.0));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["-1", "inf", "NaN", "x"] {
            assert!(rate(text).is_err() && seconds(text).is_err(), "{text}");
        }
        assert!(seconds("0").is_err());
        assert!(seconds("1e300").is_err());
        assert!(millis("0.5").is_err());
        assert!(count("0").is_err());
    }
}
