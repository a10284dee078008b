//! Figures that follow from constants.

use g_counter::PERIOD;

/// The most that counters say to each other.
pub(super) fn gossip() -> anyhow::Result<String> {
    let most = |nodes: f64| (4.0 * nodes - 6.0) / PERIOD.as_secs_f64();
    Ok(format!(
        "The gossip of n nodes is at most (4n − 6) messages in {} s: {:.0} a second for 3 nodes \
         and {:.0} for 100.",
        PERIOD.as_secs_f64(),
        most(3.0),
        most(100.0)
    ))
}

/// How long the counter of an id suffices.
pub(super) fn ids() -> anyhow::Result<String> {
    let year = 365.25 * 86_400.0;
    let years = 2_f64.powi(64) / 1e9 / year;
    Ok(format!(
        "The counter has 64 bits: an incarnation that makes a billion ids a second has enough for \
         {years:.0} years."
    ))
}
