//! Which of many starting points reach which of many vertices, without a search
//! for each.
//!
//! In a graph without cycles one pass in topological order carries 128 searches
//! at once, one a bit.

use super::dependency::Dependency;
use crate::graph::Digraph;

/// A question: does one of `from` reach `to` by at least one arc?
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) from: Vec<u32>,
    pub(super) to: Vec<u32>,
}

/// The first question, and the first of its `to`, for which the answer is yes.
///
/// `graph` must have no cycle.
pub(super) fn first_yes(
    graph: &Digraph<Dependency>,
    questions: &[Question],
) -> Option<(usize, u32)> {
    let number = graph.component_numbers();
    let mut order: Vec<u32> = (0..graph.len() as u32).collect();
    order.sort_unstable_by_key(|&v| std::cmp::Reverse(number[v as usize]));
    for (batch, questions) in questions.chunks(u128::BITS as usize).enumerate() {
        if let Some((i, to)) = first_yes_of_batch(graph, &order, questions) {
            return Some((batch * u128::BITS as usize + i, to));
        }
    }
    None
}

fn first_yes_of_batch(
    graph: &Digraph<Dependency>,
    order: &[u32],
    questions: &[Question],
) -> Option<(usize, u32)> {
    let mut starts = vec![0u128; graph.len()];
    for (i, question) in questions.iter().enumerate() {
        question.from.iter().for_each(|&v| starts[v as usize] |= 1 << i);
    }
    let mut arrived = vec![0u128; graph.len()];
    for &v in order {
        let carried = starts[v as usize] | arrived[v as usize];
        if carried != 0 {
            graph.arcs_from(v).iter().for_each(|arc| arrived[arc.to as usize] |= carried);
        }
    }
    let yes = |(i, question): (usize, &Question)| {
        let to = question.to.iter().find(|&&v| arrived[v as usize] & (1 << i) != 0);
        to.map(|&to| (i, to))
    };
    questions.iter().enumerate().find_map(yes)
}

#[cfg(test)]
mod tests {
    use super::super::relation::Relation;
    use super::*;

    fn chain(len: u32) -> Digraph<Dependency> {
        let label = Dependency::order(Relation::Process);
        let arcs: Vec<_> = (1..len).map(|v| (v - 1, v, label)).collect();
        Digraph::new(len as usize, &arcs)
    }

    #[test]
    fn a_vertex_is_reached_from_before_and_not_from_itself_or_after() {
        let graph = chain(400);
        let ask = |from: u32, to: u32| Question { from: vec![from], to: vec![to] };
        let mut questions: Vec<Question> = (0..300).map(|v| ask(v + 1, v)).collect();
        questions.push(ask(5, 5));
        assert_eq!(first_yes(&graph, &questions), None);
        questions.push(ask(7, 399));
        assert_eq!(first_yes(&graph, &questions), Some((301, 399)));
    }
}
