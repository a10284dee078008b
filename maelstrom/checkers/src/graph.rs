//! Directed graphs with labelled arcs: what a search for dependency cycles needs.
//!
//! Vertices are the numbers below [`Digraph::len`]. Arcs of a vertex keep the
//! order in which they were given, and parallel arcs are kept, so that equal
//! input gives equal output. Every algorithm is iterative: a history's length
//! never becomes a stack's depth.
//!
//! What an arc means, and which cycle is worth showing, is for the caller.

use std::collections::VecDeque;

/// An arc as seen from the vertex that it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arc<L> {
    /// Where it leads.
    pub to: u32,
    /// What it means.
    pub label: L,
}

/// A directed multigraph in compressed sparse rows: the arcs of one vertex lie
/// side by side.
#[derive(Clone, Debug)]
pub(crate) struct Digraph<L> {
    /// The arcs of vertex `v` are `arcs[starts[v]..starts[v + 1]]`.
    starts: Vec<usize>,
    arcs: Vec<Arc<L>>,
}

impl Digraph<()> {
    /// A graph of `len` vertices and arcs without labels.
    pub(crate) fn plain(len: usize, arcs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let arcs: Vec<_> = arcs.into_iter().map(|(from, to)| (from, to, ())).collect();
        Self::new(len, &arcs)
    }
}

