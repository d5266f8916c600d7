//! The structure of a graph as petgraph knows it, places and arrows, which the checks walk and the drawings print. A run
//! does not use it.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::shape::{END, START, Shape};

/// A place in a net.
pub(super) type Id = NodeIndex<u32>;

/// Places and arrows of a graph.
pub(super) struct Net<'a> {
    pub(super) graph: DiGraph<Place<'a>, Arrow>,
    pub(super) start: Id,
    pub(super) end: Id,
    index: HashMap<&'a str, Id>,
}

/// Where an arrow can begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Start,
    End,
    /// The number of a node of the shape.
    Node(usize),
    /// A name that is no node.
    Unknown(&'a str),
}

/// What leads from one place to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrow {
    Edge,
    /// The number of a branch of the shape.
    Branch(usize),
    /// From a source to the target; the number of a join of the shape.
    Join(usize),
    /// A command may go there.
    Goto,
    /// To the node that runs in the place of one that failed.
    Error,
}

/// Arrows of which one is chosen, or any number where the arrow allows it.
pub(super) struct Choice {
    pub(super) arrow: Arrow,
    pub(super) targets: Vec<Id>,
}

impl<'a> Net<'a> {
    /// All that was declared. Names that are no nodes get places of their own.
    pub(super) fn declared(shape: &'a Shape) -> Self {
        let mut net = Self::places(shape);
        for (from, to, arrow) in arrows(shape) {
            let (from, to) = (net.place(from), net.place(to));
            net.graph.add_edge(from, to, arrow);
        }
        net
    }

    /// What makes sense of it: a name that is no node stands for the node that was probably meant, if there is one, and
    /// nothing leads to the start or away from the end.
    pub(super) fn meant(shape: &'a Shape, meant: &HashMap<&'a str, Option<&'a str>>) -> Self {
        let mut net = Self::places(shape);
        for (from, to, arrow) in arrows(shape) {
            let find = |name| net.find(meant.get(name).copied().flatten().unwrap_or(name));
            let (Some(from), Some(to)) = (find(from), find(to)) else { continue };
            if from != net.end && to != net.start {
                net.graph.add_edge(from, to, arrow);
            }
        }
        net
    }

    fn places(shape: &'a Shape) -> Self {
        let mut graph = DiGraph::with_capacity(shape.nodes.len() + 2, shape.edges.len());
        let (start, end) = (graph.add_node(Place::Start), graph.add_node(Place::End));
        let mut index = HashMap::from([(START, start), (END, end)]);
        for (number, node) in shape.nodes.iter().enumerate() {
            let id = graph.add_node(Place::Node(number));
            index.entry(&*node.name).or_insert(id);
        }
        Self { graph, start, end, index }
    }

    fn place(&mut self, name: &'a str) -> Id {
        *self.index.entry(name).or_insert_with(|| self.graph.add_node(Place::Unknown(name)))
    }

    pub(super) fn find(&self, name: &str) -> Option<Id> {
        self.index.get(name).copied()
    }

    /// The number of a node of the shape; `None` for other places.
    pub(super) fn number(&self, id: Id) -> Option<usize> {
        match self.graph[id] {
            Place::Node(number) => Some(number),
            Place::Start | Place::End | Place::Unknown(_) => None,
        }
    }

    /// Arrows from a place.
    pub(super) fn exits(&self, from: Id) -> impl Iterator<Item = (Id, Arrow)> + '_ {
        self.graph.edges(from).map(|edge| (edge.target(), *edge.weight()))
    }

    /// Arrows to a place.
    pub(super) fn entries(&self, to: Id) -> impl Iterator<Item = (Id, Arrow)> + '_ {
        self.graph.edges_directed(to, petgraph::Incoming).map(|edge| (edge.source(), *edge.weight()))
    }

    /// Groups what can be gone on with when a place has run: arrows of different groups are followed at once, arrows of one
    /// group by choice.
    pub(super) fn choices(&self, from: Id) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut numbers: HashMap<Option<usize>, usize> = HashMap::new();
        for (to, arrow) in self.exits(from) {
            let group = match arrow {
                Arrow::Branch(branch) => Some(branch),
                Arrow::Goto => None,
                Arrow::Edge | Arrow::Join(_) => {
                    choices.push(Choice { arrow, targets: vec![to] });
                    continue;
                }
                // It stands in the place of `from`, not beside what follows it.
                Arrow::Error => continue,
            };
            let number = *numbers.entry(group).or_insert(choices.len());
            match choices.get_mut(number) {
                Some(choice) => choice.targets.push(to),
                None => choices.push(Choice { arrow, targets: vec![to] }),
            }
        }
        choices
    }

    /// Counts for each of `n_joins` joins the arrows to its target.
    pub(super) fn join_parts(&self, n_joins: usize) -> Vec<usize> {
        let mut parts = vec![0; n_joins];
        for arrow in self.graph.edge_weights() {
            if let Arrow::Join(join) = arrow {
                parts[*join] += 1;
            }
        }
        parts
    }
}

/// Every arrow, from where and to where.
fn arrows(shape: &Shape) -> impl Iterator<Item = (&str, &str, Arrow)> {
    let edges = shape.edges.iter().map(|(from, to)| (&**from, &**to, Arrow::Edge));
    let branches = shape.branches.iter().enumerate().flat_map(|(number, branch)| {
        branch.targets.iter().map(move |to| (&*branch.from, &**to, Arrow::Branch(number)))
    });
    let joins =
        shape.joins.iter().enumerate().flat_map(|(number, join)| {
            join.sources.iter().map(move |from| (&**from, &*join.target, Arrow::Join(number)))
        });
    let gotos = shape.nodes.iter().flat_map(|node| node.goto.iter().map(|to| (&*node.name, &**to, Arrow::Goto)));
    let errors = shape.nodes.iter().filter_map(|node| Some((&*node.name, node.on_error.as_deref()?, Arrow::Error)));
    edges.chain(branches).chain(joins).chain(gotos).chain(errors)
}
