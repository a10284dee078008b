//! The page that shows the store.

use super::script;

/// What the script fills.
pub(crate) const PAGE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Runs</title>\
    <link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/style.css\">\
    <script src=\"/script.js\" defer></script></head>\
    <body><main class=\"store\"><p class=\"note\">Runs are shown here by a script.</p></main>\
    </body></html>\n";

/// That of a report, and a little more.
pub(crate) const STYLE: &str =
    concat!(include_str!("../../../page/page.css"), include_str!("../../../page/store.css"));

pub(crate) fn script() -> String {
    script::join(script::STORE)
}
