//! Every list that was ever read, as one tree a key.
//!
//! A list is a node: its last element, under the node of the list without it. So
//! a read takes one number however long it is, two reads are equal when their
//! numbers are, one is a prefix of the other when it is its ancestor, and two
//! reads that no single order of appends explains are a fork in the tree.
//!
//! A node's number is greater than its parent's.

use rustc_hash::{FxHashMap, FxHashSet};

use super::numbers::Name;

pub(super) type List = u32;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    key: Name,
    parent: List,
    element: Name,
    length: u32,
    first_child: List,
    next_sibling: List,
}

/// The trees laid out in one line: a list, then all that begin with it.
#[derive(Debug)]
pub(super) struct Spans {
    start: Vec<u32>,
    length: Vec<u32>,
}

impl Spans {
    /// Whether `list` begins with all of `prefix`.
    pub(super) fn is_prefix(&self, prefix: List, list: List) -> bool {
        let (prefix, list) = (prefix as usize, list as usize);
        let after = self.start[list].checked_sub(self.start[prefix]);
        after.is_some_and(|after| after < self.length[prefix])
    }
}

#[derive(Debug, Default)]
pub(super) struct Lists {
    nodes: Vec<Node>,
    /// The empty list of each key, by the key's number; `NONE` for what is no
    /// key.
    roots: Vec<List>,
    /// Children after the first: where there are any, something is wrong.
    later_children: FxHashMap<(List, Name), List>,
    /// The longest list of each key, the first of several, by the key's number.
    longest: Vec<List>,
}

impl Lists {
    pub(super) fn empty(&mut self, key: Name) -> List {
        let k = key as usize;
        if self.roots.len() <= k {
            self.roots.resize(k + 1, NONE);
            self.longest.resize(k + 1, NONE);
        }
        if self.roots[k] == NONE {
            self.roots[k] = self.add(key, NONE, NONE, 0);
            self.longest[k] = self.roots[k];
        }
        self.roots[k]
    }

    /// `list` with these elements after its own.
    pub(super) fn extended(&mut self, list: List, elements: impl Iterator<Item = Name>) -> List {
        let (mut list, key) = (list, self.key(list));
        for element in elements {
            list = self.append(list, element);
        }
        let longest = &mut self.longest[key as usize];
        if self.nodes[list as usize].length > self.nodes[*longest as usize].length {
            *longest = list;
        }
        list
    }

    fn append(&mut self, list: List, element: Name) -> List {
        let Node { key, length, first_child: first, .. } = self.nodes[list as usize];
        if first == NONE {
            let child = self.add(key, list, element, length + 1);
            self.nodes[list as usize].first_child = child;
            return child;
        }
        if self.nodes[first as usize].element == element {
            return first;
        }
        if let Some(&child) = self.later_children.get(&(list, element)) {
            return child;
        }
        let child = self.add(key, list, element, length + 1);
        self.nodes[child as usize].next_sibling = self.nodes[first as usize].next_sibling;
        self.nodes[first as usize].next_sibling = child;
        self.later_children.insert((list, element), child);
        child
    }

    fn add(&mut self, key: Name, parent: List, element: Name, length: u32) -> List {
        let (first_child, next_sibling) = (NONE, NONE);
        self.nodes.push(Node { key, parent, element, length, first_child, next_sibling });
        (self.nodes.len() - 1) as List
    }

