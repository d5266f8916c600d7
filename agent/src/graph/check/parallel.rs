//! Nodes that can write one field in one superstep, though the field keeps one value.
//!
//! Two nodes that something leads to at once run in the same superstep, and so does what follows each of them, step by
//! step. Only nodes that declare what they write are looked at. What is not seen here is still an error when it happens,
//! so the search says nothing where it cannot tell: a join whose sources take different numbers of supersteps from time
//! to time, or stand in for a node that failed, is not followed, and a command is taken to go to one place.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{row, shown};
use crate::graph::net::{Arrow, Choice, Id, Net};
use crate::graph::shape::Shape;
use crate::state::Field;

/// Pairs of nodes looked at: all of 700 nodes that run side by side. What has been found by then is told.
const STEPS_MAX: usize = 250_000;

/// Names the pairs of nodes that can get in each other's way.
pub(super) fn faults(net: &Net<'_>, shape: &Shape, reached: &[bool], fields: &[Field]) -> Vec<String> {
    let writers = Writers::new(shape, fields);
    if !writers.are_several() {
        return Vec::new();
    }
    let mut lockstep = Lockstep::new(net, shape, reached);
    let mut found: BTreeMap<(Id, Id), Vec<&str>> = BTreeMap::new();
    lockstep.walk(|a, b| {
        let fields = writers.common(net, a, b);
        if !fields.is_empty() {
            found.insert((a.min(b), a.max(b)), fields);
        }
    });
    let faults = found.into_iter().map(|((a, b), fields)| {
        let (a, b) = (shown(net, shape, a), shown(net, shape, b));
        let which = if fields.len() == 1 { "which keeps one value" } else { "which keep one value each" };
        format!(
            "nodes {a} and {b}: they can run in the same superstep and both write {}, {which}; give such a field a rule, \
             or let one node run after the other",
            row(fields)
        )
    });
    faults.collect()
}

/// For each node of the shape, the fields that it writes and others must not.
struct Writers<'a>(Vec<BTreeSet<&'a str>>);

impl<'a> Writers<'a> {
    fn new(shape: &'a Shape, fields: &[Field]) -> Self {
        let single: HashSet<&str> =
            fields.iter().filter(|field| !field.rule.takes_many()).map(|field| &*field.name).collect();
        let writes = shape.nodes.iter().map(|node| {
            let fields = node.writes.iter().flatten().map(|field| &**field);
            fields.filter(|field| single.contains(field)).collect()
        });
        Self(writes.collect())
    }

    /// Tells whether there is a field with more than one writer.
    fn are_several(&self) -> bool {
        let mut seen = HashSet::new();
        self.0.iter().flatten().any(|field| !seen.insert(field))
    }

    fn common(&self, net: &Net<'_>, a: Id, b: Id) -> Vec<&'a str> {
        let (Some(a), Some(b)) = (net.number(a), net.number(b)) else { return Vec::new() };
        self.0[a].intersection(&self.0[b]).copied().collect()
    }
}

/// Walks two paths at once.
struct Lockstep<'n, 'a> {
    net: &'n Net<'a>,
    shape: &'n Shape,
    reached: &'n [bool],
    /// For each join, those of its sources that can be the last to run.
    last: Vec<HashSet<Id>>,
    seen: HashSet<(Id, Id)>,
    pairs: Vec<(Id, Id)>,
    steps_left: usize,
}

impl<'n, 'a> Lockstep<'n, 'a> {
    fn new(net: &'n Net<'a>, shape: &'n Shape, reached: &'n [bool]) -> Self {
        let levels = levels(net, shape, reached);
        let last = (0..shape.joins.len()).map(|join| last(net, shape, &levels, join)).collect();
        Self { net, shape, reached, last, seen: HashSet::new(), pairs: Vec::new(), steps_left: STEPS_MAX }
    }

    /// Calls `meet` with each two nodes that can run in the same superstep.
    fn walk(&mut self, mut meet: impl FnMut(Id, Id)) {
        for place in self.net.graph.node_indices().filter(|place| self.reached[place.index()]) {
            self.fork(place);
        }
        while let Some((a, b)) = self.pairs.pop() {
            let (runs_a, runs_b) = match (self.is_deferred(a), self.is_deferred(b)) {
                // A deferred node waits for the other path to end, or to come to a deferred node as well.
                (true, false) => {
                    self.advance(&[a], &self.follow(b));
                    continue;
                }
                (false, true) => {
                    self.advance(&self.follow(a), &[b]);
                    continue;
                }
                _ => (self.runs(a), self.runs(b)),
            };
            for a in &runs_a {
                runs_b.iter().filter(|b| *b != a).for_each(|b| meet(*a, *b));
            }
            self.advance(&self.follow(a), &self.follow(b));
        }
    }

    /// Adds what follows a place at once.
    fn fork(&mut self, place: Id) {
        let mut choices = self.net.choices(place);
        choices.retain_mut(|choice| {
            choice.targets.retain(|to| self.reached[to.index()] && *to != self.net.end);
            !choice.targets.is_empty() && self.is_followed(place, choice.arrow)
        });
        for (number, choice) in choices.iter().enumerate() {
            if self.is_many(choice) {
                self.advance(&choice.targets, &choice.targets);
            }
            for other in &choices[..number] {
                self.advance(&other.targets, &choice.targets);
            }
        }
    }

