//! A swarm in parts, each on a machine of its own, and what came of all of them together.
//!
//! A part is a range of seeds, so that the parts together run what the whole would have run,
//! each seed with the same node. What came of a part goes to a file; `simulate merge` reads
//! those files and says which seeds nobody tried.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::print;

/// One of the parts of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    number: u64,
    of: u64,
}

impl Shard {
    /// The seeds of this part. Parts differ in size by one seed at most.
    pub(crate) fn seeds(self, all: &Range<u64>) -> Range<u64> {
        let count = u128::from(all.end - all.start);
        let bound = |parts: u64| {
            let seeds = count * u128::from(parts) / u128::from(self.of);
            all.start + u64::try_from(seeds).unwrap_or(u64::MAX)
        };
        bound(self.number - 1)..bound(self.number)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |number: &str| number.parse::<u64>().ok();
        let parts = text.split_once('/').and_then(|(a, b)| Some((parse(a)?, parse(b)?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("a part is its number from 1 on, a slash, and how many parts there are: \
                      3/16"
                .to_owned()),
        }
    }
}

/// What came of a part.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) swarm: Described,
    /// The seeds that were tried.
    pub(crate) tried: Range<u64>,
    pub(crate) failures: Vec<Failed>,
}

/// Which swarm it is a part of.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Described {
    pub(crate) nodes: Vec<String>,
    /// What each of the nodes does with the first seed of all: another version does otherwise.
    pub(crate) checksums: Vec<u32>,
    pub(crate) seeds: Range<u64>,
    pub(crate) fixed: String,
    pub(crate) arguments: Vec<String>,
}

/// A seed that failed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Failed {
    pub(crate) seed: u64,
    /// What is said of it.
    pub(crate) text: String,
}

impl Results {
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_vec(self).context("cannot put results into words")?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{shown} has no results of `simulate swarm --results`"))
    }
}

/// What the command line of `simulate merge` says.
#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// The files that `simulate swarm --results` wrote
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Tells what came of all parts. An error if some seeds were not tried although none failed.
pub(crate) fn merge(flags: &Flags) -> anyhow::Result<bool> {
    let read = flags.files.iter().map(|file| Results::read(file));
    let merged = Merged::of(read.collect::<anyhow::Result<_>>()?)?;
    merged.failures.iter().for_each(|failed| print(&format!("{}\n", failed.text)));
    print(&format!("{} seeds, {} failed\n", merged.tried, merged.failures.len()));
    let untried = merged.untried.iter().map(|seeds| match seeds.end - seeds.start {
        1 => seeds.start.to_string(),
        _ => format!("{} to {}", seeds.start, seeds.end - 1),
    });
    let untried: Vec<String> = untried.collect();
    if !untried.is_empty() {
        let text = format!("not tried: seeds {}", untried.join(", "));
        ensure!(!merged.failures.is_empty(), "{text}. A part is missing, or did not end");
        print(&format!("{text}. A part ends at a failure without --keep-going\n"));
    }
    Ok(merged.failures.is_empty())
}

/// All parts together.
#[derive(Debug)]
struct Merged {
    tried: u64,
    untried: Vec<Range<u64>>,
    /// By seed.
    failures: Vec<Failed>,
}

impl Merged {
    fn of(mut parts: Vec<Results>) -> anyhow::Result<Self> {
        parts.sort_unstable_by_key(|part| part.tried.start);
        let Some(swarm) = parts.first().map(|part| part.swarm.clone()) else {
            bail!("there are no results")
        };
        let (mut next, mut untried) = (swarm.seeds.start, Vec::new());
        for part in &parts {
            let known = Described { checksums: part.swarm.checksums.clone(), ..swarm.clone() };
            ensure!(part.swarm == known, "these results are not all of the same swarm");
            ensure!(known == swarm, "these results are of versions that do not do the same");
            let Range { start, end } = part.tried;
            ensure!(start <= end && end <= swarm.seeds.end, "these results are damaged");
            ensure!(start >= next, "seed {start} is in two of the files");
            untried.extend((start > next).then_some(next..start));
            next = end;
        }
        untried.extend((swarm.seeds.end > next).then_some(next..swarm.seeds.end));
        let tried = parts.iter().map(|part| part.tried.end - part.tried.start).sum();
        let failures = parts.into_iter().flat_map(|part| part.failures).collect();
        Ok(Self { tried, untried, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_all_seeds_each_once() {
        for count in [0, 1, 5, 16, 1_000_003] {
            let all = 7..7 + count;
            for of in [1, 2, 3, 16] {
                let mut next = all.start;
                for number in 1..=of {
                    let seeds = Shard { number, of }.seeds(&all);
                    assert_eq!(seeds.start, next);
                    assert!((count / of..=count / of + 1).contains(&(seeds.end - seeds.start)));
                    next = seeds.end;
                }
                assert_eq!(next, all.end);
            }
        }
    }

    #[test]
    fn a_part_is_a_number_of_as_many() {
        assert_eq!("3/16".parse(), Ok(Shard { number: 3, of: 16 }));
        for text in ["", "3", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    fn part(tried: Range<u64>, failures: &[u64]) -> Results {
        let swarm = Described {
            nodes: vec![],
            checksums: vec![1, 2],
            seeds: 0..100,
            fixed: String::new(),
            arguments: vec![],
        };
        let failed = |&seed: &u64| Failed { seed, text: String::new() };
        Results { swarm, tried, failures: failures.iter().map(failed).collect() }
    }

    #[test]
    fn parts_in_any_order_are_merged_by_seed() {
        let merged = Merged::of(vec![part(50..100, &[60, 70]), part(0..50, &[3])]).unwrap();
        assert_eq!((merged.tried, merged.untried), (100, vec![]));
        let seeds: Vec<u64> = merged.failures.iter().map(|failed| failed.seed).collect();
        assert_eq!(seeds, [3, 60, 70]);
    }

    #[test]
    fn seeds_that_nobody_tried_are_named() {
        let merged = Merged::of(vec![part(60..90, &[]), part(10..50, &[])]).unwrap();
        assert_eq!((merged.tried, merged.untried), (70, vec![0..10, 50..60, 90..100]));
    }

    #[test]
    fn what_does_not_belong_together_or_is_damaged_is_refused() {
        let refused =
            |other: Results| Merged::of(vec![part(0..50, &[]), other]).unwrap_err().to_string();
        assert_eq!(refused(part(49..100, &[])), "seed 49 is in two of the files");
        let mut other = part(50..100, &[]);
        other.swarm.fixed = "--latency 10".to_owned();
        assert_eq!(refused(other), "these results are not all of the same swarm");
        let mut other = part(50..100, &[]);
        other.swarm.checksums = vec![1, 3];
        assert_eq!(refused(other), "these results are of versions that do not do the same");
        let backwards = Range { start: 60, end: 50 };
        for tried in [backwards, 50..101, 200..201] {
            assert_eq!(refused(part(tried, &[])), "these results are damaged");
        }
    }
}
