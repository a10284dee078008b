//! A cluster of replicas, what its clients ask, and what is wrong with what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use checkers::txn::Model;
use checkers::{Checks, Finding, Names, Workload};
use maelstrom::machine::{Client, Rank, Record as _, draw_incarnation};
use rand::RngExt as _;
use simulator::Effect;
use simulator::cluster::{Cluster, Conditions, Kept};
use txn_kv::Options;
use txn_kv::database::{Database, MAX_JOURNAL_BYTES};
use txn_kv::injected_bugs::Bugs;
use txn_kv::record::Recovery;
use txn_kv::replica::Replica;
use txn_kv::transaction::MicroOp;
use txn_kv::vector::{Incarnation, Stamp};

/// What replicas and clients are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether a node finds its journal again after it was killed.
    pub(crate) durable: bool,
    /// How many keys clients use.
    pub(crate) keys: u64,
    pub(crate) max_journal_bytes: usize,
    pub(crate) bugs: Bugs,
}

impl Default for Settings {
    fn default() -> Self {
        let bugs = Bugs::default();
        Self { durable: true, keys: 5, max_journal_bytes: MAX_JOURNAL_BYTES, bugs }
    }
}

/// A transaction, as its client asked for it.
struct Asked {
    process: u64,
    txn: String,
    /// What it was committed under, if it wrote, and at once.
    stamp: Option<Stamp>,
    is_final: bool,
}