    /// The keys that have lists, in the order of their numbers.
    pub(super) fn keys(&self) -> impl Iterator<Item = Name> + '_ {
        (0..self.roots.len()).filter(|&k| self.roots[k] != NONE).map(|k| k as Name)
    }

    pub(super) fn key(&self, list: List) -> Name {
        self.nodes[list as usize].key
    }

    pub(super) fn length(&self, list: List) -> u32 {
        self.nodes[list as usize].length
    }

    /// Its last element, unless it is empty.
    pub(super) fn last(&self, list: List) -> Option<Name> {
        let node = &self.nodes[list as usize];
        (node.length > 0).then_some(node.element)
    }

    /// It without its last element, unless it is empty.
    pub(super) fn without_last(&self, list: List) -> Option<List> {
        let parent = self.nodes[list as usize].parent;
        (parent != NONE).then_some(parent)
    }

    pub(super) fn elements(&self, list: List) -> Vec<Name> {
        let prefixes = std::iter::successors(Some(list), |&list| self.without_last(list));
        let mut elements: Vec<Name> = prefixes.filter_map(|list| self.last(list)).collect();
        elements.reverse();
        elements
    }

    /// Its elements in order, each where it stands first.
    pub(super) fn distinct(&self, list: List) -> Vec<Name> {
        let mut seen = FxHashSet::default();
        let mut elements = self.elements(list);
        elements.retain(|&element| seen.insert(element));
        elements
    }

    /// The longest list that was read of `key`, the empty one if none was.
    pub(super) fn longest(&self, key: Name) -> Option<List> {
        self.longest.get(key as usize).copied().filter(|&list| list != NONE)
    }

    /// A pair of lists of `key` neither of which is a prefix of the other, each
    /// as short as it can be; `None` when there is none.
    pub(super) fn fork(&self, key: Name) -> Option<(List, List)> {
        let mut list = self.longest(key)?;
        while let Some(shorter) = self.without_last(list) {
            let first = self.nodes[shorter as usize].first_child;
            let second = self.nodes[first as usize].next_sibling;
            if second != NONE {
                return Some((first, second));
            }
            list = shorter;
        }
        None
    }

    /// For each list the nearest prefix, itself included, that `is_marked`.
    pub(super) fn nearest(&self, is_marked: impl Fn(List) -> bool) -> Vec<Option<List>> {
        let mut nearest: Vec<Option<List>> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let list = i as List;
            let inherited = nearest.get(node.parent as usize).copied().flatten();
            nearest.push(if is_marked(list) { Some(list) } else { inherited });
        }
        nearest
    }

    /// Where each list and those that begin with it stand.
    pub(super) fn spans(&self) -> Spans {
        let mut length: Vec<u32> = vec![1; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev().filter(|(_, n)| n.parent != NONE) {
            length[node.parent as usize] += length[i];
        }
        let (mut start, mut next, mut end) = (vec![0; length.len()], vec![0; length.len()], 0);
        for (i, node) in self.nodes.iter().enumerate() {
            let free: &mut u32 =
                if node.parent == NONE { &mut end } else { &mut next[node.parent as usize] };
            start[i] = *free;
            *free += length[i];
            next[i] = start[i] + 1;
        }
        Spans { start, length }
    }

    /// Every list that is not empty by its key and last element, sorted.
    pub(super) fn by_last(&self) -> Vec<((Name, Name), List)> {
        let lists = (0..self.nodes.len() as List).filter(|&list| self.length(list) > 0);
        let mut by_last: Vec<_> =
            lists.map(|list| ((self.key(list), self.nodes[list as usize].element), list)).collect();
        by_last.sort_unstable();
        by_last
    }

    /// Of several longest lists of one key makes the one with the greatest rank
    /// its longest.
    pub(super) fn break_ties<R: Ord>(&mut self, rank: impl Fn(&[Name]) -> R) {
        let mut rivals: Vec<(Name, List)> = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let longest = self.longest[node.key as usize];
            if node.length == self.length(longest) && i as List != longest {
                rivals.push((node.key, i as List));
            }
        }
        for (key, rival) in rivals {
            let longest = self.longest[key as usize];
            if rank(&self.elements(rival)) > rank(&self.elements(longest)) {
                self.longest[key as usize] = rival;
            }
        }
    }

    /// For each list whether its last element stands in it before, too.
    pub(super) fn repeats(&self) -> Vec<bool> {
        let mut repeats = vec![false; self.nodes.len()];
        let roots = self.roots.iter().filter(|&&root| root != NONE);
        for &root in roots {
            self.mark_repeats(root, &mut repeats);
        }
        repeats
    }

    /// Walks one tree, knowing how often each element stands on the way down.
    fn mark_repeats(&self, root: List, repeats: &mut [bool]) {
        let mut on_the_way: FxHashMap<Name, u32> = FxHashMap::default();
        let mut list = root;
        loop {
            if let Some(element) = self.last(list) {
                let times = on_the_way.entry(element).or_default();
                *times += 1;
                repeats[list as usize] = *times > 1;
            }
            let node = &self.nodes[list as usize];
            if node.first_child != NONE {
                list = node.first_child;
                continue;
            }
            // Up until a sibling is left to visit.
            while let Some(element) = self.last(list) {
                on_the_way.entry(element).and_modify(|times| *times -= 1);
                let node = &self.nodes[list as usize];
                if node.next_sibling != NONE {
                    break;
                }
                list = node.parent;
            }
            if list == root {
                return;
            }
            list = self.nodes[list as usize].next_sibling;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(of: &[&[Name]]) -> (Lists, Vec<List>) {
        let mut lists = Lists::default();
        let root = lists.empty(0);
        let numbers =
            of.iter().map(|elements| lists.extended(root, elements.iter().copied())).collect();
        (lists, numbers)
    }

    #[test]
    fn equal_lists_have_one_number_and_prefixes_are_ancestors() {
        let (lists, numbers) = lists(&[&[1, 2, 3], &[1, 2], &[1, 2, 3], &[]]);
        assert_eq!(numbers[0], numbers[2]);
        assert_eq!(lists.without_last(numbers[0]), Some(numbers[1]));
        assert_eq!(lists.elements(numbers[0]), [1, 2, 3]);
        assert_eq!(lists.length(numbers[3]), 0);
        assert_eq!(lists.longest(0), Some(numbers[0]));
        assert_eq!(lists.fork(0), None);
    }

    #[test]
    fn lists_of_different_keys_are_different() {
        let mut lists = Lists::default();
        let (a, b) = (lists.empty(0), lists.empty(1));
        assert_ne!(lists.extended(a, [1].into_iter()), lists.extended(b, [1].into_iter()));
        assert_eq!(lists.longest(7), None);
    }

    #[test]
    fn a_prefix_is_told_from_what_only_looks_like_one() {
        let (lists, numbers) = lists(&[&[1, 2, 3], &[1, 2], &[1, 3], &[]]);
        let spans = lists.spans();
        let is_prefix = |a: usize, b: usize| spans.is_prefix(numbers[a], numbers[b]);
        assert!(is_prefix(1, 0) && is_prefix(3, 2) && is_prefix(0, 0));
        assert!(!is_prefix(0, 1) && !is_prefix(1, 2) && !is_prefix(2, 0));
    }

    #[test]
    fn of_two_longest_lists_the_rank_decides() {
        let (mut lists, numbers) = lists(&[&[1, 2], &[3, 4], &[9]]);
        lists.break_ties(|elements| elements[0]);
        assert_eq!(lists.longest(0), Some(numbers[1]));
        lists.break_ties(|elements| std::cmp::Reverse(elements[0]));
        assert_eq!(lists.longest(0), Some(numbers[0]));
    }

    #[test]
    fn a_fork_shows_the_shortest_contradiction() {
        let (lists, _) = lists(&[&[1, 2, 3, 4], &[1, 3, 2, 5]]);
        let (a, b) = lists.fork(0).unwrap();
        assert_eq!((lists.elements(a), lists.elements(b)), (vec![1, 2], vec![1, 3]));
    }

    #[test]
    fn a_fork_away_from_the_longest_list_is_found() {
        let (lists, _) = lists(&[&[1, 2, 3, 4], &[7, 8], &[7, 9]]);
        assert!(lists.fork(0).is_some());
    }

    #[test]
    fn repeated_elements_are_found_in_every_branch() {
        let (lists, numbers) = lists(&[&[1, 2, 1, 4], &[1, 2, 3], &[2, 2], &[1, 2, 4]]);
        let repeats = lists.repeats();
        let nearest = lists.nearest(|list| repeats[list as usize]);
        let is_bad = |i: usize| nearest[numbers[i] as usize].is_some();
        assert_eq!([is_bad(0), is_bad(1), is_bad(2), is_bad(3)], [true, false, true, false]);
        assert_eq!(lists.length(nearest[numbers[0] as usize].unwrap()), 3);
    }
}
