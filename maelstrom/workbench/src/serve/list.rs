//! The list of runs, kept up to date for whoever looks at it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::events::Push;
use super::runs::{Run, Runs};

/// Follows a list.
pub(super) struct List {
    runs: Arc<Runs>,
    /// What was said of each run; nothing before anything was said.
    said: Option<BTreeMap<String, Arc<Run>>>,
}

/// How the list has changed.
#[derive(Serialize)]
struct Change<'a> {
    /// New runs, and those that have changed.
    changed: Vec<&'a Run>,
    /// The folders of runs that are not there any more.
    gone: Vec<&'a str>,
}

impl List {
    pub(super) fn new(runs: Arc<Runs>) -> Self {
        Self { runs, said: None }
    }

    pub(super) fn next(&mut self) -> Push {
        let is_first = self.said.is_none();
        let said = self.said.take().unwrap_or_default();
        let all = self.runs.all();
        let is_new = |run: &&Arc<Run>| said.get(&run.id) != Some(*run);
        let changed: Vec<&Run> = all.iter().filter(is_new).map(|run| &**run).collect();
        let is_there = |id: &str| all.iter().any(|run| run.id == id);
        // There are as many unless some are gone.
        let gone = if all.len() == said.len() && changed.is_empty() {
            Vec::new()
        } else {
            said.keys().map(String::as_str).filter(|id| !is_there(id)).collect()
        };
        let is_news = is_first || !changed.is_empty() || !gone.is_empty();
        let text = serde_json::to_string(&Change { changed, gone }).unwrap_or_default();
        self.said = Some(all.into_iter().map(|run| (run.id.clone(), run)).collect());
        if is_news { Push::Some(text) } else { Push::Nothing }
    }
}
