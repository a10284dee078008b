//! Directed graphs in compressed rows, and their strongly connected components.

/// A graph on the vertices `0 .. n`.
pub(super) struct Graph {
    /// By vertex, where its targets begin; one more for the end.
    starts: Vec<usize>,
    targets: Vec<u32>,
}

impl Graph {
    /// The graph with these edges.
    pub(super) fn new(vertices: usize, edges: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; vertices + 1];
        for (from, _) in edges {
            starts[*from as usize + 1] += 1;
        }
        for vertex in 0..vertices {
            starts[vertex + 1] += starts[vertex];
        }
        let mut targets = vec![0; edges.len()];
        let mut free = starts.clone();
        for (from, to) in edges {
            targets[free[*from as usize]] = *to;
            free[*from as usize] += 1;
        }
        Graph { starts, targets }
    }

    /// The number of vertices.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The ends of the edges from a vertex.
    pub(super) fn targets(&self, vertex: u32) -> &[u32] {
        let vertex = vertex as usize;
        &self.targets[self.starts[vertex]..self.starts[vertex + 1]]
    }
}

/// The strongly connected components with more than one vertex, each in ascending
/// order. Tarjan, "Depth-first search and linear graph algorithms" (1972), with a
/// stack of its own: histories make paths too long to recurse along.
pub(super) fn components(graph: &Graph) -> Vec<Vec<u32>> {
    let mut search = Search {
        graph,
        order: vec![UNSEEN; graph.len()],
        low: vec![0; graph.len()],
        next: 0,
        path: Vec::new(),
        pending: Vec::new(),
        found: Vec::new(),
    };
    for root in (0..).take(graph.len()) {
        if search.order[root as usize] == UNSEEN {
            search.explore(root);
        }
    }
    search.found
}

const UNSEEN: u32 = u32::MAX;
/// The order of vertices whose component is known: no edge to them matters.
const DONE: u32 = u32::MAX - 1;

struct Search<'a> {
    graph: &'a Graph,
    /// By vertex, when it was discovered, or [`UNSEEN`] or [`DONE`].
    order: Vec<u32>,
    /// By vertex, the earliest vertex known to be reachable in its component.
    low: Vec<u32>,
    next: u32,
    /// From the root to here, each with how many of its edges were followed.
    path: Vec<(u32, usize)>,
    /// Vertices whose component is not complete.
    pending: Vec<u32>,
    found: Vec<Vec<u32>>,
}

impl Search<'_> {
    fn explore(&mut self, root: u32) {
        self.enter(root);
        while let Some((vertex, followed)) = self.path.last_mut() {
            let vertex = *vertex;
            let Some(&target) = self.graph.targets(vertex).get(*followed) else {
                self.leave(vertex);
                continue;
            };
            *followed += 1;
            match self.order[target as usize] {
                UNSEEN => self.enter(target),
                DONE => {}
                order => self.lower(vertex, order),
            }
        }
    }

    fn enter(&mut self, vertex: u32) {
        self.order[vertex as usize] = self.next;
        self.low[vertex as usize] = self.next;
        self.next += 1;
        self.path.push((vertex, 0));
        self.pending.push(vertex);
    }

    fn leave(&mut self, vertex: u32) {
        self.path.pop();
        let low = self.low[vertex as usize];
        if low == self.order[vertex as usize] {
            self.complete(vertex);
        }
        if let Some((parent, _)) = self.path.last() {
            self.lower(*parent, low);
        }
    }

    fn lower(&mut self, vertex: u32, order: u32) {
        let low = &mut self.low[vertex as usize];
        *low = order.min(*low);
    }

    fn complete(&mut self, first: u32) {
        let start = self.pending.iter().rposition(|vertex| *vertex == first).unwrap_or(0);
        let mut component = self.pending.split_off(start);
        for vertex in &component {
            self.order[*vertex as usize] = DONE;
        }
        if component.len() > 1 {
            component.sort_unstable();
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

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
            let mut found = components(&Graph::new(vertices, &edges));
            found.sort();
            assert_eq!(found, expected, "{edges:?}");
        }
    }

    #[test]
    fn a_path_of_a_million_vertices_needs_no_stack() {
        let n = 1_000_000;
        let mut edges: Vec<(u32, u32)> = (1..n).map(|vertex| (vertex - 1, vertex)).collect();
        assert!(components(&Graph::new(n as usize, &edges)).is_empty());
        edges.push((n - 1, 0));
        assert_eq!(components(&Graph::new(n as usize, &edges))[0].len(), n as usize);
    }
}
