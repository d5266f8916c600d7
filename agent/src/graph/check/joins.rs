//! Joins that no run completes: a source cannot be reached, or of two sources every run comes to one at most.
//!
//! A join counts its sources over any number of supersteps. So two sources can both run if one leads to the other, or if
//! something leads to both at once. All else is one path that has to choose.

use std::collections::{HashMap, HashSet};

use super::names::join_shown;
use super::shown;
use crate::graph::net::{Arrow, Choice, Id, Net};
use crate::graph::shape::{Shape, ShapeJoin};

/// Arrows looked at for all joins of a graph, which takes less than a second. Joins that are not looked at any more count
/// as good.
const STEPS_MAX: usize = 2_000_000;

/// Names the joins that never complete.
pub(super) fn faults(net: &Net<'_>, shape: &Shape, reached: &[bool]) -> Vec<String> {
    let mut search = Search { net, shape, reached, steps_left: STEPS_MAX };
    shape.joins.iter().enumerate().filter_map(|(number, join)| search.fault(number, join)).collect()
}

struct Search<'n, 'a> {
    net: &'n Net<'a>,
    shape: &'n Shape,
    reached: &'n [bool],
    steps_left: usize,
}

/// A source of a join, and all that leads to it.
struct Source {
    id: Id,
    before: Vec<Id>,
    is_before: HashSet<Id>,
}

impl Search<'_, '_> {
    fn fault(&mut self, number: usize, join: &ShapeJoin) -> Option<String> {
        let target = self.net.find(&join.target)?;
        let sources = self.net.entries(target).filter(|(_, arrow)| *arrow == Arrow::Join(number));
        let mut sources: Vec<Id> = sources.map(|(source, _)| source).collect();
        sources.sort_unstable();
        sources.dedup();
        let (net, shape) = (self.net, self.shape);
        let shown = |id: Id| shown(net, shape, id);
        let place = join_shown(join);
        if let Some(lost) = sources.iter().find(|source| !self.reached[source.index()]) {
            return Some(format!("{place}: it never completes, a run cannot come to {}", shown(*lost)));
        }
        if self.beside(&sources) {
            return None;
        }
        let (a, b) = self.exclusive(&sources)?;
        let (a, b, to) = (shown(a), shown(b), shown(target));
        Some(format!(
            "{place}: it never completes, no run comes to both {a} and {b}; give each an edge to {to} instead"
        ))
    }

    /// Tells whether one place leads to all sources at once, the way most joins are.
    fn beside(&self, sources: &[Id]) -> bool {
        let mut counts: HashMap<Id, usize> = HashMap::new();
        for source in sources {
            let entries = self.net.entries(*source).filter(|(_, arrow)| *arrow == Arrow::Edge || self.is_many(*arrow));
            let from: HashSet<Id> = entries.map(|(from, _)| from).filter(|from| self.reached[from.index()]).collect();
            from.into_iter().for_each(|from| *counts.entry(from).or_default() += 1);
        }
        counts.values().any(|count| *count == sources.len())
    }

    /// Finds two sources that exclude each other; `None` also when it takes too long.
    fn exclusive(&mut self, sources: &[Id]) -> Option<(Id, Id)> {
        let sources = sources.iter().map(|id| self.source(*id)).collect::<Option<Vec<_>>>()?;
        for (number, b) in sources.iter().enumerate() {
            for a in &sources[..number] {
                if !self.leads(a, b) && !self.leads(b, a) && !self.fork(a, b)? {
                    return Some((a.id, b.id));
                }
            }
        }
        None
    }

    fn source(&mut self, id: Id) -> Option<Source> {
        let mut source = Source { id, before: vec![id], is_before: HashSet::from([id]) };
        let mut looked_at = 0;
        while let Some(to) = source.before.get(looked_at).copied() {
            looked_at += 1;
            for (from, _) in self.net.entries(to) {
                self.steps_left = self.steps_left.checked_sub(1)?;
                if self.reached[from.index()] && source.is_before.insert(from) {
                    source.before.push(from);
                }
            }
        }
        Some(source)
    }

    /// Tells whether `b` can come after `a`. If `a` fails it has not run as far as joins are concerned.
    fn leads(&self, a: &Source, b: &Source) -> bool {
        self.net.exits(a.id).any(|(to, arrow)| arrow != Arrow::Error && b.is_before.contains(&to))
    }

    /// Tells whether something leads to both at once; `None` when it takes too long.
    fn fork(&mut self, a: &Source, b: &Source) -> Option<bool> {
        let (fewer, more) = if a.before.len() < b.before.len() { (a, b) } else { (b, a) };
        for place in &fewer.before {
            self.steps_left = self.steps_left.checked_sub(1)?;
            if more.is_before.contains(place) {
                let choices = self.net.choices(*place);
                self.steps_left = self.steps_left.checked_sub(choices.len())?;
                if self.both(&choices, a, b) {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    fn both(&self, choices: &[Choice], a: &Source, b: &Source) -> bool {
        let (mut to_a, mut to_b, mut to_both) = (0, 0, 0);
        for choice in choices {
            let leads = |source: &Source| choice.targets.iter().any(|to| source.is_before.contains(to));
            let (leads_a, leads_b) = (leads(a), leads(b));
            if leads_a && leads_b && self.is_many(choice.arrow) {
                return true;
            }
            to_a += usize::from(leads_a);
            to_b += usize::from(leads_b);
            to_both += usize::from(leads_a && leads_b);
        }
        to_a > 0 && to_b > 0 && (to_a, to_b, to_both) != (1, 1, 1)
    }

    /// Tells whether several arrows like this one can be followed at once: what a command may go to, it may go to at once.
    fn is_many(&self, arrow: Arrow) -> bool {
        match arrow {
            Arrow::Branch(branch) => self.shape.branches[branch].many,
            Arrow::Goto => true,
            Arrow::Edge | Arrow::Join(_) | Arrow::Error => false,
        }
    }
}