pub(crate) struct World {
    pub(crate) cluster: Cluster<Replica>,
    settings: Settings,
    asked: Vec<Asked>,
    /// Of each incarnation of a node: its client, and the last that it asked.
    clients: BTreeMap<(Rank, Incarnation), (u64, Client)>,
    processes: u64,
    values: u64,
    cuts: Vec<BTreeSet<Rank>>,
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64, conditions: Conditions, settings: Settings) -> Self {
        let Settings { durable, max_journal_bytes, bugs, .. } = settings;
        let cluster =
            Cluster::new(nodes, seed, conditions, move |members, mut rng, kept: &Kept<Replica>| {
                let mut recovery = Recovery::new(Database::new(max_journal_bytes, bugs));
                let records = kept.records.iter().map(|record| record.encode().unwrap());
                let entries = kept.pieces.iter().cloned().chain(records);
                entries.for_each(|entry| recovery.replay_bytes(&entry).unwrap());
                let number = if durable { 0 } else { draw_incarnation(&mut rng) };
                let incarnation = Incarnation::new(members.id(members.me()), number);
                let options = Options { bugs, ..Options::default() };
                let found = (recovery.finish(), durable);
                Replica::new(&members, incarnation, found, draw_incarnation(&mut rng), options)
            });
        let cuts = vec![BTreeSet::new(); nodes];
        let (asked, clients) = (Vec::new(), BTreeMap::new());
        Self { cluster, settings, asked, clients, processes: 0, values: 0, cuts }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.cluster.run_for(time).unwrap();
    }

    pub(crate) fn replica(&self, node: Rank) -> &Replica {
        self.cluster.machine(node).expect("the node is up")
    }

    pub(crate) fn messages(&self) -> u64 {
        self.cluster.net_counts().all.send_count
    }

    /// Cuts two nodes off from each other, beside those that are.
    pub(crate) fn cut(&mut self, a: Rank, b: Rank) {
        self.cuts[a].insert(b);
        self.cuts[b].insert(a);
        self.cluster.apply(Effect::Partition(self.cuts.clone()));
    }

    pub(crate) fn restart(&mut self, node: Rank) {
        self.cluster.apply(Effect::Kill(vec![node]));
        self.cluster.apply(Effect::Start);
    }

    /// A client asks for a transaction of keys and what to write to them (`None`: read).
    pub(crate) fn txn(&mut self, node: Rank, ops: &[(u64, Option<u64>)]) -> Client {
        let txn: Vec<String> = ops.iter().map(|op| micro_op(*op)).collect();
        let txn = format!("[{}]", txn.join(","));
        let request: Vec<MicroOp> = serde_json::from_str(&txn).unwrap();
        let incarnation = self.replica(node).incarnation().clone();
        let committed = |world: &Self| world.replica(node).database().have().get(&incarnation);
        let before = committed(self);
        let client = self.cluster.ask(node, request);
        let time = committed(self);
        let stamp = (time > before).then(|| Stamp { time, incarnation: incarnation.clone() });
        let process = self.process(node, incarnation, client);
        self.asked.push(Asked { process, txn, stamp, is_final: false });
        client
    }

    /// Whose transaction it is: of the client of this incarnation, which is replaced when it
    /// still waits.
    fn process(&mut self, node: Rank, incarnation: Incarnation, client: Client) -> u64 {
        let last = self.clients.get(&(node, incarnation.clone()));
        let is_done = |last| self.cluster.reply(last).is_some_and(Result::is_ok);
        let free = last.filter(|(_, last)| is_done(*last));
        let process = free.map_or(self.processes, |(process, _)| *process);
        self.processes += u64::from(free.is_none());
        self.clients.insert((node, incarnation), (process, client));
        process
    }

    /// A client asks for a transaction that is drawn.
    pub(crate) fn some_txn(&mut self, node: Rank) {
        let length = self.cluster.rng().random_range(1..=4);
        let ops: Vec<_> = (0..length)
            .map(|_| {
                let key = self.cluster.rng().random_range(0..self.settings.keys);
                self.values += 1;
                (key, self.cluster.rng().random_bool(0.5).then_some(self.values))
            })
            .collect();
        self.txn(node, &ops);
    }

    pub(crate) fn write(&mut self, node: Rank, key: u64, value: u64) {
        self.txn(node, &[(key, Some(value))]);
    }

    /// Reads a key at a node that answers at once.
    pub(crate) fn read(&mut self, node: Rank, key: u64) -> Option<u64> {
        let client = self.txn(node, &[(key, None)]);
        let reply = self.cluster.reply(client).expect("no record is waited for");
        serde_json::from_str(reply.as_ref().unwrap()[0].2.text()).unwrap()
    }

    /// Fails with what is wrong with what clients were told, if anything is.
    pub(crate) fn check_history(&self) -> Result<(), String> {
        let findings = self.findings();
        let text = |finding: &Finding| format!("{}: {}", finding.kind, finding.text);
        findings.first().map_or(Ok(()), |finding| Err(text(finding)))
    }

    /// What is wrong with what clients were told.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let checks = Checks {
            consistency_models: vec![Model::ReadAtomic, Model::Causal],
            strict: true,
            ..Checks::new(Workload::TxnRwRegister)
        };
        let mut checker = checks.checker(Names::default());
        for (number, (asked, told)) in self.asked.iter().zip(self.cluster.asked()).enumerate() {
            let (kind, value) = match &told.reply {
                Some((_, Ok(txn))) => ("ok", serde_json::to_string(txn).unwrap()),
                _ => ("info", asked.txn.clone()),
            };
            let Asked { process, is_final, txn, .. } = asked;
            for (index, kind, value) in [(0, "invoke", txn), (1, kind, &value)] {
                let mut op = format!(r#"{{"index":{},"time":{number}"#, 2 * number + index);
                let _ = write!(op, r#","type":"{kind}","process":{process},"f":"txn""#);
                let _ = write!(op, r#","value":{value},"final?":{is_final}}}"#);
                checker.observe(&serde_json::from_str(&op).unwrap());
            }
        }
        let mut findings = checker.finish().findings;
        findings.retain(|finding| finding.kind != "empty-transaction-graph");
        findings
    }

    /// Reads everything everywhere. Where no log is lost, that is the end of the history.
    pub(crate) fn read_all(&mut self) {
        let reads: Vec<_> = (0..self.settings.keys).map(|key| (key, None)).collect();
        for node in 0..self.cluster.size() {
            self.txn(node, &reads);
            self.asked.last_mut().unwrap().is_final = self.settings.durable;
        }
    }

    /// Whether all nodes have the same, nothing that was acknowledged is lost, and nodes
    /// have nothing left to keep or to say.
    pub(crate) fn check_rest(&mut self) -> Result<(), String> {
        let first = self.replica(0).database();
        for node in 0..self.cluster.size() {
            let database = self.replica(node).database();
            if database.have() != first.have() {
                return Err(format!("n{node} and n0 do not have the same transactions"));
            }
            if contents(database) != contents(first) {
                return Err(format!("n{node} and n0 differ"));
            }
            if !database.journal().is_empty() {
                return Err(format!(
                    "n{node} still keeps {} transactions",
                    database.journal().len()
                ));
            }
        }
        self.check_losses()?;
        let before = self.messages();
        self.cluster.run_for(Duration::from_secs(2))?;
        match self.messages() - before {
            0 => Ok(()),
            count => Err(format!("{count} messages with nothing to say")),
        }
    }

    /// With a log, all that was acknowledged is there.
    fn check_losses(&self) -> Result<(), String> {
        let have = self.replica(0).database().have();
        for (asked, told) in self.asked.iter().zip(self.cluster.asked()) {
            let Some(Stamp { time, incarnation }) = &asked.stamp else { continue };
            let is_told = matches!(&told.reply, Some((_, Ok(_))));
            let is_safe = self.settings.durable && is_told;
            if is_safe && have.get(incarnation) < *time {
                return Err(format!("{} of {incarnation} at {time} is lost", asked.txn));
            }
        }
        Ok(())
    }
}

/// All keys and values, and who wrote them.
fn contents(database: &Database) -> Vec<(&str, &str, &Stamp)> {
    database.contents().map(|(key, value, stamp)| (key.text(), value.text(), stamp)).collect()
}

fn micro_op((key, write): (u64, Option<u64>)) -> String {
    match write {
        Some(value) => format!(r#"["w",{key},{value}]"#),
        None => format!(r#"["r",{key},null]"#),
    }
}
