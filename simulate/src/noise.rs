//! Noise for as long as one likes: between valid requests to one node, and from a
//! client in a cluster.

use std::time::Duration;

use clap::Args;
use simulator::Program;
use simulator::fuzz::Fuzz;
use simulator::swarm::Case;

use crate::nodes::{KINDS, Kind};
use crate::single::replay;
use crate::{or_all, print};

/// What the command line of `simulate fuzz` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Which nodes; all when none is named
    #[arg(value_name = "NODE", value_parser = Kind::find)]
    nodes: Vec<&'static Kind>,

    /// For how long each node is fed
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    seconds: u64,

    /// Decides the noise of the first batch; later ones count on from it
    #[arg(long, value_name = "NUM", default_value = "0")]
    seed: u64,
}

/// A node is started anew, with a new seed, after so many rounds.
const BATCH: u64 = 2_000;

/// What a node was fed.
#[derive(Default)]
struct Fed {
    rounds: u64,
    clusters: u64,
}

#[expect(clippy::disallowed_methods, reason = "real seconds are what was asked for")]
pub(crate) fn run(flags: &Flags) -> anyhow::Result<bool> {
    let mut is_robust = true;
    for node in or_all(&flags.nodes, KINDS) {
        let until = std::time::Instant::now() + Duration::from_secs(flags.seconds);
        let is_time = || std::time::Instant::now() < until;
        let (mut fed, mut seed, mut failure) = (Fed::default(), flags.seed, None);
        while failure.is_none() && is_time() {
            failure = intrude(node, seed)?;
            fed.clusters += 1;
            if failure.is_none() {
                failure = feed(node, seed, &mut fed, |round| round < BATCH && is_time())?;
            }
            seed += 1;
        }
        let Fed { rounds, clusters } = fed;
        let name = node.subject.name;
        let verdict = failure.as_deref().unwrap_or("nothing came of it");
        let fed = format!("{rounds} rounds of noise, {clusters} clusters with an intruder");
        print(&format!("{name}: {fed}: {verdict}\n"));
        is_robust &= failure.is_none();
    }
    Ok(is_robust)
}

/// Feeds one node noise between valid requests; what went wrong, if anything did.
fn feed(
    node: &Kind,
    seed: u64,
    fed: &mut Fed,
    more: impl Fn(u64) -> bool,
) -> anyhow::Result<Option<String>> {
    let program = node.program(&[])?;
    let Some(noise) = noise(node, &program, seed) else {
        return Ok(None);
    };
    let ended = noise.run(&program, |round| {
        fed.rounds += u64::from(more(round));
        more(round)
    });
    Ok(ended.err().map(|failure| format!("seed {seed}: {failure}")))
}

/// All that a node knows; nothing for one that needs others to answer anything.
fn noise(node: &Kind, program: &Program, seed: u64) -> Option<Fuzz> {
    let mut fuzz = Fuzz::recorded(program, node.subject.workload, node.request?, seed);
    fuzz.nodes = node.nodes;
    fuzz.bodies.extend(node.rare.iter().map(|&body| body.to_owned()));
    Some(fuzz)
}

/// Runs a seed's scenario of a swarm with an intruder.
fn intrude(node: &Kind, seed: u64) -> anyhow::Result<Option<String>> {
    let mut case = Case::draw(seed, &node.subject, &[]);
    case.settings.intruder = true;
    Ok(node.subject.run(&case).map(|failure| {
        let Case { settings, arguments } = &case;
        format!("{failure}\nto run again: {}", replay(node.subject.name, settings, arguments))
    }))
}

#[cfg(test)]
mod tests {
    use maelstrom::Senders;
    use simulator::Workload;

    use super::*;

    /// How many rounds each node is fed here, with each seed.
    const ROUNDS: u64 = 2_000;

    /// What goes wrong with each node under these seeds.
    fn failures(
        seeds: std::ops::Range<u64>,
        run: impl Fn(&Kind, u64) -> anyhow::Result<Option<String>>,
    ) -> Vec<String> {
        let all = KINDS.iter().flat_map(|node| seeds.clone().map(move |seed| (node, seed)));
        let named = |(node, seed): (&Kind, u64)| {
            let failure = run(node, seed).unwrap()?;
            Some(format!("{}: {failure}", node.subject.name))
        };
        all.filter_map(named).collect()
    }

    #[test]
    fn noise_between_valid_requests_changes_nothing() {
        let feed =
            |node: &Kind, seed| feed(node, seed, &mut Fed::default(), |round| round < ROUNDS);
        let failures = failures(0..2, feed);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn it_is_made_of_every_type_of_message_that_the_node_takes() {
        let without_fields = ["read", "generate"];
        for node in KINDS {
            let program = node.program(&[]).unwrap();
            let Some(fuzz) = noise(node, &program, 1) else { continue };
            for (kind, _) in program.message_types() {
                let kind_only = format!(r#""type":"{kind}""#);
                let has_more = |body: &String| {
                    let more = body.len() > kind_only.len() + 2;
                    body.contains(&kind_only) && (more || without_fields.contains(&kind))
                };
                let name = node.subject.name;
                assert!(fuzz.bodies.iter().any(has_more), "{name} was never told `{kind}`");
            }
        }
    }

    #[test]
    fn clients_are_heard_in_what_workloads_ask_for_and_in_nothing_else() {
        for node in KINDS {
            let open: Vec<&str> = node
                .program(&[])
                .unwrap()
                .message_types()
                .into_iter()
                .filter(|(_, senders)| *senders == Senders::Anyone)
                .map(|(kind, _)| kind)
                .collect();
            let asked: &[&str] = match node.subject.workload {
                Workload::Broadcast => &["broadcast", "read", "topology"],
                Workload::Echo => &["echo"],
                Workload::GCounter | Workload::PnCounter => &["add", "read"],
                Workload::LinKv => &["add_node", "cas", "read", "remove_node", "transfer", "write"],
                Workload::Kafka => &["commit_offsets", "list_committed_offsets", "poll", "send"],
                Workload::TxnRwRegister => &["txn"],
                Workload::UniqueIds => &["generate"],
                other => panic!("no node is for {}", other.name()),
            };
            assert_eq!(open, asked, "{}", node.subject.name);
        }
    }

    #[test]
    fn no_client_can_plant_or_destroy_anything() {
        let failures = failures(0..4, intrude);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
