//! Log lines with virtual time.

use std::fmt;

use tokio::time::Instant;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

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
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::DEBUG.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(std::io::stderr)
        .with_timer(Virtual)
        .init();
}
