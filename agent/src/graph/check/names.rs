//! Names that cannot be, and names that are nothing: nodes, what arrows refer to, fields.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Shown, row};
use crate::graph::shape::{END, START, Shape, ShapeJoin, ShapeNode};
use crate::state::Field;

/// What stands between the parts of paths and keys, which names become parts of.
const RESERVED: &str = "/@#~!+>";
/// Unknown names for which a near one is looked for. The search looks at all names, and nobody has misspelt so many.
const GUESSES_MAX: usize = 100;
/// Names longer than this are not compared: it takes time in proportion to the product of their lengths.
const COMPARED_CHARS_MAX: usize = 200;

/// For each name that is no node, the one that was probably meant.
pub(super) type Meant<'a> = HashMap<&'a str, Option<&'a str>>;

/// Looks at all names of a graph.
pub(super) fn faults<'a>(shape: &'a Shape, fields: &[Field]) -> (Vec<String>, Meant<'a>) {
    let nodes = shape.nodes.iter().map(|node| &*node.name).collect();
    let mut names = Names { shape, nodes, meant: HashMap::new(), faults: Vec::new() };
    names.nodes();
    names.edges();
    names.branches();
    names.joins();
    names.settings();
    names.gates();
    names.fields(fields);
    (names.faults, names.meant)
}

/// Finds the name that was probably meant: one slip for every three letters is forgiven, so that short names match
/// nothing, and upper case is as good as lower case. Of equally near names it is the first in order.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > COMPARED_CHARS_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let near = names.filter_map(|other| {
        let other_length = other.chars().count();
        let slips_max = length.max(other_length) / 3;
        if length.abs_diff(other_length) > slips_max {
            return None;
        }
        let slips = strsim::damerau_levenshtein(&lower, &other.to_lowercase());
        (slips <= slips_max).then_some((slips, other))
    });
    near.min().map(|(_, other)| other)
}

/// Says of a name that is nothing which one was probably meant.
fn hint(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {}?", Shown(near)))
}

struct Names<'a> {
    shape: &'a Shape,
    nodes: HashSet<&'a str>,
    meant: Meant<'a>,
    faults: Vec<String>,
}

impl<'a> Names<'a> {
    fn nodes(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for node in &self.shape.nodes {
            self.faults.extend(unfit(&node.name));
            *seen.entry(&node.name).or_default() += 1;
        }
        for node in &self.shape.nodes {
            if let Some(times @ 2..) = seen.remove(&*node.name) {
                self.faults.push(format!("node {}: there are {times} nodes with this name", Shown(&node.name)));
            }
        }
    }

    fn edges(&mut self) {
        let mut seen = HashSet::new();
        for (from, to) in &self.shape.edges {
            let place = match &**from {
                START => format!("start {}", Shown(to)),
                _ => format!("edge {} -> {}", Shown(from), Shown(to)),
            };
            self.source(&place, from);
            self.target(&place, to);
            if !seen.insert((from, to)) {
                self.faults.push(format!("{place}: it is there already"));
            }
        }
    }

    fn branches(&mut self) {
        for branch in &self.shape.branches {
            let place = format!("branch after {}", Shown(&branch.from));
            self.source(&place, &branch.from);
            if branch.targets.is_empty() {
                self.faults.push(format!("{place}: it has no targets; name all that it may go to"));
            }
            for to in &branch.targets {
                self.target(&place, to);
            }
        }
    }

    fn joins(&mut self) {
        let mut seen = HashSet::new();
        for join in &self.shape.joins {
            let place = join_shown(join);
            let sources: BTreeSet<&str> = join.sources.iter().map(|source| &**source).collect();
            match join.sources.len() {
                0 => self.faults.push(format!("{place}: it has no sources")),
                1 => self.faults.push(format!("{place}: it has one source; that is an edge")),
                n if n > sources.len() => self.faults.push(format!("{place}: it names a source more than once")),
                _ => {}
            }
            for source in &sources {
                match *source {
                    START => self.faults.push(format!("{place}: the start is no source; a run is always past it")),
                    source => self.source(&place, source),
                }
            }
            match &*join.target {
                END => self.faults.push(format!("{place}: the end waits for everything anyway")),
                to => self.target(&place, to),
            }
            if !seen.insert((sources, &join.target)) {
                self.faults.push(format!("{place}: it is there already"));
            }
        }
    }

    fn settings(&mut self) {
        for node in &self.shape.nodes {
            self.handler(node);
            for to in &node.goto {
                self.target(&format!("`goto` of node {}", Shown(&node.name)), to);
            }
        }
    }

    fn handler(&mut self, node: &'a ShapeNode) {
        let Some(handler) = &node.on_error else { return };
        let place = format!("`on_error` of node {}", Shown(&node.name));
        match &**handler {
            START | END => self.faults.push(format!("{place}: {} is no node", Shown(handler))),
            handler if handler == node.name => {
                self.faults.push(format!("{place}: the node names itself; use `.retry(..)` to run it again"));
            }
            handler => self.known(&place, handler),
        }
    }

    fn gates(&mut self) {
        for gate in &self.shape.gates {
            let place = format!("gate at {}", Shown(gate));
            match &**gate {
                START | END => self.faults.push(format!("{place}: it is no node")),
                gate => self.known(&place, gate),
            }
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        let known: HashSet<&str> = fields.iter().map(|field| &*field.name).collect();
        for node in &self.shape.nodes {
            for field in node.writes.iter().flatten().filter(|field| !known.contains(&***field)) {
                let hint = hint(nearest(field, fields.iter().map(|field| &*field.name)));
                let node = Shown(&node.name);
                self.faults.push(format!("`writes` of node {node}: the state has no field {}{hint}", Shown(field)));
            }
        }
    }

    fn source(&mut self, place: &str, name: &'a str) {
        match name {
            START => {}
            END => self.faults.push(format!("{place}: nothing comes after `END`")),
            name => self.known(place, name),
        }
    }

    fn target(&mut self, place: &str, name: &'a str) {
        match name {
            START => self.faults.push(format!("{place}: nothing leads to `START`")),
            END => {}
            name => self.known(place, name),
        }
    }

    fn known(&mut self, place: &str, name: &'a str) {
        if self.nodes.contains(name) {
            return;
        }
        let guesses = self.meant.len();
        let shape = self.shape;
        let near = *self.meant.entry(name).or_insert_with(|| {
            if guesses < GUESSES_MAX { nearest(name, shape.nodes.iter().map(|node| &*node.name)) } else { None }
        });
        self.faults.push(format!("{place}: there is no node {}{}", Shown(name), hint(near)));
    }
}

/// A join as a fault shows it.
pub(super) fn join_shown(join: &ShapeJoin) -> String {
    match &*join.sources {
        [] => format!("join into {}", Shown(&join.target)),
        sources => format!("join of {} into {}", row(sources.iter().map(|source| &**source)), Shown(&join.target)),
    }
}

/// Says why a node cannot have this name.
fn unfit(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a node has an empty name".to_owned());
    }
    if name == START || name == END {
        return Some(format!("node {}: the name is taken, it is no node", Shown(name)));
    }
    let bad: BTreeSet<char> = name.chars().filter(|c| c.is_control() || RESERVED.contains(*c)).collect();
    if bad.is_empty() {
        return None;
    }
    let bad: Vec<String> = bad.into_iter().map(String::from).collect();
    Some(format!(
        "node {}: a name is part of paths and cannot have {} in it",
        Shown(name),
        row(bad.iter().map(|c| &**c))
    ))
}