    fn advance(&mut self, left: &[Id], right: &[Id]) {
        for a in left {
            for b in right {
                let Some(steps_left) = self.steps_left.checked_sub(1) else { return };
                self.steps_left = steps_left;
                let pair = (*a.min(b), *a.max(b));
                if a != b && self.seen.insert(pair) {
                    self.pairs.push(pair);
                }
            }
        }
    }

    /// What can run as a task of this node: the node, or what stands in its place if it fails.
    fn runs(&self, node: Id) -> Vec<Id> {
        let handlers = self.net.exits(node).filter(|(_, arrow)| *arrow == Arrow::Error).map(|(to, _)| to);
        std::iter::once(node).chain(handlers).collect()
    }

    /// What can run after a task of this node.
    fn follow(&self, node: Id) -> Vec<Id> {
        let mut follow = Vec::new();
        for ran in self.runs(node) {
            let exits = self.net.exits(ran).filter(|(_, arrow)| self.is_followed(ran, *arrow));
            follow.extend(exits.map(|(to, _)| to).filter(|to| self.reached[to.index()] && *to != self.net.end));
        }
        follow.sort_unstable();
        follow.dedup();
        follow
    }

    fn is_followed(&self, from: Id, arrow: Arrow) -> bool {
        match arrow {
            Arrow::Edge | Arrow::Branch(_) | Arrow::Goto => true,
            Arrow::Join(join) => self.last[join].contains(&from),
            Arrow::Error => false,
        }
    }

    fn is_many(&self, choice: &Choice) -> bool {
        matches!(choice.arrow, Arrow::Branch(branch) if self.shape.branches[branch].many)
    }

    fn is_deferred(&self, id: Id) -> bool {
        is_deferred(self.net, self.shape, id)
    }
}

fn is_deferred(net: &Net<'_>, shape: &Shape, id: Id) -> bool {
    net.number(id).is_some_and(|number| shape.nodes[number].deferred)
}

/// For each place, the number of supersteps that it takes to come there, if that is always the same.
fn levels(net: &Net<'_>, shape: &Shape, reached: &[bool]) -> Vec<Option<u32>> {
    let mut levels = vec![None; reached.len()];
    let is_entry = |(from, _): &(Id, Arrow)| reached[from.index()];
    let mut missing: Vec<usize> = net.graph.node_indices().map(|id| net.entries(id).filter(is_entry).count()).collect();
    let mut ready = vec![net.start];
    // Places in a cycle, and those behind one, never get ready.
    while let Some(place) = ready.pop() {
        levels[place.index()] = match place {
            place if place == net.start => Some(0),
            place if is_deferred(net, shape, place) => None,
            place => level(net, reached, &levels, place),
        };
        for (to, _) in net.exits(place).filter(|(to, _)| reached[to.index()]) {
            missing[to.index()] -= 1;
            if missing[to.index()] == 0 {
                ready.push(to);
            }
        }
    }
    levels
}

fn level(net: &Net<'_>, reached: &[bool], levels: &[Option<u32>], place: Id) -> Option<u32> {
    let mut ways: Vec<u32> = Vec::new();
    let mut joins: HashMap<usize, u32> = HashMap::new();
    for (from, arrow) in net.entries(place).filter(|(from, _)| reached[from.index()]) {
        let level = levels[from.index()]?;
        match arrow {
            Arrow::Edge | Arrow::Branch(_) | Arrow::Goto => ways.push(level + 1),
            Arrow::Error => ways.push(level),
            Arrow::Join(join) => {
                let last = joins.entry(join).or_default();
                *last = (*last).max(level + 1);
            }
        }
    }
    ways.extend(joins.into_values());
    let (first, rest) = ways.split_first()?;
    rest.iter().all(|way| way == first).then_some(*first)
}

/// Which sources of a join can be the last to run; none if that cannot be said.
fn last(net: &Net<'_>, shape: &Shape, levels: &[Option<u32>], join: usize) -> HashSet<Id> {
    let Some(target) = net.find(&shape.joins[join].target) else { return HashSet::new() };
    let sources = net.entries(target).filter(|(_, arrow)| *arrow == Arrow::Join(join)).map(|(source, _)| source);
    let sources: HashSet<Id> = sources.collect();
    // What stands in for a node that failed runs instead of what follows it: the other sources may never run then.
    let stands_in = |source: &Id| net.entries(*source).any(|(_, arrow)| arrow == Arrow::Error);
    if sources.iter().any(|source| is_deferred(net, shape, *source) || stands_in(source)) {
        return HashSet::new();
    }
    let known: Option<Vec<u32>> = sources.iter().map(|source| levels[source.index()]).collect();
    if let Some(known) = known {
        let last = known.into_iter().max();
        return sources.into_iter().filter(|source| levels[source.index()] == last).collect();
    }
    // Also in a cycle they run together if nothing leads to them but the edges of one node.
    let only_entry = |source: &Id| {
        let mut entries = net.entries(*source);
        entries.next().filter(|entry| entry.1 == Arrow::Edge && entries.next().is_none())
    };
    let forks: BTreeSet<Option<Id>> = sources.iter().map(|source| only_entry(source).map(|(from, _)| from)).collect();
    if forks.len() == 1 && !forks.contains(&None) { sources } else { HashSet::new() }
}
