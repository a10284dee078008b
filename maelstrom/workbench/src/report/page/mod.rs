//! What a reader of `report.html` can explore, the run in numbers and texts, and the scripts
//! of that page and of the store's.
//!
//! - [`run`]: the trace and the history as columns.
//! - [`operations`]: requests with what came of them.
//! - [`pack`]: how they stand in the page.
//! - [`roles`]: who led when, from what nodes log.
//! - [`script`]: the modules of `page/src` as one script.
//! - [`store`]: the page that shows the store.

mod operations;
mod pack;
mod roles;
mod run;
mod script;
pub(crate) mod store;

pub(crate) use run::Sections;

use std::fmt::Write as _;

impl Sections {
    /// Appends what makes the element with the id `messages` show the run.
    pub(super) fn append(&self, page: &mut String) {
        let Self { run, texts } = self;
        let _ = write!(
            page,
            "<script type=\"text/plain\" id=\"run\">{run}</script>\
             <script type=\"text/plain\" id=\"texts\">{texts}</script>\
             <script>{}</script>",
            script::join(script::REPORT)
        );
    }
}
