//! Who can send and receive: nodes, clients and services.
//!
//! A name and its address stand for each other: [`Address::parse`] accepts only
//! what [`Display`](fmt::Display) prints (`n1`, not `n01`).

use std::fmt;

use maelstrom::machine::Service;

/// A participant of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `n0`, `n1`, …
    Node(usize),
    /// `c0`, `c1`, …
    Client(u64),
    /// One of the services that the bench provides.
    Service(ServiceName),
}

named! {
    /// The services, by name.
    #[derive(Hash)]
    pub enum ServiceName {
        /// Linearizable registers.
        LinKv = "lin-kv",
        /// Sequentially consistent registers.
        SeqKv = "seq-kv",
        /// Registers whose last write wins, eventually.
        LwwKv = "lww-kv",
        /// A timestamp oracle.
        LinTso = "lin-tso",
    }
}

impl ServiceName {
    pub(crate) fn of(service: Service) -> Self {
        match service {
            Service::LinKv => Self::LinKv,
            Service::SeqKv => Self::SeqKv,
            Service::LwwKv => Self::LwwKv,
        }
    }
}

impl Address {
    /// The address of a name, whether or not anybody has it.
    pub fn parse(name: &str) -> Option<Self> {
        match name.as_bytes().first()? {
            b'n' => number(&name[1..]).and_then(|n| usize::try_from(n).ok()).map(Self::Node),
            b'c' => number(&name[1..]).map(Self::Client),
            _ => ServiceName::ALL
                .into_iter()
                .find(|service| service.name() == name)
                .map(Self::Service),
        }
    }

    /// Whether this is a client. Messages to and from clients travel without
    /// latency and are counted apart.
    pub fn is_client(self) -> bool {
        matches!(self, Self::Client(_))
    }
}

/// A decimal number in its only spelling: no sign, no leading zeros.
fn number(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && plain { digits.parse().ok() } else { None }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(number) => write!(f, "n{number}"),
            Self::Client(number) => write!(f, "c{number}"),
            Self::Service(service) => f.write_str(service.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_stand_for_each_other() {
        for name in ["n0", "n24", "c0", "c1234", "lin-kv", "seq-kv", "lww-kv", "lin-tso"] {
            assert_eq!(Address::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_spellings_are_nobody() {
        for name in [
            "",
            "n",
            "c",
            "n01",
            "n+1",
            "n-1",
            "n 1",
            "N1",
            "c1x",
            "kv",
            "n99999999999999999999999",
        ] {
            assert_eq!(Address::parse(name), None, "{name:?}");
        }
    }
}