impl<L: Copy> Digraph<L> {
    /// A graph of `len` vertices and the arcs `(from, to, label)`.
    ///
    /// # Panics
    ///
    /// When an arc names a vertex that is not below `len`.
    pub(crate) fn new(len: usize, arcs: &[(u32, u32, L)]) -> Self {
        let mut starts = vec![0; len + 1];
        for &(from, to, _) in arcs {
            assert!((from as usize) < len && (to as usize) < len, "an arc outside the graph");
            starts[from as usize + 1] += 1;
        }
        for v in 0..len {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.clone();
        let mut order = vec![0; arcs.len()];
        for (i, &(from, _, _)) in arcs.iter().enumerate() {
            order[next[from as usize]] = i;
            next[from as usize] += 1;
        }
        let arcs = order.into_iter().map(|i| Arc { to: arcs[i].1, label: arcs[i].2 }).collect();
        Self { starts, arcs }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn arcs_from(&self, vertex: u32) -> &[Arc<L>] {
        let v = vertex as usize;
        &self.arcs[self.starts[v]..self.starts[v + 1]]
    }

    /// All arcs as `(from, to, label)`, by the vertex that they leave.
    pub(crate) fn arcs(&self) -> impl Iterator<Item = (u32, u32, L)> + '_ {
        (0..self.len() as u32)
            .flat_map(|v| self.arcs_from(v).iter().map(move |arc| (v, arc.to, arc.label)))
    }

    /// The same vertices with those arcs that `keep` approves of.
    pub(crate) fn filter(&self, keep: impl Fn(L) -> bool) -> Self {
        let arcs: Vec<_> = self.arcs().filter(|&(_, _, label)| keep(label)).collect();
        Self::new(self.len(), &arcs)
    }

    /// Some vertices, numbered by their places in `members`, and the arcs between them.
    ///
    /// `place` has an entry for each vertex of this graph; any values will do.
    pub(crate) fn among(&self, members: &[u32], place: &mut [u32]) -> Self {
        for (i, &v) in (0..).zip(members) {
            place[v as usize] = i;
        }
        let is_member = |v: u32| members.get(place[v as usize] as usize) == Some(&v);
        let mut arcs = Vec::new();
        for (i, &v) in (0..).zip(members) {
            let inner = self.arcs_from(v).iter().filter(|arc| is_member(arc.to));
            arcs.extend(inner.map(|arc| (i, place[arc.to as usize], arc.label)));
        }
        Self::new(members.len(), &arcs)
    }

    /// The strongly connected components of more than one vertex, each sorted.
    ///
    /// Tarjan, "Depth-first search and linear graph algorithms" (1972), with an
    /// explicit stack of (vertex, arcs done) in place of recursion.
    pub(crate) fn components(&self) -> Vec<Vec<u32>> {
        let mut found = Vec::new();
        self.visit_components(|component| {
            if component.len() > 1 {
                let mut component = component.to_vec();
                component.sort_unstable();
                found.push(component);
            }
        });
        found
    }

    /// For each vertex the number of its strongly connected component. Numbers
    /// rise against the arcs: an arc between two components leads to the lower
    /// number.
    pub(crate) fn component_numbers(&self) -> Vec<u32> {
        let mut number = vec![0; self.len()];
        let mut next = 0;
        self.visit_components(|component| {
            for &v in component {
                number[v as usize] = next;
            }
            next += 1;
        });
        number
    }

    /// Calls `visit` with every strongly connected component, singletons
    /// included, each before those that lead to it.
    fn visit_components(&self, mut visit: impl FnMut(&[u32])) {
        const UNSEEN: u32 = u32::MAX;
        let mut order = vec![UNSEEN; self.len()];
        let mut low = vec![UNSEEN; self.len()];
        let mut is_open = vec![false; self.len()];
        let (mut open, mut calls) = (Vec::new(), Vec::<(u32, usize)>::new());
        let mut clock = 0;
        for root in 0..self.len() as u32 {
            if order[root as usize] != UNSEEN {
                continue;
            }
            calls.push((root, 0));
            while let Some((vertex, done)) = calls.pop() {
                let v = vertex as usize;
                if done == 0 {
                    (order[v], low[v]) = (clock, clock);
                    clock += 1;
                    open.push(vertex);
                    is_open[v] = true;
                }
                if let Some(arc) = self.arcs_from(vertex).get(done) {
                    calls.push((vertex, done + 1));
                    let w = arc.to as usize;
                    if order[w] == UNSEEN {
                        calls.push((arc.to, 0));
                    } else if is_open[w] {
                        low[v] = low[v].min(order[w]);
                    }
                    continue;
                }
                if let Some(&(caller, _)) = calls.last() {
                    low[caller as usize] = low[caller as usize].min(low[v]);
                }
                if low[v] == order[v] {
                    let start = open.iter().rposition(|&w| w == vertex).unwrap_or(0);
                    visit(&open[start..]);
                    for w in open.drain(start..) {
                        is_open[w as usize] = false;
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop<L> {
    /// The vertex that it leaves.
    pub from: u32,
    /// The vertex that it enters.
    pub to: u32,
    /// What it means.
    pub label: L,
}

/// A breadth-first search that can be repeated on graphs of one size without
/// clearing its memory in between.
#[derive(Debug)]
pub(crate) struct Search<L> {
    round: u32,
    /// The round in which a vertex was last reached.
    reached: Vec<u32>,
    /// How it was reached then; `None` for a source.
    came_by: Vec<Option<Hop<L>>>,
    queue: VecDeque<u32>,
}

impl<L: Copy> Search<L> {
    pub(crate) fn new(len: usize) -> Self {
        Self { round: 0, reached: vec![0; len], came_by: vec![None; len], queue: VecDeque::new() }
    }

    /// A shortest path from one of `sources` to a vertex that is a `goal`; empty
    /// when a source is one. Of several, the first in the order of sources and
    /// arcs.
    pub(crate) fn path(
        &mut self,
        graph: &Digraph<L>,
        sources: &[u32],
        goal: impl Fn(u32) -> bool,
    ) -> Option<Vec<Hop<L>>> {
        self.path_past(graph, sources, goal, |_| false)
    }

    /// The same, where vertices that are `free` do not count for the length of a path.
    pub(crate) fn path_past(
        &mut self,
        graph: &Digraph<L>,
        sources: &[u32],
        goal: impl Fn(u32) -> bool,
        free: impl Fn(u32) -> bool,
    ) -> Option<Vec<Hop<L>>> {
        self.round += 1;
        self.queue.clear();
        for &source in sources {
            self.reach(source, None, &free);
        }
        while let Some(vertex) = self.queue.pop_front() {
            if goal(vertex) {
                return Some(self.way_to(vertex));
            }
            for arc in graph.arcs_from(vertex) {
                let hop = Hop { from: vertex, to: arc.to, label: arc.label };
                self.reach(arc.to, Some(hop), &free);
            }
        }
        None
    }

    fn reach(&mut self, vertex: u32, by: Option<Hop<L>>, free: impl Fn(u32) -> bool) {
        let v = vertex as usize;
        if self.reached[v] != self.round {
            self.reached[v] = self.round;
            self.came_by[v] = by;
            if free(vertex) {
                self.queue.push_front(vertex);
            } else {
                self.queue.push_back(vertex);
            }
        }
    }

    fn way_to(&self, mut vertex: u32) -> Vec<Hop<L>> {
        let mut path = Vec::new();
        while let Some(hop) = self.came_by[vertex as usize] {
            path.push(hop);
            vertex = hop.from;
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn graph(len: usize, arcs: &[(u32, u32)]) -> Digraph<()> {
        Digraph::plain(len, arcs.iter().copied())
    }

    /// What can be reached from each vertex, by trying until nothing is added.
    fn reachable(vertices: usize, edges: &[(u32, u32)]) -> Vec<Vec<bool>> {
        let mut reach = vec![vec![false; vertices]; vertices];
        for (from, to) in edges {
            reach[*from as usize][*to as usize] = true;
        }
        for via in 0..vertices {
            for from in 0..vertices {
                for to in 0..vertices {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        reach
    }

    #[test]
    fn components_are_what_reaches_each_other() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..500 {
            let vertices = rng.random_range(1..12);
            let edges: Vec<(u32, u32)> = (0..rng.random_range(0..3 * vertices))
                .map(|_| {
                    (rng.random_range(0..vertices as u32), rng.random_range(0..vertices as u32))
                })
                .collect();
            let reach = reachable(vertices, &edges);
            let mut expected: Vec<Vec<u32>> = (0..vertices)
                .map(|a| {
                    let mutual = |b: &usize| *b == a || (reach[a][*b] && reach[*b][a]);
                    (0..vertices).filter(mutual).map(|b| b as u32).collect()
                })
                .filter(|component: &Vec<u32>| component.len() > 1)
                .collect();
            expected.sort();
            expected.dedup();
            let mut found = graph(vertices, &edges).components();
            found.sort();
            assert_eq!(found, expected, "{edges:?}");
        }
    }

    #[test]
    fn component_numbers_fall_along_arcs() {
        let g = graph(5, &[(0, 1), (1, 0), (1, 2), (3, 2), (2, 4)]);
        let number = g.component_numbers();
        assert_eq!(number[0], number[1]);
        for (from, to, ()) in g.arcs() {
            assert!(number[from as usize] >= number[to as usize]);
        }
        assert!(number[3] > number[2] && number[2] > number[4]);
    }

    #[test]
    fn a_ring_of_a_million_vertices_is_one_component() {
        let n = 1_000_000;
        let arcs: Vec<_> = (0..n).map(|v| (v, (v + 1) % n)).collect();
        assert_eq!(graph(n as usize, &arcs).components().len(), 1);
    }

    #[test]
    fn a_chain_has_no_component() {
        assert!(graph(3, &[(0, 1), (1, 2), (0, 2)]).components().is_empty());
    }

    #[test]
    fn a_search_finds_the_shortest_way_and_can_be_repeated() {
        let g = graph(5, &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 3)]);
        let mut search = Search::new(g.len());
        let path = search.path(&g, &[0], |v| v == 3).unwrap();
        assert_eq!(path.iter().map(|hop| hop.to).collect::<Vec<_>>(), [4, 3]);
        assert!(search.path(&g, &[3], |v| v == 0).is_none());
        assert_eq!(search.path(&g, &[1], |v| v == 3).unwrap().len(), 2);
        assert!(search.path(&g, &[1], |v| v == 1).unwrap().is_empty());
    }

    #[test]
    fn a_filter_keeps_vertices_and_drops_arcs() {
        let g = Digraph::new(3, &[(0, 1, 'a'), (0, 2, 'b'), (0, 1, 'b')]).filter(|l| l == 'b');
        assert_eq!(g.len(), 3);
        assert_eq!(g.arcs().collect::<Vec<_>>(), [(0, 2, 'b'), (0, 1, 'b')]);
    }
}
