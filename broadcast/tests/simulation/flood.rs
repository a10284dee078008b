//! The yardstick: how soon flooding would bring a value to each node, at no
//! cost, if everybody sent everything again at every moment.

use std::time::Duration;

use broadcast::wire::Rank;

use crate::net::Cut;

/// The earliest time at which a value sent by `origin` at `sent` can reach each
/// of `nodes` nodes: one `latency` per hop, over links that are up when the
/// message arrives.
pub(crate) fn flood(
    nodes: usize,
    origin: Rank,
    sent: Duration,
    latency: Duration,
    cuts: &[(Duration, Cut)],
) -> Vec<Option<Duration>> {
    let mut reached: Vec<Option<Duration>> = vec![None; nodes];
    let mut settled = vec![false; nodes];
    reached[origin] = Some(sent);
    loop {
        let next = (0..nodes)
            .filter(|&node| !settled[node])
            .filter_map(|node| Some((reached[node]?, node)))
            .min();
        let Some((at, from)) = next else { return reached };
        settled[from] = true;
        for to in (0..nodes).filter(|&to| !settled[to]) {
            let arrival = link_up(from, to, at + latency, cuts);
            reached[to] = [reached[to], arrival].into_iter().flatten().min();
        }
    }
}

/// The first moment from `at` on at which a link is up.
fn link_up(from: Rank, to: Rank, at: Duration, cuts: &[(Duration, Cut)]) -> Option<Duration> {
    let first = cuts.partition_point(|(since, _)| *since <= at).saturating_sub(1);
    let is_up = |(_, cut): &&(Duration, Cut)| !cut.contains(&(from, to));
    cuts[first..].iter().find(is_up).map(|(since, _)| at.max(*since))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn flooding_goes_around_a_cut_or_waits_for_its_end() {
        let both = |a, b| [(a, b), (b, a)];
        let around: Cut = both(0, 1).into_iter().collect();
        let cuts = [(Duration::ZERO, around)];
        assert_eq!(flood(3, 0, S, S, &cuts), [Some(S), Some(3 * S), Some(2 * S)]);
        let apart: Cut = both(0, 1).into_iter().chain(both(1, 2)).collect();
        let cuts = [(Duration::ZERO, apart), (9 * S, Cut::new())];
        assert_eq!(flood(3, 0, S, S, &cuts), [Some(S), Some(9 * S), Some(2 * S)]);
    }
}
