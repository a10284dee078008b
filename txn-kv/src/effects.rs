//! What took effect and is not written yet.

use std::mem;
use std::sync::Arc;

use crate::database::{Version, paginate};
use crate::journal::{Commit, MAX_PORTION, Portion};
use crate::record::Record;
use crate::vector::{Incarnation, Vector};

/// Records to be written, in the order in which what they are of took effect: so a prefix of
/// them is closed under happens-before. None of them is long.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    records: Vec<Record>,
    /// What comes after the records.
    commits: Portion,
}

impl Effects {
    pub(crate) fn commit(&mut self, incarnation: &Incarnation, commit: Arc<Commit>) {
        if self.commits.bytes >= MAX_PORTION {
            self.end_portion();
        }
        self.commits.push(incarnation, commit);
    }

    /// What another node has took effect, as far as it was not here already.
    pub(crate) fn install(&mut self, versions: Vec<Version>, upto: Vector, frontier: Vector) {
        self.end_portion();
        self.records.extend((0..).zip(paginate(versions)).map(|(n, page)| Record::Page(n, page)));
        self.records.push(Record::Whole(upto, frontier));
    }

    fn end_portion(&mut self) {
        let commits = mem::take(&mut self.commits).batch;
        if !commits.is_empty() {
            self.records.push(Record::Commits(commits));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Record> {
        self.end_portion();
        mem::take(&mut self.records)
    }
}
