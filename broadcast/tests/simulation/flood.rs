//! The yardstick: how soon flooding would bring a value to each node, at no
//! cost, if everybody sent everything again at every moment.

use std::time::Duration;

use broadcast::wire::Rank;

use crate::net::Cut;

/// What flooding is held back by, so that it is fair to compare with.
#[derive(Clone, Copy)]
pub(crate) struct Flood {
    /// One hop.
    pub(crate) latency: Duration,
    /// How long a value rests at its origin, and how long a link that was cut
    /// must be up before it counts.
    pub(crate) reaction: Duration,
}

impl Flood {
    /// The earliest time at which a value sent by `origin` at `sent` can reach
    /// each of `nodes` nodes, over links that are up when the message arrives.
    pub(crate) fn reach(
        self,
        nodes: usize,
        origin: Rank,
        sent: Duration,
        cuts: &[(Duration, Cut)],
    ) -> Vec<Option<Duration>> {
        let mut reached: Vec<Option<Duration>> = vec![None; nodes];
        let mut settled = vec![false; nodes];
        reached[origin] = Some(sent + self.reaction);
        loop {
            let next = (0..nodes)
                .filter(|&node| !settled[node])
                .filter_map(|node| Some((reached[node]?, node)))
                .min();
            let Some((at, from)) = next else { break };
            settled[from] = true;
            for to in (0..nodes).filter(|&to| !settled[to]) {
                let arrival = self.link_up(from, to, at + self.latency, cuts);
                reached[to] = [reached[to], arrival].into_iter().flatten().min();
            }
        }
        reached[origin] = Some(sent);
        reached
    }

    /// The first moment from `at` on at which a link counts.
    fn link_up(
        self,
        from: Rank,
        to: Rank,
        at: Duration,
        cuts: &[(Duration, Cut)],
    ) -> Option<Duration> {
        let mut up_since = Some(Duration::ZERO);
        for (i, (since, cut)) in cuts.iter().enumerate() {
            let is_cut = cut.contains(&(from, to));
            up_since = if is_cut { None } else { up_since.or(Some(*since + self.reaction)) };
            let counts = up_since.map(|up| up.max(at));
            let end = cuts.get(i + 1).map(|(next, _)| *next);
            if let Some(counts) = counts
                && end.is_none_or(|end| counts < end)
            {
                return Some(counts);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn flood(reaction: Duration, cuts: &[(Duration, Cut)]) -> Vec<Option<Duration>> {
        Flood { latency: S, reaction }.reach(3, 0, S, cuts)
    }

    #[test]
    fn flooding_goes_around_a_cut_or_waits_for_its_end() {
        let both = |a, b| [(a, b), (b, a)];
        let around: Cut = both(0, 1).into_iter().collect();
        let cuts = [(Duration::ZERO, around)];
        assert_eq!(flood(Duration::ZERO, &cuts), [Some(S), Some(3 * S), Some(2 * S)]);
        let apart: Cut = both(0, 1).into_iter().chain(both(1, 2)).collect();
        let cuts = [(Duration::ZERO, apart), (9 * S, Cut::new())];
        assert_eq!(flood(Duration::ZERO, &cuts), [Some(S), Some(9 * S), Some(2 * S)]);
    }

    #[test]
    fn a_link_counts_once_it_has_been_up_for_the_time_that_it_takes_to_notice() {
        let all: Cut = (0..3).flat_map(|a| (0..3).map(move |b| (a, b))).collect();
        let blink = [(Duration::ZERO, all.clone()), (5 * S, Cut::new()), (7 * S, all)];
        let cuts: Vec<_> = blink.into_iter().chain([(9 * S, Cut::new())]).collect();
        assert_eq!(flood(S, &cuts)[1], Some(6 * S));
        assert_eq!(flood(3 * S, &cuts)[1], Some(12 * S));
    }
}
