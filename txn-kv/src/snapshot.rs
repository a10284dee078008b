//! How a node that lacks too much gets it: by pages of a snapshot.
//!
//! A snapshot has the versions that the receiver lacks, as they were at one
//! moment. The receiver asks for the pages, again when they do not come, and
//! lets them take effect all at once when it has all of them: half a snapshot
//! is a state that never was.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use maelstrom::machine::{Rank, Time};

use crate::database::{Database, Version, paginate};
use crate::message::{Fetch, Page};
use crate::vector::Vector;

/// How many pages to ask for at a time.
const WINDOW: usize = 16;
/// Pages that have not come for so long are asked for again.
const PATIENCE: Duration = Duration::from_secs(1);
/// A snapshot of which nothing has come for so long is given up: whoever took
/// it may not have it any more.
const GIVE_UP: Duration = Duration::from_secs(5);
/// A snapshot of which nothing was asked for so long is thrown away.
const KEEP: Duration = Duration::from_secs(30);

/// A snapshot to be handed out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What all pages say.
    head: Page,
    /// At least one: an empty snapshot has an empty page.
    pages: Vec<Vec<Version>>,
    used: Time,
}

impl Outgoing {
    /// What `database` has now and one that has `base` lacks. The number is random: a
    /// snapshot taken anew is another one.
    pub(crate) fn take(snapshot: u64, database: &Database, base: &Vector, now: Time) -> Self {
        let mut pages = paginate(database.versions_after(base));
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let head = Page {
            snapshot,
            base: base.clone(),
            upto: database.have().clone(),
            frontier: database.frontier(),
            page: 0,
            pages: u32::try_from(pages.len()).unwrap_or(u32::MAX),
            versions: Vec::new(),
        };
        Self { head, pages, used: now }
    }

    /// Whether this serves the request: it names this snapshot, or wants one of
    /// what this one is of.
    pub(crate) fn serves(&self, fetch: &Fetch) -> bool {
        match fetch.snapshot {
            Some(snapshot) => snapshot == self.head.snapshot,
            None => fetch.have == self.head.base,
        }
    }

    /// Whether nobody seems to want it any more.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        now >= self.used + KEEP
    }

    /// The pages that are asked for, as far as they exist.
    pub(crate) fn pages(&mut self, wanted: &[u32], now: Time) -> Vec<Page> {
        self.used = now;
        let page = |&page: &u32| {
            let versions = self.pages.get(page as usize)?.clone();
            Some(Page { page, versions, ..self.head.clone() })
        };
        wanted.iter().take(WINDOW).filter_map(page).collect()
    }
}

/// A snapshot on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    from: Rank,
    /// What this node had when it asked first.
    have: Vector,
    /// What its pages say: known from the first one on.
    head: Option<Page>,
    came: BTreeMap<u32, Vec<Version>>,
    /// Asked for, not here yet.
    awaited: BTreeSet<u32>,
    ask_after: Time,
    progress: Time,
}

impl Incoming {
    pub(crate) fn begin(from: Rank, have: Vector, now: Time) -> Self {
        let (came, awaited) = (BTreeMap::new(), BTreeSet::new());
        Self { from, have, head: None, came, awaited, ask_after: now, progress: now }
    }

    /// Who has it.
    pub(crate) fn from(&self) -> Rank {
        self.from
    }

    /// Whether it seems that it will not come any more.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        now >= self.progress + GIVE_UP
    }

    /// What to ask for now, if it is time to.
    pub(crate) fn request(&mut self, now: Time) -> Option<Fetch> {
        if now < self.ask_after {
            return None;
        }
        self.ask_after = now + PATIENCE;
        let count = self.head.as_ref().map_or(1, |head| head.pages);
        let missing = (0..count).filter(|page| !self.came.contains_key(page));
        let pages: Vec<u32> = missing.take(WINDOW).collect();
        self.awaited = pages.iter().copied().collect();
        let snapshot = self.head.as_ref().map(|head| head.snapshot);
        Some(Fetch { snapshot, have: self.have.clone(), pages })
    }

    /// Takes a page, if it is of this snapshot.
    pub(crate) fn take(&mut self, from: Rank, mut page: Page, now: Time) {
        if from != self.from || !self.have.covers(&page.base) {
            return;
        }
        let versions = mem::take(&mut page.versions);
        let (snapshot, number) = (page.snapshot, page.page);
        let head = self.head.get_or_insert(page);
        let belongs = snapshot == head.snapshot && number < head.pages;
        if belongs && self.came.insert(number, versions).is_none() {
            self.progress = now;
            self.awaited.remove(&number);
            if self.awaited.is_empty() {
                self.ask_after = now;
            }
        }
    }

    /// The versions, what one has with them, and its frontier, when all pages are here.
    pub(crate) fn complete(&mut self) -> Option<(Vec<Version>, Vector, Vector)> {
        let head = self.head.take_if(|head| self.came.len() == head.pages as usize)?;
        let versions = self.came.values().flatten().cloned().collect();
        Some((versions, head.upto, head.frontier))
    }
}
