//! Log lines with virtual time.

use std::fmt;

use tokio::time::Instant;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::prelude::*;

thread_local! {
    static BEGAN: std::cell::OnceCell<Instant> = const { std::cell::OnceCell::new() };
}

/// Virtual seconds since the first line.
struct Virtual;

impl FormatTime for Virtual {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = Instant::now();
        let began = BEGAN.with(|began| *began.get_or_init(|| now));
        write!(writer, "{:9.3}", now.duration_since(began).as_secs_f64())
    }
}

/// Shows what nodes log, on standard error; `RUST_LOG` says how much.
pub(crate) fn log() {
    let asked = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let filter = asked.and_then(|text| text.parse::<Targets>().ok());
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_timer(Virtual))
        .with(filter.unwrap_or_else(|| Targets::new().with_default(tracing::Level::DEBUG)))
        .init();
}
