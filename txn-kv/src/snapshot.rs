//! How a node that lacks too much gets it: by pages of a snapshot.
//!
//! A snapshot has the versions that the receiver lacks, as they were at one
//! moment. The receiver asks for the pages, again when they do not come, and
//! lets them take effect all at once when it has all of them: half a snapshot
//! is a state that never was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maelstrom::machine::Rank;

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
    /// A random number: a snapshot taken anew is another one.
    id: u64,
    base: Vector,
    upto: Vector,
    frontier: Vector,
    /// At least one: an empty snapshot has an empty page.
    pages: Vec<Vec<Version>>,
    used: Duration,
}

impl Outgoing {
    /// What `database` has now and one that has `base` lacks.
    pub(crate) fn take(id: u64, database: &Database, base: &Vector, now: Duration) -> Self {
        let mut pages = paginate(database.versions_after(base));
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let (upto, frontier) = (database.have().clone(), database.frontier());
        Self { id, base: base.clone(), upto, frontier, pages, used: now }
    }

    /// Whether this serves the request: it names this snapshot, or wants one of
    /// what this one is of.
    pub(crate) fn serves(&self, fetch: &Fetch) -> bool {
        match fetch.snapshot {
            Some(id) => id == self.id,
            None => fetch.have == self.base,
        }
    }

    /// Whether nobody seems to want it any more.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        now >= self.used + KEEP
    }

    /// The pages that are asked for, as far as they exist.
    pub(crate) fn pages(&mut self, wanted: &[u32], now: Duration) -> Vec<Page> {
        self.used = now;
        wanted.iter().take(WINDOW).filter_map(|&number| self.page(number)).collect()
    }

    fn page(&self, number: u32) -> Option<Page> {
        Some(Page {
            snapshot: self.id,
            base: self.base.clone(),
            upto: self.upto.clone(),
            frontier: self.frontier.clone(),
            page: number,
            pages: u32::try_from(self.pages.len()).ok()?,
            versions: self.pages.get(number as usize)?.clone(),
        })
    }
}

/// A snapshot on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    from: Rank,
    /// What this node had when it asked first.
    have: Vector,
    /// Which snapshot it is: known from the first page on.
    chosen: Option<Chosen>,
    came: BTreeMap<u32, Vec<Version>>,
    /// Asked for, not here yet.
    awaited: BTreeSet<u32>,
    ask_after: Duration,
    progress: Duration,
}

#[derive(Debug)]
struct Chosen {
    id: u64,
    pages: u32,
    upto: Vector,
    frontier: Vector,
}

impl Incoming {
    pub(crate) fn begin(from: Rank, have: Vector, now: Duration) -> Self {
        Self {
            from,
            have,
            chosen: None,
            came: BTreeMap::new(),
            awaited: BTreeSet::new(),
            ask_after: now,
            progress: now,
        }
    }

    /// Who has it.
    pub(crate) fn from(&self) -> Rank {
        self.from
    }

    /// Whether it seems that it will not come any more.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        now >= self.progress + GIVE_UP
    }

    /// What to ask for now, if it is time to.
    pub(crate) fn request(&mut self, now: Duration) -> Option<Fetch> {
        if now < self.ask_after {
            return None;
        }
        self.ask_after = now + PATIENCE;
        let count = self.chosen.as_ref().map_or(1, |chosen| chosen.pages);
        let missing = (0..count).filter(|page| !self.came.contains_key(page));
        let pages: Vec<u32> = missing.take(WINDOW).collect();
        self.awaited = pages.iter().copied().collect();
        let snapshot = self.chosen.as_ref().map(|chosen| chosen.id);
        Some(Fetch { snapshot, have: self.have.clone(), pages })
    }

    /// Takes a page, if it is of this snapshot.
    pub(crate) fn take(&mut self, from: Rank, page: Page, now: Duration) {
        if from != self.from || !self.have.covers(&page.base) {
            return;
        }
        let Page { snapshot: id, pages, ref upto, ref frontier, .. } = page;
        let chosen = self.chosen.get_or_insert_with(|| {
            let (upto, frontier) = (upto.clone(), frontier.clone());
            Chosen { id, pages, upto, frontier }
        });
        let belongs = id == chosen.id && page.page < chosen.pages;
        if belongs && self.came.insert(page.page, page.versions).is_none() {
            self.progress = now;
            self.awaited.remove(&page.page);
            if self.awaited.is_empty() {
                self.ask_after = now;
            }
        }
    }

    /// The versions, what one has with them, and its frontier, when all pages are here.
    pub(crate) fn complete(&mut self) -> Option<(Vec<Version>, Vector, Vector)> {
        let chosen = self.chosen.take_if(|chosen| self.came.len() == chosen.pages as usize)?;
        let versions = self.came.values().flatten().cloned().collect();
        Some((versions, chosen.upto, chosen.frontier))
    }
}
